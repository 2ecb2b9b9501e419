import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../src/store/index.js';
import { floats, pickle, safetensors, torchZip, zip } from '../checkpoint/support/builders.js';
import { accuracyOf, keyOf } from '../store/support.js';
import type { Files } from './mutate.js';

const text = (value: string): Uint8Array => Buffer.from(value, 'utf8');
const EMPTY = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';

/** Long names of one length and one beginning, which an engine hashes alike. */
function longNames(count: number, length = 16_384): string[] {
  return Array.from({ length: count }, (_, index) => `${'x'.repeat(length - 6)}${100_000 + index}`);
}

const VIEW = { elements: 2, shape: [2], strides: [1] };
const AS_INT32 = Buffer.from(
  Buffer.from(pickle.tensor(VIEW)).toString('latin1').replace('FloatStorage', 'IntStorage'),
  'latin1',
);

/** Whole files that went wrong once, by target: read as they are in each run, and too large to be mutated. */
const CASES: Readonly<Record<string, (() => readonly Files[]) | undefined>> = {
  pth: () => [
    {
      'm.pth': torchZip(
        pickle.of(
          pickle.dict(Object.fromEntries(longNames(120).map((name) => [name, pickle.text('')]))),
        ),
      ),
    },
    {
      'm.pth': torchZip(
        pickle.of(pickle.dict({ a: pickle.tensor(VIEW), b: [...AS_INT32] })),
        floats(1, 2),
      ),
    },
  ],
  zip: () => [{ 'm.pth': zip(longNames(400).map((name) => ({ name, bytes: new Uint8Array(0) }))) }],
  safetensors: () =>
    [
      `{${longNames(200)
        .map((name) => `"${name}":${EMPTY}`)
        .join(',')}}`,
      `{"a":${EMPTY},"a":${EMPTY}}`,
      '{"emb.weight":{"dtype":"F32","shape":[4,0],"data_offsets":[0,0]}}',
      `{"w\\u001b[2Jx\\u009b1m\\u202e":${EMPTY}}`,
    ].map((header) => ({ 'm.safetensors': safetensors(header) })),
  tokenizer: () => [
    {
      'tokenizer.json': text(
        JSON.stringify({
          model: {
            type: 'BPE',
            vocab: Object.fromEntries(longNames(1000).map((name, id) => [name, id])),
            merges: [],
          },
          added_tokens: [],
          decoder: null,
        }),
      ),
    },
  ],
  plan: () => [
    {
      'plan.json': text(
        JSON.stringify({ format: 'qslm-plan/1', units: { ['u'.repeat(12e6)]: 4 } }),
      ),
    },
  ],
  tsv: () => [
    { 'd.tsv': text(`sentence\tlabel\n${'a'.repeat(4e6)}\t1\n`) },
    { 'd.tsv': text('x'.repeat(4e6)) },
  ],
  text: () => [{ 'd.txt': text('a'.repeat(2e7)) }, { 'd.txt': text('a b '.repeat(5e6)) }],
};

/** Bytes of a store's header, and what is written there. */
const HEADER_DAMAGE = [
  [0, 0x00], // the magic
  [18, 9], // SQLite's write version
  [63, 0xff], // our schema's version
] as const;

async function storeCases(folder: string): Promise<Files[]> {
  const path = join(folder, 'case.sqlite');
  const store = await openStore(path);
  for (let index = 0; index < 10; index++)
    store.put(keyOf(`plan${index}`), { measurement: accuracyOf(index / 16) });
  store.close();
  const whole = await readFile(path);
  return HEADER_DAMAGE.map(([at, byte]) => {
    const damaged = Buffer.from(whole);
    damaged[at] = byte;
    return { 'm.sqlite': damaged };
  });
}

/** The cases of a target. @param folder for what they are made of */
export async function casesOf(target: string, folder: string): Promise<readonly Files[]> {
  return target === 'store' ? storeCases(folder) : (CASES[target]?.() ?? []);
}
