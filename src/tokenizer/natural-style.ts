/** Characters that are looked at: the beginning of a text tells its style. */
const LOOKED_AT = 50_000;

/** Marks of ordinary text, below which nothing is said. */
const FEWEST = 3;

/**
 * True for text that reads like ordinary text: punctuation stands at the word before it ("word, word."), not
 * between spaces as in WikiText and SST-2 ("word , word .").
 */
export function looksNatural(text: string): boolean {
  const start = text.slice(0, LOOKED_AT);
  const count = (pattern: RegExp): number => start.match(pattern)?.length ?? 0;
  const attached = count(/\p{L}[,.;:!?](?=\s|$)/gu);
  const apart = count(/\s[,.;:!?](?=\s|$)/gu);
  return attached >= FEWEST && attached > apart;
}
