/** Words for what an untrusted file contains, short and fit for a terminal. */

const MAX_CHARACTERS = 80;

/** A name as it is where that is harmless, otherwise quoted with escapes. */
export function printable(name: string): string {
  return name.length <= MAX_CHARACTERS && /^[\w.\-/ ]+$/.test(name) ? name : quoted(name);
}

/** A name in quotes, escaped and cut. */
export function quoted(name: string): string {
  const short = name.length > MAX_CHARACTERS ? `${name.slice(0, MAX_CHARACTERS)}…` : name;
  // Beyond what JSON escapes: whatever is no letter, mark, number, punctuation, symbol or space.
  return JSON.stringify(short).replace(
    /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/**
 * A value out of a pickle or JSON. Not by `String(value)`: lists that contain each other make that as
 * long as one likes.
 */
export function describe(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value).slice(0, 80);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value instanceof Map ? `a dictionary of ${value.size}` : typeof value;
}

/** "12 tensors (a, b, c, d, e, …)" */
export function abridgedNames(all: Iterable<string>): string {
  const names = [...all];
  const shown = names.slice(0, 5).map(printable).join(', ');
  return `${names.length} tensors (${shown}${names.length > 5 ? ', …' : ''})`;
}
