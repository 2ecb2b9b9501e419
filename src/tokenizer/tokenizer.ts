import { TokenizerError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { buildLibraryTokenizer, type LibraryTokenizer } from './library.js';
import { parseTokenizerFile, readTokenizerBytes, type TokenizerFile } from './tokenizer-file.js';
import { isVocabularyList, parseVocabularyList, wantsLowerCase } from './vocabulary-list.js';

/** Text to token ids and back. No special tokens are added at the beginning or the end. */
export interface Tokenizer {
  /** Of its file. */
  readonly path: string;
  /** The largest id + 1: the rows an embedding must have. Ids below it may be unused. */
  readonly vocabSize: number;
  /** SHA-256 of the file, hex: part of the key of every measurement. */
  readonly sha256: string;

  /**
   * Token ids of a text; none for the empty text. A special token written out (`<unk>`) gets its id.
   *
   * @throws {TokenizerError} for half a surrogate pair, and for characters the vocabulary cannot spell.
   */
  encode(text: string): Int32Array;

  /**
   * The text of token ids, special tokens written out. Exactly what was encoded where the tokenizer
   * normalises nothing; with a normaliser (GPT-NeoX: NFC) the normalised text. Bytes that are no whole
   * character become U+FFFD: see `TokenStream` for ids that arrive one by one.
   *
   * @throws {TokenizerError} for an id outside the vocabulary.
   */
  decode(ids: Iterable<number>): string;

  /** The id of a token as the vocabulary spells it (`<|padding|>`; `Ġthe` for " the"). */
  idOf(token: string): number | undefined;

  /**
   * Bytes of UTF-8 text a token stands for: bits per byte divides by their sum.
   *
   * @throws {TokenizerError} for an id outside the vocabulary.
   */
  byteLengthOf(id: number): number;
}

/**
 * Opens a Hugging Face `tokenizer.json`, or a `vocab.txt` of BERT's word pieces.
 *
 * @throws {TokenizerError} when the file is missing, truncated, not JSON, not a tokenizer.json, or of a
 * kind the library does not know; for a list of word pieces that is damaged.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const bytes = await readTokenizerBytes(path);
  const file = isVocabularyList(path)
    ? parseVocabularyList(bytes, path, await wantsLowerCase(bytes, path))
    : parseTokenizerFile(bytes, path);
  const library = await buildLibraryTokenizer(file).catch((error: unknown) => {
    throw new TokenizerError(
      {
        what: 'tokenizer cannot be built',
        where: path,
        got: error instanceof Error ? error.message : String(error),
        expected: 'a tokenizer.json of a kind that @huggingface/tokenizers knows',
      },
      { cause: error },
    );
  });
  return new FileTokenizer(path, sha256(bytes), file, library);
}

/**
 * Refuses a tokenizer that can produce ids the model has no embedding for. A larger embedding is fine:
 * many checkpoints round it up.
 *
 * @throws {TokenizerError} with both sizes.
 */
export function checkVocabulary(
  tokenizer: Pick<Tokenizer, 'vocabSize'>,
  embeddingRows: number,
  where = 'tokenizer',
): void {
  if (tokenizer.vocabSize <= embeddingRows) return;
  throw new TokenizerError({
    what: 'vocabulary is larger than the embedding',
    where,
    got: `a vocabulary of ${tokenizer.vocabSize} tokens`,
    expected: `at most ${embeddingRows}, the rows of the embedding: is this the model's tokenizer?`,
  });
}

/** Half of a surrogate pair: UTF-16 that no UTF-8 text can hold. */
const LONE_SURROGATE = /\p{Surrogate}/u;

const AS_IT_IS = { skip_special_tokens: false, clean_up_tokenization_spaces: false };

class FileTokenizer implements Tokenizer {
  readonly vocabSize: number;
  /** [vocabSize], -1 where an id is unused. */
  readonly #byteLengths: Int32Array;
  /** True where the tokens of a text stand for exactly its bytes. */
  readonly #exact: boolean;

  constructor(
    readonly path: string,
    readonly sha256: string,
    file: TokenizerFile,
    readonly library: LibraryTokenizer,
  ) {
    this.vocabSize = largestId(file) + 1;
    this.#byteLengths = asked(path, () => byteLengths(file, library, this.vocabSize));
    this.#exact = isExact(file);
  }

  encode(text: string): Int32Array {
    if (LONE_SURROGATE.test(text)) {
      const what = 'text is not valid Unicode';
      const got = `half a surrogate pair at position ${text.search(LONE_SURROGATE)}`;
      throw new TokenizerError({ what, where: this.path, got, expected: 'whole characters' });
    }
    const { ids } = asked(this.path, () =>
      this.library.encode(text, { add_special_tokens: false }),
    );
    for (const id of ids) this.#checkId(id);
    if (this.#exact) this.#checkComplete(text, ids);
    return Int32Array.from(ids);
  }

  decode(ids: Iterable<number>): string {
    const list = Array.from(ids);
    for (const id of list) this.#checkId(id);
    // The library refuses an empty list.
    if (list.length === 0) return '';
    return asked(this.path, () => this.library.decode(list, AS_IT_IS));
  }

  idOf(token: string): number | undefined {
    return this.library.token_to_id(token);
  }

  byteLengthOf(id: number): number {
    this.#checkId(id);
    return this.#byteLengths[id];
  }

  #checkId(id: number): void {
    if (this.#byteLengths[id] >= 0) return;
    throw new TokenizerError({
      what: 'token id is outside the vocabulary',
      where: this.path,
      got: String(id),
      expected: `an id in use, from 0 to ${this.vocabSize - 1}`,
    });
  }

  /** The library drops what it cannot spell; a text that lost a character must not be evaluated. */
  #checkComplete(text: string, ids: readonly number[]): void {
    const expected = Buffer.byteLength(text);
    const got = ids.reduce((total, id) => total + this.#byteLengths[id], 0);
    if (got === expected) return;
    throw new TokenizerError({
      what: 'text has characters the vocabulary cannot spell',
      where: this.path,
      got: `tokens for ${got} bytes`,
      expected: `tokens for all ${expected} bytes of the text`,
    });
  }
}

/** The library's answer. It finds out only when asked that a part of the file is none it knows. */
function asked<T>(path: string, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof TokenizerError) throw error;
    const got = error instanceof Error ? error.message : String(error);
    const expected = 'parts of a kind that @huggingface/tokenizers knows';
    const detail = { what: 'tokenizer cannot be used', where: path, got, expected };
    throw new TokenizerError(detail, { cause: error });
  }
}

function largestId({ model: { vocab }, added_tokens: added }: TokenizerFile): number {
  const listed = Array.isArray(vocab)
    ? [vocab.length - 1]
    : Object.values(vocab as Readonly<Record<string, number>>);
  return [...listed, ...added.map(({ id }) => id)].reduce((a, b) => Math.max(a, b), 0);
}

function byteLengths(file: TokenizerFile, library: LibraryTokenizer, size: number): Int32Array {
  const added = new Map(file.added_tokens.map((token) => [token.id, token.content]));
  // In a byte-level vocabulary each character of a token stands for one byte.
  const byteLevel = typeOf(file.decoder) === 'ByteLevel';
  return Int32Array.from({ length: size }, (_, id) => {
    const content = added.get(id);
    if (content !== undefined) return Buffer.byteLength(content);
    const token = library.id_to_token(id);
    if (token === undefined) return -1;
    return byteLevel ? token.length : Buffer.byteLength(library.decode([id], AS_IT_IS));
  });
}

/** True for a byte-level vocabulary where nothing is normalised, prefixed or replaced by "unknown". */
function isExact({ model, normalizer, pre_tokenizer: split, decoder }: TokenizerFile): boolean {
  const prefixes = (split as { add_prefix_space?: unknown } | null)?.add_prefix_space === true;
  const plain = typeOf(split) === 'ByteLevel' && typeOf(decoder) === 'ByteLevel' && !prefixes;
  return plain && normalizer === null && (model.unk_token ?? null) === null;
}

function typeOf(part: unknown): unknown {
  return (part as { type?: unknown } | null)?.type;
}
