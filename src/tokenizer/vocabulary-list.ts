import { readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { TokenizerError } from '../util/errors.js';
import { isRecord } from '../util/json.js';
import type { TokenizerFile } from './tokenizer-file.js';

/** BERT's list of word pieces, a token a line; its ids are the lines. */
export const VOCABULARY_FILE = 'vocab.txt';

const EXPECTED = 'a vocab.txt of BERT: a word piece a line';
const UNKNOWN = '[UNK]';
const SPECIAL = ['[PAD]', UNKNOWN, '[CLS]', '[SEP]', '[MASK]'];
/** BERT's: longer words are unknown as a whole. */
const LONGEST_WORD = 100;

/** True for the path of a list of word pieces, and not of a tokenizer.json. */
export function isVocabularyList(path: string): boolean {
  return extname(path) === '.txt';
}

/**
 * The tokenizer that a list of word pieces stands for: BERT's cleaning, splitting at blanks and punctuation,
 * and the longest pieces from the left.
 *
 * @param lowerCase brings text to lower case and takes accents away, as uncased models want it
 * @throws {TokenizerError} for a list that is not UTF-8, empty, without `[UNK]`, or that has a token twice
 */
export function parseVocabularyList(
  bytes: Uint8Array,
  path: string,
  lowerCase: boolean,
): TokenizerFile {
  const tokens = tokensOf(bytes, path);
  const vocab = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const before = vocab.get(token);
    if (before !== undefined)
      throw new TokenizerError({
        what: 'a token is listed twice',
        where: path,
        got: `${JSON.stringify(token)} in lines ${before + 1} and ${id + 1}`,
        expected: EXPECTED,
      });
    vocab.set(token, id);
  }
  if (!vocab.has(UNKNOWN))
    throw new TokenizerError({
      what: 'the vocabulary has no token for unknown words',
      where: path,
      got: `${tokens.length} tokens, no ${UNKNOWN}`,
      expected: EXPECTED,
    });
  return {
    model: {
      type: 'WordPiece',
      unk_token: UNKNOWN,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: LONGEST_WORD,
      vocab: Object.fromEntries(vocab),
    },
    added_tokens: SPECIAL.filter((token) => vocab.has(token)).map((content) => ({
      ...{ id: vocab.get(content)!, content, special: true, normalized: false },
      ...{ single_word: false, lstrip: false, rstrip: false },
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: lowerCase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  };
}

/**
 * True where text has to be brought to lower case: `do_lower_case` of a `tokenizer_config.json` beside the list
 * says it; without one it follows from the list, where no piece but special tokens has a capital.
 *
 * @throws {TokenizerError} for a `tokenizer_config.json` that is not JSON
 */
export async function wantsLowerCase(bytes: Uint8Array, path: string): Promise<boolean> {
  const config = join(dirname(path), 'tokenizer_config.json');
  const text = await readFile(config, 'utf8').catch(() => undefined);
  if (text !== undefined) {
    const said = parsed(text, config);
    if (isRecord(said) && typeof said.do_lower_case === 'boolean') return said.do_lower_case;
  }
  return !tokensOf(bytes, path).some((token) => !token.startsWith('[') && /\p{Lu}/u.test(token));
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const got = `${text.length} characters`;
    throw new TokenizerError({ what: 'is not JSON', where, got, expected: 'an object' }, { cause });
  }
}

function tokensOf(bytes: Uint8Array, path: string): string[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const got = `${bytes.length} bytes that are not UTF-8`;
    throw new TokenizerError(
      { what: 'is no text', where: path, got, expected: EXPECTED },
      { cause },
    );
  }
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > 0) return lines;
  throw new TokenizerError({ what: 'is empty', where: path, got: 'no tokens', expected: EXPECTED });
}
