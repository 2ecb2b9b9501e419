import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkVocabulary, loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { TokenizerError } from '../../src/util/errors.js';

const NEOX = require.resolve('rwkv-tokenizer-node/20B_tokenizer.json');

/** A byte-level BPE vocabulary of three letters, a merge and one special token. */
const TINY = {
  version: '1.0',
  added_tokens: [{ id: 4, content: '<unk>', special: true, normalized: false }],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: { a: 0, b: 1, c: 2, ab: 3 }, merges: ['a b'] },
};

describe('tokenizer: bad input', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-tokenizer-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Writes the content as tokenizer.json and returns the error that loading it gives. */
  async function errorOf(content: string | Uint8Array | object): Promise<TokenizerError> {
    const path = join(folder, 'tokenizer.json');
    const isJson = typeof content === 'object' && !(content instanceof Uint8Array);
    await writeFile(path, isJson ? JSON.stringify(content) : content);
    return rejection(path);
  }

  async function rejection(path: string): Promise<TokenizerError> {
    const error: unknown = await loadTokenizer(path).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof TokenizerError, `loaded, or threw ${String(error)}`);
    assert.ok(error.message.includes(path), error.message);
    return error;
  }

  it('names a file that is missing', async () => {
    const error = await rejection(join(folder, 'nowhere.json'));
    assert.match(
      error.message,
      /file is missing; got ENOENT \(there is no such file\); expected a Hugging Face tokenizer.json/,
    );
  });

  it('says that a folder is no file', async () => {
    assert.match(
      (await rejection(folder)).message,
      /cannot be read; got EISDIR \(the path is a folder\)/,
    );
  });

  it('says that a file is not JSON', async () => {
    assert.match((await errorOf('PK\x03\x04 weights')).message, /is not JSON; got 12 bytes \(.+\)/);
    assert.match(
      (await errorOf(new Uint8Array([0x7b, 0xff, 0xfe]))).message,
      /3 bytes that are not UTF-8/,
    );
    assert.match((await errorOf('')).message, /is not JSON; got 0 bytes/);
  });

  it('says that a real file was cut off, wherever it was cut', async () => {
    const whole = await readFile(NEOX, 'utf8');
    for (const share of [0.01, 0.5, 0.99]) {
      const error = await errorOf(whole.slice(0, Math.floor(whole.length * share)));
      assert.match(error.message, /file is truncated; got \d+ bytes/);
    }
  });

  it('says that JSON of another kind is no tokenizer', async () => {
    for (const [content, got] of [
      ['null', 'null'],
      ['[1, 2]', 'a list'],
      ['{}', 'keys '],
      [{ hello: 0, world: 1 }, 'keys hello, world'],
      [{ ...TINY, model: { type: 'BPE', vocab: {}, merges: [] } }, 'keys version'],
      [{ ...TINY, added_tokens: [{ id: 'x' }] }, 'a list'],
    ] as const) {
      const error = await errorOf(content);
      assert.equal(error.detail.what, 'is not a tokenizer.json');
      assert.ok(error.detail.got?.startsWith(got), error.message);
    }
  });

  it('refuses ids that two tokens share or that are none', async () => {
    const shared = { ...TINY, model: { ...TINY.model, vocab: { a: 0, b: 1, c: 1, ab: 3 } } };
    assert.match((await errorOf(shared)).message, /share an id; got 1 for "b" and "c"/);
    const none = { ...TINY, model: { ...TINY.model, vocab: { a: 0, b: -1, c: 1, ab: 3 } } };
    assert.match((await errorOf(none)).message, /id is not usable; got -1 for "b"/);
    const taken = { ...TINY, added_tokens: [{ id: 0, content: '<unk>' }] };
    assert.match((await errorOf(taken)).message, /share an id; got 0 for "a" and "<unk>"/);
  });

  it('refuses merges that the vocabulary does not hold', async () => {
    const unknown = { ...TINY, model: { ...TINY.model, merges: ['a b', 'b c'] } };
    assert.match((await errorOf(unknown)).message, /merge does not fit the vocabulary; got "b c"/);
    const missing = { ...TINY, model: { type: 'BPE', vocab: TINY.model.vocab } };
    assert.match((await errorOf(missing)).message, /merges are missing/);
  });

  it('says what the library cannot build', async () => {
    const model = await errorOf({ ...TINY, model: { ...TINY.model, type: 'WordLevel' } });
    assert.match(model.message, /kind of vocabulary is unknown; got "WordLevel"/);
    const split = await errorOf({ ...TINY, pre_tokenizer: { type: 'Quantum' } });
    assert.match(split.message, /tokenizer cannot be built; got .*Quantum/);
  });

  async function tiny() {
    const path = join(folder, 'tiny.json');
    await writeFile(path, JSON.stringify(TINY));
    return loadTokenizer(path);
  }

  it('refuses ids outside the vocabulary, when decoding and when measuring', async () => {
    const tokenizer = await tiny();
    assert.equal(tokenizer.decode(tokenizer.encode('cab<unk>')), 'cab<unk>');
    for (const id of [5, -1, 1.5, NaN, Infinity]) {
      const expected = {
        name: 'TokenizerError',
        message: new RegExp(`got ${id}; expected .* 0 to 4`),
      };
      assert.throws(() => tokenizer.decode([0, id]), expected);
      assert.throws(() => tokenizer.byteLengthOf(id), expected);
    }
  });

  it('decodes no ids to no text', async () => {
    const tokenizer = await tiny();
    assert.equal(tokenizer.decode([]), '');
    assert.equal(tokenizer.encode('').length, 0);
  });

  it('refuses text that the vocabulary cannot spell, instead of leaving it out', async () => {
    const tokenizer = await tiny();
    assert.throws(() => tokenizer.encode('abd'), {
      name: 'TokenizerError',
      message: /cannot spell; got tokens for 2 bytes; expected tokens for all 3 bytes/,
    });
  });

  it('refuses half a surrogate pair', async () => {
    const tokenizer = await tiny();
    assert.throws(() => tokenizer.encode('ab\uD83D'), /half a surrogate pair at position 2/);
  });

  it('refuses a vocabulary larger than the embedding, with both numbers', async () => {
    const tokenizer = await tiny();
    checkVocabulary(tokenizer, 5);
    checkVocabulary(tokenizer, 1000);
    assert.throws(() => checkVocabulary(tokenizer, 4, 'tiny.json'), {
      name: 'TokenizerError',
      message:
        /^tiny.json: vocabulary is larger than the embedding; got a vocabulary of 5 tokens; expected at most 4,/,
    });
  });
});
