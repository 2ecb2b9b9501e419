import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { TokenStream } from '../../src/tokenizer/token-stream.js';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.js';
import { sha256 } from '../../src/util/hash.js';
import { itShared } from '../support/shared.js';

const MODEL = 'models/tokenizer.json';

/** GPT-NeoX's tokenizer, which SpikeGPT-216M uses, as an npm package ships it. */
const NEOX = require.resolve('rwkv-tokenizer-node/20B_tokenizer.json');

/** Ids as little-endian int32, hashed: what `hashlib.sha256(array('i', ids).tobytes())` gives. */
function hashOf(ids: Int32Array): string {
  return sha256(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
}

function byteLength(tokenizer: Tokenizer, ids: Int32Array): number {
  return ids.reduce((total, id) => total + tokenizer.byteLengthOf(id), 0);
}

describe("tokenizer: spikegpt-mini's vocabulary", () => {
  // Expected counts and hashes: the Tokenizer of bpe.py (the script that trained this vocabulary, an
  // implementation of its own on Python's `regex` 2022.10.31) on the whole file, newlines untouched.
  const files = [
    [
      'data/wikitext2/test.txt',
      351_793,
      'b2dc8057d6bbfb5e36dc6e85c1b2aefc04e78a86006e9af843c9a885cdb2a20a',
    ],
    [
      'data/wikitext2/valid.txt',
      313_006,
      '80be6c4e5faf3ea7a88cfb0f48a935497c62839089812e2581362cc7a02b9908',
    ],
    [
      'data/sst2/dev.tsv',
      28_326,
      '3b91dce44379bf0b7ea0e47f83d099600b9f8536e1e59bc2b3f3bba24b27717e',
    ],
  ] as const;
  for (const [file, tokens, hash] of files) {
    itShared(
      `gives the ids of the reference on ${file}, and the text back`,
      [MODEL, file],
      async (model, path) => {
        const tokenizer = await loadTokenizer(model);
        const text = await readFile(path, 'utf8');
        const ids = tokenizer.encode(text);
        assert.equal(ids.length, tokens);
        assert.equal(hashOf(ids), hash);
        assert.equal(tokenizer.decode(ids), text);
        assert.equal(byteLength(tokenizer, ids), Buffer.byteLength(text));
      },
    );
  }

  itShared('knows its size, its special tokens and its file', [MODEL], async (model) => {
    const tokenizer = await loadTokenizer(model);
    assert.equal(tokenizer.vocabSize, 4096);
    assert.equal(tokenizer.idOf('<|endoftext|>'), 0);
    assert.equal(tokenizer.idOf('<|padding|>'), 1);
    assert.equal(tokenizer.idOf('<unk>'), 2);
    assert.equal(tokenizer.idOf('not a token'), undefined);
    assert.equal(tokenizer.sha256, sha256(await readFile(model)));
    // bpe.py on the same text.
    const ids = [681, 655, 412, 118, 322, 665, 662, 446, 106, 35, 2, 278];
    assert.deepEqual([...tokenizer.encode(' It weighs 1 @.@ 5 kg <unk> .')], ids);
  });

  itShared('gives any text back, whole and token by token', [MODEL], async (model) => {
    const tokenizer = await loadTokenizer(model);
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .array(
          fc.constantFrom(
            ' ',
            '  ',
            '\n',
            '<unk>',
            "'s",
            '1,5',
            '…',
            '😀',
            '中',
            'e\u0301',
            '\uFEFF',
            '\0',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (original) => {
        const ids = tokenizer.encode(original);
        assert.equal(tokenizer.decode(ids), original);
        assert.equal(byteLength(tokenizer, ids), Buffer.byteLength(original));
        const stream = new TokenStream(tokenizer);
        const pieces = Array.from(ids, (id) => stream.push(id));
        assert.equal(pieces.join('') + stream.end(), original);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  itShared('holds a character back until its last byte has come', [MODEL], async (model) => {
    const tokenizer = await loadTokenizer(model);
    const ids = tokenizer.encode('a😀');
    assert.equal(ids.length, 5);
    const stream = new TokenStream(tokenizer);
    assert.deepEqual(
      Array.from(ids, (id) => stream.push(id)),
      ['a', '', '', '', '😀'],
    );
    assert.equal(stream.end(), '');
    assert.equal(stream.push(ids[1]), '');
    assert.equal(stream.end(), '\uFFFD');
    assert.equal(stream.push(ids[0]), 'a');
  });

  itShared('goes on after bytes that never become a character', [MODEL], async (model) => {
    const tokenizer = await loadTokenizer(model);
    const continuation = tokenizer.encode('😀')[1];
    const stream = new TokenStream(tokenizer);
    const pieces = Array.from({ length: 100 }, () => stream.push(continuation));
    assert.equal(pieces.join('') + stream.end(), '\uFFFD'.repeat(100));
    assert.ok(pieces.some((piece) => piece !== ''));
  });

  itShared('encodes a very long word and a very long run of spaces', [MODEL], async (model) => {
    const tokenizer = await loadTokenizer(model);
    for (const text of ['a'.repeat(200_000), ' '.repeat(200_000), '\n'.repeat(200_000)])
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  });
});

describe("tokenizer: GPT-NeoX's 20B_tokenizer.json", () => {
  let tokenizer: Tokenizer;
  before(async () => {
    tokenizer = await loadTokenizer(NEOX);
  });

  it('has the 50,277 tokens of SpikeGPT-216M', () => {
    assert.equal(tokenizer.vocabSize, 50_277);
    assert.equal(tokenizer.idOf('<|endoftext|>'), 0);
    assert.equal(tokenizer.idOf('Ġworld'), 1533);
  });

  // Expected ids: bpe.py's merge loop on this vocabulary, with NFC (Python 3.11 unicodedata) and the
  // added tokens split off longest first. The first two are also what GPT-NeoX and Pythia document.
  const known: readonly (readonly [string, readonly number[]])[] = [
    ['Hello, I am', [12092, 13, 309, 717]],
    ['Hello World', [12092, 3645]],
    [
      'def f(x):\n        return x  # eight spaces',
      [1545, 269, 9, 89, 2262, 187, 50270, 2309, 1269, 50276, 4, 4314, 8470],
    ],
    [`a${' '.repeat(30)}b`, [66, 50254, 50272, 67]],
    ['中文テキスト 한국어', [13609, 20855, 28656, 33548, 38206, 209, 39742, 166, 115, 244, 39907]],
    [
      '😀👩‍👩‍👧 done',
      [
        14931, 235, 211, 14931, 228, 104, 325, 224, 14931, 228, 104, 325, 224, 14931, 228, 102,
        2218,
      ],
    ],
    ['<|endoftext|>The <|padding|>', [0, 510, 209, 1]],
    [
      "don't we'll  it's 12,345.67",
      [9903, 626, 359, 1833, 50276, 262, 434, 1249, 13, 16767, 15, 2251],
    ],
    ['\t\n \n', [186, 19668]],
  ];
  for (const [text, ids] of known) {
    it(`encodes and gives back ${JSON.stringify(text)}`, () => {
      assert.deepEqual([...tokenizer.encode(text)], ids);
      assert.equal(tokenizer.decode(ids), text);
      assert.equal(byteLength(tokenizer, Int32Array.from(ids)), Buffer.byteLength(text));
    });
  }

  it('composes characters, as its NFC normaliser asks', () => {
    const ids = tokenizer.encode('nai\u0308ve cafe\u0301');
    assert.deepEqual([...ids], [2072, 30180, 36241]);
    assert.equal(tokenizer.decode(ids), 'naïve café');
  });

  itShared(
    'gives the ids of the reference on WikiText-2 test',
    ['data/wikitext2/test.txt'],
    async (path) => {
      const text = await readFile(path, 'utf8');
      const ids = tokenizer.encode(text);
      assert.equal(ids.length, 295_232);
      assert.equal(hashOf(ids), '4b3673671c6c1a80ffc33bd33c82c34344d69756124f483461e8d3329868e35e');
      assert.equal(tokenizer.decode(ids), text);
    },
  );
});
