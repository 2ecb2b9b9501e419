/**
 * Characters that a terminal carries out, or that make it show others in another order than they have: control
 * characters but line breaks and tabs, and the marks that turn the direction of writing.
 */
const COMMANDS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * A text for a terminal: names out of files, paths and labels may hold anything, and are shown, not carried out.
 * Escapes as JSON has them, so that a text that is JSON stays it.
 */
export function terminalText(text: string): string {
  return text.replace(
    COMMANDS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A text within a line: with its line breaks it could pass for other lines. */
export function lineText(text: string): string {
  return terminalText(text).replace(/[\n\t]/g, (character) => (character === '\n' ? '\\n' : '\\t'));
}
