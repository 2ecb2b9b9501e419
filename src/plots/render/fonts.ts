/**
 * Arimo, in a package of font files: drawn to the advance widths of Liberation Sans, Arial and Helvetica
 * (SIL Open Font License 1.1), so a picture has the same lines wherever it is drawn.
 */
export const FONT_FAMILY = 'Arimo';

/** Font files of the weights that the figures use: regular, 600 and bold. */
export function fontFiles(): string[] {
  return ['400Regular', '600SemiBold', '700Bold'].map((style) =>
    require.resolve(`@expo-google-fonts/arimo/${style}/Arimo_${style}.ttf`),
  );
}
