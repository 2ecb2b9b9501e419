import { TokenizerError } from '../util/errors.js';
import { longKey } from '../util/json-text.js';
import { isRecord } from '../util/json.js';
import { readRegularFile } from '../util/read-file.js';

/** A Hugging Face `tokenizer.json` whose parts are known to be there and to fit each other. */
export interface TokenizerFile {
  readonly model: Readonly<Record<string, unknown>>;
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
  readonly decoder: unknown;
}

/** A token that is found in the text before everything else, such as `<|endoftext|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
}

/** The largest published files (vocabularies of 256,000) have 35 MB; a checkpoint by mistake has more. */
const LARGEST_FILE_BYTES = 128e6;

const EXPECTED = 'a Hugging Face tokenizer.json';

/**
 * The bytes of a tokenizer file.
 *
 * @throws {TokenizerError} when it is missing, a folder, unreadable or larger than any such file is.
 */
export function readTokenizerBytes(path: string): Promise<Buffer> {
  return readRegularFile(path, {
    Failure: TokenizerError,
    expected: EXPECTED,
    mostBytes: LARGEST_FILE_BYTES,
  });
}

/**
 * Bytes of a token: runs of spaces are the longest in use, and have some hundreds. The engine hashes strings from
 * 2^14 characters on by their length alone.
 */
const LONGEST_TOKEN_BYTES = 4096;

/** @throws {TokenizerError} */
function requireShort(tokens: Iterable<unknown>, path: string): void {
  for (const token of tokens)
    if (typeof token === 'string' && token.length > LONGEST_TOKEN_BYTES)
      throw tooLong(path, `${token.length} characters`);
}

function tooLong(where: string, got: string): TokenizerError {
  const expected = `at most ${LONGEST_TOKEN_BYTES}`;
  return new TokenizerError({ what: 'a token is too long', where, got, expected });
}

/**
 * Parses a tokenizer.json and checks what the library takes for granted: without these checks a damaged
 * vocabulary gives wrong ids or silently leaves text out.
 *
 * @throws {TokenizerError} for text that is not JSON or ends early, JSON of another kind, ids that are
 * no integers or that two tokens share, a kind of vocabulary the library does not implement, and merges
 * whose result is not in the vocabulary.
 */
export function parseTokenizerFile(bytes: Uint8Array, path: string): TokenizerFile {
  // Before there is any table of the tokens.
  const long = longKey(bytes, LONGEST_TOKEN_BYTES);
  if (long !== undefined) throw tooLong(path, `more from byte ${long} on`);
  const file = parseJson(bytes, path);
  const model = isRecord(file) ? file.model : undefined;
  if (!isRecord(file) || !isRecord(model) || !isVocabulary(model.vocab)) {
    const got = isRecord(file)
      ? `keys ${Object.keys(file).slice(0, 6).join(', ')}`
      : typeName(file);
    const expected = `${EXPECTED} with a vocabulary in "model"`;
    throw new TokenizerError({ what: 'is not a tokenizer.json', where: path, got, expected });
  }
  checkType(model, path);
  const added = addedTokens(file.added_tokens, path);
  requireShort(
    added.map(({ content }) => content),
    path,
  );
  if (Array.isArray(model.vocab)) requireShort(model.vocab.flat(), path);
  checkIds(model.vocab, added, path);
  checkMerges(model, path);
  return {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...file,
    model,
    added_tokens: added,
  };
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  let text: string | undefined;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text) as unknown;
  } catch (error) {
    // An object that was opened and never closed was cut off: a download that stopped, a full disk.
    const cut = text?.trimStart().startsWith('{') && !text.trimEnd().endsWith('}');
    const what = cut ? 'file is truncated' : 'is not JSON';
    const reason = error instanceof Error ? error.message : String(error);
    const got = `${bytes.length} bytes ${text === undefined ? 'that are not UTF-8' : `(${reason})`}`;
    const detail = { what, where: path, got, expected: EXPECTED };
    throw new TokenizerError(detail, { cause: error });
  }
}

function addedTokens(value: unknown, path: string): AddedToken[] {
  const tokens = value ?? [];
  if (Array.isArray(tokens) && tokens.every(isAddedToken)) return tokens;
  throw new TokenizerError({
    what: 'is not a tokenizer.json',
    where: `${path}, "added_tokens"`,
    got: typeName(value),
    expected: 'a list of tokens, each with "id" and "content"',
  });
}

/** BPE and WordPiece list token → id; Unigram lists [token, score] in the order of the ids. */
function checkIds(
  vocabulary: Readonly<Record<string, unknown>> | readonly unknown[],
  added: readonly AddedToken[],
  path: string,
): void {
  const owners = new Map<number, string>();
  const claim = (token: string, id: unknown): void => {
    if (!isId(id)) {
      const got = `${JSON.stringify(id)} for ${JSON.stringify(token)}`;
      const expected = `integers from 0 to ${MOST_IDS - 1}`;
      throw new TokenizerError({ what: 'token id is not usable', where: path, got, expected });
    }
    const owner = owners.get(id);
    if (owner !== undefined && owner !== token) {
      const got = `${id} for ${JSON.stringify(owner)} and ${JSON.stringify(token)}`;
      const expected = 'an id of its own for each token';
      throw new TokenizerError({ what: 'two tokens share an id', where: path, got, expected });
    }
    owners.set(id, token);
  };
  if (!Array.isArray(vocabulary))
    for (const [token, id] of Object.entries(vocabulary)) claim(token, id);
  for (const { content, id } of added) claim(content, id);
}

/** The kinds that the library implements; it takes any other for a plain list of words. Old files have none. */
const MODEL_TYPES: readonly unknown[] = ['BPE', 'WordPiece', 'Unigram', undefined];

function checkType({ type }: Readonly<Record<string, unknown>>, path: string): void {
  if (MODEL_TYPES.includes(type)) return;
  const got = JSON.stringify(type);
  const expected = 'BPE, WordPiece or Unigram';
  throw new TokenizerError({ what: 'kind of vocabulary is unknown', where: path, got, expected });
}

/** Byte-pair encoding leaves out, without a word, what a merge makes and the vocabulary lacks. */
function checkMerges(model: Readonly<Record<string, unknown>>, path: string): void {
  if (model.type !== 'BPE' && !('merges' in model)) return;
  if (!Array.isArray(model.merges)) {
    const got = typeName(model.merges);
    const expected = 'the list of merges of a BPE vocabulary';
    throw new TokenizerError({ what: 'merges are missing', where: path, got, expected });
  }
  // With such affixes the result of a merge is not the two parts side by side.
  if (model.continuing_subword_prefix ?? model.end_of_word_suffix) return;
  const vocabulary = model.vocab as Readonly<Record<string, unknown>>;
  for (const merge of model.merges as readonly unknown[]) {
    requireShort(Array.isArray(merge) ? merge : [merge], path);
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(parts) && parts.length === 2 && Object.hasOwn(vocabulary, parts.join('')))
      continue;
    throw new TokenizerError({
      what: 'merge does not fit the vocabulary',
      where: path,
      got: JSON.stringify(merge),
      expected: 'two parts that make a token of the vocabulary',
    });
  }
}

function isVocabulary(value: unknown): value is Record<string, unknown> | readonly unknown[] {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

/** Ids in a vocabulary: there is a table of them. The largest published ones have 256,000. */
const MOST_IDS = 4_000_000;

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MOST_IDS;
}

function isAddedToken(value: unknown): value is AddedToken {
  return isRecord(value) && isId(value.id) && typeof value.content === 'string';
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}
