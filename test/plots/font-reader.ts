/**
 * Advance widths of a TrueType font, in em: the tables cmap (format 4) and hmtx of the OpenType
 * specification, read without any of the package's code.
 */
export function advanceWidths(font: Buffer): (character: string) => number {
  const tables = new Map<string, number>();
  for (let index = 0; index < font.readUInt16BE(4); index++) {
    const entry = 12 + 16 * index;
    tables.set(font.toString('latin1', entry, entry + 4), font.readUInt32BE(entry + 8));
  }
  const table = (name: string): number => {
    const offset = tables.get(name);
    if (offset === undefined) throw new Error(`no table ${name}`);
    return offset;
  };
  const unitsPerEm = font.readUInt16BE(table('head') + 18);
  const metrics = font.readUInt16BE(table('hhea') + 34);
  const glyphOf = glyphs(font, table('cmap'));
  return (character) => {
    const glyph = glyphOf(character.codePointAt(0)!);
    if (glyph === 0) throw new Error(`the font has no ${character}`);
    return font.readUInt16BE(table('hmtx') + 4 * Math.min(glyph, metrics - 1)) / unitsPerEm;
  };
}

/** From a code point to a glyph; 0 where there is none. */
function glyphs(font: Buffer, cmap: number): (code: number) => number {
  const offsets = Array.from(
    { length: font.readUInt16BE(cmap + 2) },
    (_, index) => cmap + font.readUInt32BE(cmap + 8 + 8 * index),
  );
  const map = offsets.find((offset) => font.readUInt16BE(offset) === 4);
  if (map === undefined) throw new Error('no character map of format 4');
  const twice = font.readUInt16BE(map + 6);
  const [ends, starts] = [map + 14, map + 16 + twice];
  const [deltas, ranges] = [starts + twice, starts + 2 * twice];
  return (code) => {
    for (let at = 0; at < twice; at += 2) {
      if (code > font.readUInt16BE(ends + at)) continue;
      const start = font.readUInt16BE(starts + at);
      if (code < start) return 0;
      const range = font.readUInt16BE(ranges + at);
      const delta = font.readUInt16BE(deltas + at);
      if (range === 0) return (code + delta) & 0xffff;
      return font.readUInt16BE(ranges + at + range + 2 * (code - start));
    }
    return 0;
  };
}
