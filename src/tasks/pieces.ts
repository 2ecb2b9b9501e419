/** The content of a task in pieces, by which two tasks are found to share some of it. */
export interface Pieces {
  /** A key for each piece, none in two of them. */
  readonly own: readonly string[];
  /** Of all pieces wherever they could begin: a text may be cut elsewhere in another task. */
  readonly anywhere: ReadonlySet<string>;
}

/** Sentences, which are whole. */
export function sentencePieces(sequences: readonly Int32Array[]): Pieces {
  const own = sequences.map((ids) => ids.join(' '));
  return { own, anywhere: new Set(own) };
}

/** Tokens of a piece of text: more than chance or a turn of phrase repeats. */
export const PIECE_TOKENS = 24;

/** Pieces of a text; one of all of it where it is shorter. */
export function textPieces(ids: Int32Array): Pieces {
  const length = Math.min(PIECE_TOKENS, ids.length);
  const at = (start: number): string => ids.subarray(start, start + length).join(' ');
  const starts = ids.length - length + 1;
  const anywhere = new Set<string>();
  for (let start = 0; start < starts; start++) anywhere.add(at(start));
  const own: string[] = [];
  for (let start = 0; start < starts; start += length) own.push(at(start));
  return { own, anywhere };
}
