import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { openRun } from '../../src/experiment/record/open-run.js';
import { loadPaperResults } from '../../src/figures/paper-data.js';
import { runFigures } from '../../src/figures/run-figures.js';
import { describeModel, openDescribed } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { formatPlan, parsePlan } from '../../src/quant/plan-json.js';
import { resolvePlan } from '../../src/quant/plan.js';
import { openStore } from '../../src/store/index.js';
import { readTextFile } from '../../src/tasks/data/text.js';
import { readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { packagePath } from '../../src/util/paths.js';
import type { Random } from '../../src/util/random.js';
import {
  floats,
  pickle,
  safetensors,
  torchLegacy,
  torchZip,
  zip,
} from '../checkpoint/support/builders.js';
import { fixtures } from '../checkpoint/support/fixtures.js';
import { saveToy } from '../experiment/support.js';
import { accuracyOf, keyOf } from '../store/support.js';
import { mutateBytes, jsonText, mutateJson, mutateJsonText, pick, type Files } from './mutate.js';
import { digestOf, readSafetensorsPlainly, type Reading, type TorchReader } from './readers.js';

/** The surroundings of a case: a folder of its own, and an independent reader where there is one. */
export interface Site {
  readonly folder: string;
  readonly torch: TorchReader | undefined;
}

/** A kind of file that may come from anyone. */
export interface Target {
  /** Whole files, and the cases of old. */
  seeds(folder: string): Promise<readonly Files[]>;
  mutate(random: Random, seed: Files): Files;
  /** Reads the files. Any error that is none of ours, or a number that another reader has otherwise, throws. */
  run(site: Site): Promise<void>;
}

class Differs extends Error {}

const one = (name: string, ...all: Uint8Array[]): Files[] =>
  all.map((bytes) => ({ [name]: bytes }));
const text = (value: string): Uint8Array => Buffer.from(value, 'utf8');

function mutateOne(change: (random: Random, bytes: Uint8Array) => Uint8Array): Target['mutate'] {
  return (random, seed) => {
    const name = pick(random, Object.keys(seed));
    return { ...seed, [name]: change(random, seed[name]) };
  };
}

/** JSON members are changed where the file is JSON, bytes where it is not. */
const mutateText = mutateOne((random, bytes) => {
  try {
    return mutateJsonText(random, JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return mutateBytes(random, bytes);
  }
});

async function readingOf(path: string): Promise<Reading> {
  const checkpoint = await openCheckpoint(path);
  try {
    const reading: Record<string, string> = {};
    for (const { name, shape } of checkpoint.tensors.values())
      reading[name] = digestOf(shape, await checkpoint.readFloat32(name));
    return reading;
  } finally {
    await checkpoint.close();
  }
}

function requireSame(own: Reading, other: Reading | undefined): void {
  if (other === undefined) return;
  const names = new Set([...Object.keys(own), ...Object.keys(other)]);
  for (const name of names)
    if (own[name] !== other[name]) throw new Differs(`tensor ${JSON.stringify(name)} differs`);
}

/** A pickle of one to three tensors over one or two storages, some of them faulty. */
function randomPickle(random: Random, legacy: boolean): Uint8Array {
  const tensors = Array.from({ length: random.integer(1, 3) }, (_, index) => {
    const shape = Array.from({ length: random.integer(0, 3) }, () => random.integer(0, 4));
    const strides = shape.map(() => pick(random, [0, 1, 2, 4, 2 ** 31, 2 ** 52]));
    const view = {
      key: String(random.integer(0, 1)),
      elements: pick(random, [4, 4, 4, 5, 2 ** 40]),
    };
    const offset = pick(random, [0, 0, 1, 3, 2 ** 50]);
    return [
      pick(random, [`t${index}`, 'same', '']),
      pickle.tensor({ ...view, offset, shape, strides, legacy }),
    ];
  });
  return pickle.of(pickle.dict(Object.fromEntries(tensors) as Record<string, number[]>));
}

const DATA = floats(1, -2, 0.5, 3e38);
const storage = [4, 0, 0, 0, 0, 0, 0, 0, ...DATA];

function checkpointTarget(
  name: string,
  seeds: readonly Uint8Array[],
  make: (random: Random) => Uint8Array,
): Target {
  return {
    seeds: () => Promise.resolve(one(name, ...seeds)),
    mutate: (random, seed) => ({
      [name]: random.integer(0, 2) > 0 ? mutateBytes(random, seed[name]) : make(random),
    }),
    run: async ({ folder, torch }) => {
      const path = join(folder, name);
      requireSame(await readingOf(path), await torch?.read(path));
    },
  };
}

const SAFETENSORS = {
  __metadata__: { a: 'b' },
  w: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  h: { dtype: 'BF16', shape: [2], data_offsets: [16, 20] },
};
const SAFETENSORS_DATA = Uint8Array.of(...floats(1, 2, 3, 4), 0x80, 0x3f, 0x00, 0xc0);

const safetensorsTarget: Target = {
  seeds: () =>
    Promise.resolve(
      one('m.safetensors', safetensors(JSON.stringify(SAFETENSORS), SAFETENSORS_DATA)),
    ),
  mutate: (random, seed) => ({
    'm.safetensors':
      random.integer(0, 2) === 0
        ? mutateBytes(random, seed['m.safetensors'])
        : safetensors(jsonText(mutateJson(random, SAFETENSORS)), SAFETENSORS_DATA),
  }),
  run: async ({ folder }) => {
    const path = join(folder, 'm.safetensors');
    requireSame(await readingOf(path), readSafetensorsPlainly(await readFile(path)));
  },
};

const BYTES = Object.fromEntries(
  Array.from('abcdefghijklmnopqrstuvwxyz .', (c, id) => [c === ' ' ? 'Ġ' : c, id] as const),
);
const BPE = {
  model: { type: 'BPE', vocab: { ...BYTES, th: 28, the: 29 }, merges: ['t h', 'th e'] },
  added_tokens: [{ id: 30, content: '<|end|>', special: true }],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
};
/** An id that a table of all ids cannot hold. */
const FAR = { ...BPE, added_tokens: [{ id: 2 ** 31 - 1, content: '<|end|>' }] };
const WORDS = {
  model: { type: 'WordPiece', vocab: { the: 0, '##n': 1, '[UNK]': 2 }, unk_token: '[UNK]' },
  decoder: { type: 'WordPiece' },
};
const DECODERS = [
  { type: 'Odd' },
  { type: 'Sequence', decoders: [{ type: 'Fuse' }, null] },
  { type: 'Sequence', decoders: [{ type: 'Fuse' }, 7] },
  7,
  { type: 'Replace' },
];

const tokenizerTarget: Target = {
  seeds: () =>
    Promise.resolve(
      one(
        'tokenizer.json',
        ...[BPE, WORDS, FAR, ...DECODERS.map((decoder) => ({ ...BPE, decoder }))].map((file) =>
          text(JSON.stringify(file)),
        ),
      ),
    ),
  mutate: mutateText,
  run: async ({ folder }) => {
    const tokenizer = await loadTokenizer(join(folder, 'tokenizer.json'));
    for (const sample of ['', 'the cat then', 'a b.<|end|>'])
      tokenizer.decode(tokenizer.encode(sample));
  },
};

const configTarget: Target = {
  seeds: async (folder) => {
    const model = await readFile(await saveToy(join(folder, 'toy.safetensors')));
    const contents = [
      '{"embedding":"dense","context_length":32}',
      '{"context_length":1e300}',
      '\uFEFF{}',
      '[]',
    ];
    // Without the model's own word, what lies beside it counts.
    const bare =
      text(model.toString('latin1')).length > 0
        ? Buffer.from(
            model.toString('latin1').replace('"context_length"', '"contextXlength"'),
            'latin1',
          )
        : model;
    return contents.map((content) => ({ 'm.safetensors': bare, 'config.json': text(content) }));
  },
  mutate: (random, seed) => ({
    ...seed,
    ...mutateText(random, { 'config.json': seed['config.json'] }),
  }),
  run: async ({ folder }) => {
    const checkpoint = await openCheckpoint(join(folder, 'm.safetensors'));
    try {
      const { config } = await describeModel(checkpoint);
      if (!Number.isSafeInteger(config.contextLength))
        throw new Differs(`context ${config.contextLength}`);
    } finally {
      await checkpoint.close();
    }
  },
};

const PLANS = [
  {
    format: 'qslm-plan/1',
    units: {
      '*': { bits: 6, method: 'affine', granularity: 'per-group(64)', range: 'mse' },
      input: { bits: 1, method: 'sign' },
      'attention.0': 4,
    },
  },
  { format: 'qslm-plan/1', units: { a: { preset: 'paper', bits: 8 }, ['u'.repeat(2000)]: 3 } },
];

const planTarget: Target = {
  seeds: () =>
    Promise.resolve(one('plan.json', ...PLANS.map((plan) => text(JSON.stringify(plan))))),
  mutate: mutateText,
  run: async ({ folder }) => {
    const plan = parsePlan(await readTextFile(join(folder, 'plan.json')), 'plan.json');
    const again = formatPlan(parsePlan(formatPlan(plan)));
    if (again !== formatPlan(plan)) throw new Differs('a plan that is written is read as another');
  },
};

const RUNS = packagePath('test', 'fixtures', 'before-families', 'runs');

const runTarget: Target = {
  seeds: async () => {
    const seeds: Files[] = [];
    for (const run of await readdir(RUNS)) {
      const names = (await readdir(join(RUNS, run))).filter((name) => name.endsWith('.json'));
      const files = await Promise.all(
        names.map(async (name) => [name, await readFile(join(RUNS, run, name))] as const),
      );
      seeds.push(Object.fromEntries(files));
    }
    return seeds;
  },
  mutate: mutateText,
  run: async ({ folder }) => {
    const figures = runFigures(await openRun(folder), { paper: await loadPaperResults() });
    for (const draw of figures.values()) JSON.stringify(draw());
  },
};

const storeTarget: Target = {
  seeds: async (folder) => {
    const store = await openStore(join(folder, 'made.sqlite'));
    for (let index = 0; index < 10; index++)
      store.put(keyOf(`plan${index}`), { measurement: accuracyOf(index / 16) });
    const log = await readFile(join(folder, 'made.sqlite-wal'));
    const early = await readFile(join(folder, 'made.sqlite'));
    store.close();
    return [
      { 'm.sqlite': await readFile(join(folder, 'made.sqlite')) },
      { 'm.sqlite': early, 'm.sqlite-wal': log },
    ];
  },
  mutate: mutateOne(mutateBytes),
  run: async ({ folder }) => {
    const store = await openStore(join(folder, 'm.sqlite'));
    try {
      for (let index = 0; index < 10; index++) {
        const found = store.get(keyOf(`plan${index}`));
        if (found !== undefined && found.measurement.value !== index / 16)
          throw new Differs(`plan${index} has another value`);
      }
    } finally {
      store.close();
    }
  },
};

let packedSeed: Promise<Uint8Array> | undefined;

const packedTarget: Target = {
  seeds: async (folder) => {
    packedSeed ??= (async () => {
      const { checkpoint, description } = await openDescribed(
        await saveToy(join(folder, 'toy.safetensors'), { layers: 1 }),
      );
      const plan = resolvePlan(parsePlan(JSON.stringify(PLANS[0])), description.hierarchy);
      await exportPlan(checkpoint, description.hierarchy, plan, join(folder, 'packed.safetensors'));
      await checkpoint.close();
      return readFile(join(folder, 'packed.safetensors'));
    })();
    return one('m.safetensors', await packedSeed);
  },
  mutate: mutateOne(mutateBytes),
  run: async ({ folder }) => {
    const { checkpoint } = await openDescribed(join(folder, 'm.safetensors'));
    try {
      for (const name of checkpoint.tensors.keys()) await checkpoint.readFloat32(name);
    } finally {
      await checkpoint.close();
    }
  },
};

const TSV = 'sentence\tlabel\na fine film .\t1\n"bad" \t0\r\n\n';

const tsvTarget: Target = {
  seeds: () => Promise.resolve(one('d.tsv', text(TSV), text(`\uFEFF${TSV}`))),
  mutate: mutateOne(mutateBytes),
  run: async ({ folder }) => {
    const rows = await readSst2Tsv(join(folder, 'd.tsv'));
    const lines = (await readFile(join(folder, 'd.tsv'), 'utf8'))
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (rows.length > lines.length)
      throw new Differs(`${rows.length} rows of ${lines.length} lines`);
  },
};

const textTarget: Target = {
  seeds: () =>
    Promise.resolve(
      one(
        'd.txt',
        text(' = Title = \n\n A text of — some — words .\n'),
        text('x'.repeat(1e6)),
        text('\n'.repeat(1e5)),
      ),
    ),
  mutate: mutateOne(mutateBytes),
  run: async ({ folder }) => {
    const found = await readTextFile(join(folder, 'd.txt'));
    const bytes = await readFile(join(folder, 'd.txt'));
    if (Buffer.from(found.replace(/^\uFEFF/, '')).length > bytes.length)
      throw new Differs('more text than bytes');
  },
};

const { viewsZip, wrappedZip, kindsZip, viewsLegacy, wrappedLegacy, kindsLegacy } = fixtures;

export const TARGETS: Readonly<Record<string, Target>> = {
  pth: checkpointTarget('m.pth', [viewsZip, wrappedZip, kindsZip], (random) =>
    torchZip(randomPickle(random, false), DATA, DATA),
  ),
  legacy: checkpointTarget('m.pth', [viewsLegacy, wrappedLegacy, kindsLegacy], (random) =>
    torchLegacy(randomPickle(random, true), ['0', '1'], [...storage, ...storage]),
  ),
  safetensors: safetensorsTarget,
  zip: checkpointTarget('m.pth', [wrappedZip], (random) =>
    zip(
      [
        { name: 'm/data.pkl', bytes: randomPickle(random, false) },
        ...['0', '1', pick(random, ['0', '2'])].map((key) => ({
          name: `m/data/${key}`,
          bytes: DATA,
          ...(random.integer(0, 3) === 0 && { size: pick(random, [0, 8, 2 ** 31, 2 ** 32 - 1]) }),
        })),
      ],
      random.integer(0, 5),
    ),
  ),
  tokenizer: tokenizerTarget,
  config: configTarget,
  plan: planTarget,
  run: runTarget,
  store: storeTarget,
  packed: packedTarget,
  tsv: tsvTarget,
  text: textTarget,
};

/** Lays a case into an empty folder. */
export async function lay(folder: string, files: Files): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
}
