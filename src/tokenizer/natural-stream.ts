import { naturalPieces } from './from-wikitext.js';
import { PRINTED, type Typography } from './typography.js';

/**
 * `fromWikiText` for text that arrives in pieces, as generation makes it. A word is passed on when
 * the one after it is whole, because that one can decide how the two are joined. All that `push` and
 * `end` return, joined, is `fromWikiText` of all the pieces joined.
 */
export class NaturalStream {
  #line = '';
  /** Tokens of the line that have been passed on. */
  #passed = 0;

  constructor(readonly marks: Typography = PRINTED) {}

  /** Takes a piece of text; returns all that can be passed on. */
  push(piece: string): string {
    const [first, ...following] = piece.split('\n');
    this.#line += first;
    let text = '';
    for (const begin of following) {
      text += `${this.end()}\n`;
      this.#line = begin;
    }
    return text + this.#advance(2);
  }

  /** The rest, when no more comes. */
  end(): string {
    const text = this.#advance(0);
    this.#line = '';
    this.#passed = 0;
    return text;
  }

  /** Passes on the line but for its last tokens: one that may grow, and the one it decides about. */
  #advance(heldBack: number): string {
    const tokens = this.#line.split(' ').filter(Boolean);
    const until = tokens.length - heldBack;
    if (until <= this.#passed) return '';
    const text = naturalPieces(tokens, this.marks).slice(this.#passed, until).join('');
    this.#passed = until;
    return text;
  }
}
