import type { Tokenizer } from './tokenizer.js';

/** The mark that a decoder writes for bytes that are no whole character. */
const REPLACEMENT = '\uFFFD';

/**
 * A model may produce bytes that never become a character: then they are shown as U+FFFD after this
 * many tokens, so that the text goes on. Any text in use is whole long before.
 */
const LONGEST_WAIT_TOKENS = 32;

/**
 * Text of tokens that arrive one by one, as generation makes them. A character may be spread over
 * several byte-level tokens; they are held back until it is whole. All pieces joined are
 * `tokenizer.decode` of all ids, for a byte-level vocabulary and ids that spell valid UTF-8.
 */
export class TokenStream {
  readonly #held: number[] = [];

  constructor(readonly tokenizer: Pick<Tokenizer, 'decode'>) {}

  /**
   * The text that became whole with this token; often empty for scripts the vocabulary knows badly.
   *
   * @throws {TokenizerError} for an id outside the vocabulary.
   */
  push(id: number): string {
    this.#held.push(id);
    const text = this.tokenizer.decode(this.#held);
    if (text.endsWith(REPLACEMENT) && this.#held.length < LONGEST_WAIT_TOKENS) return '';
    this.#held.length = 0;
    return text;
  }

  /** The text still held back when no more tokens come; U+FFFD stands for a character cut short. */
  end(): string {
    const text = this.tokenizer.decode(this.#held);
    this.#held.length = 0;
    return text;
  }
}
