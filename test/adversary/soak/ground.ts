import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { PLAN_FORMAT } from '../../../src/quant/plan-json.js';
import { sst2Task } from '../../../src/tasks/sst2.js';
import { loadTokenizer } from '../../../src/tokenizer/tokenizer.js';
import { packagePath } from '../../../src/util/paths.js';
import { seededRandom, type Random } from '../../../src/util/random.js';
import { saveToy } from '../../experiment/support.js';
import { SpikeGPT } from '../../support/spikegpt.js';

/** The two versions of each file that is swapped: a search begins with the first. */
export type Version = 'a' | 'b';

/** Files that searches are made of. */
export interface Ground {
  readonly models: Readonly<Record<Version, string>>;
  readonly data: Readonly<Record<Version, string>>;
  readonly heldOut: string;
  readonly plans: Readonly<Record<Version, string>>;
}

/** Kinds of search. Their results hang on nothing but their flags and their files. */
export const VARIANTS = [
  ['--backend', 'wasm', '--workers', '0'],
  ['--backend', 'wasm', '--workers', '0', '--no-verdicts', '--granularity', 'matrix'],
  ['--backend', 'wasm', '--workers', '2', '--no-verdicts'],
  ['--backend', 'cpu', '--workers', '0', '--method', 'knapsack', '--max-evaluations', '6'],
] as const;

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');
const CONFIG = { vocabSize: 4096, layers: 2, head: false } as const;
const WORDS =
  'a the film story plot cast scene and but is was not very good bad dull bright slow warm'.split(
    ' ',
  );
const SENTENCES = 40;

/** Lays models, data and plans into a folder. */
export async function layGround(folder: string): Promise<Ground> {
  await startBackend('cpu');
  await mkdir(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const models = {
    a: await saveToy(at('a.safetensors'), CONFIG),
    // The same size and shapes, so that nothing but the content tells them apart.
    b: await saveToy(at('b.safetensors'), CONFIG, [], (_, values) => {
      for (let index = 0; index < values.length; index += 3) values[index] *= -1;
    }),
  };
  const sentences = { a: sentencesOf(11), b: sentencesOf(12), heldOut: sentencesOf(13) };
  const labels = await labelsOf(models.a, sentences);
  const save = async (name: keyof typeof sentences): Promise<string> => {
    const lines = sentences[name].map((text, index) => `${text}\t${labels[name][index]}`);
    await writeFile(at(`${name}.tsv`), `sentence\tlabel\n${lines.join('\n')}\n`);
    return at(`${name}.tsv`);
  };
  const plans = { a: at('plan-a.json'), b: at('plan-b.json') };
  for (const [version, bits] of [
    ['a', 8],
    ['b', 3],
  ] as const)
    await writeFile(plans[version], JSON.stringify({ format: PLAN_FORMAT, units: { '*': bits } }));
  return {
    models,
    data: { a: await save('a'), b: await save('b') },
    heldOut: await save('heldOut'),
    plans,
  };
}

function sentencesOf(seed: number): string[] {
  const random = seededRandom(seed);
  const word = (): string => WORDS[random.integer(0, WORDS.length - 1)];
  return Array.from({ length: SENTENCES }, () =>
    Array.from({ length: random.integer(3, 9) }, word).join(' '),
  );
}

/** The labels that the model itself gives, but every tenth: quantization can only hurt. */
async function labelsOf<Name extends string>(
  path: string,
  sentences: Readonly<Record<Name, readonly string[]>>,
): Promise<Record<Name, number[]>> {
  const tokenizer = await loadTokenizer(TOKENIZER);
  const checkpoint = await openCheckpoint(path);
  const model = await SpikeGPT.load(checkpoint);
  try {
    const labels = {} as Record<Name, number[]>;
    for (const name of Object.keys(sentences) as Name[]) {
      const examples = sentences[name].map((sentence) => ({ sentence, label: 0 }));
      const options = { tokenizer, source: name, paddingId: 1, batchTokens: 1024 };
      const { correct } = await sst2Task({ examples, ...options }).evaluate(model);
      labels[name] = correct.map((isZero, index) => (index % 10 === 9 ? isZero : 1 - isZero));
    }
    return labels;
  } finally {
    model.dispose();
    await checkpoint.close();
  }
}

/** A place of one search: its own files by names that are swapped below it, its store and its runs. */
export interface Place {
  readonly folder: string;
  readonly model: string;
  readonly data: string;
  readonly plan: string;
  readonly store: string;
  readonly runs: string;
  readonly exports: string;
}

export function placeIn(folder: string): Place {
  const at = (name: string): string => join(folder, name);
  return {
    folder,
    model: at('toy.safetensors'),
    data: at('data.tsv'),
    plan: at('plan.json'),
    store: at('store/m.sqlite'),
    runs: at('runs'),
    exports: at('exports'),
  };
}

/** `qslm search`, to be started in its place: runs tell of paths as they were typed. */
export function searchCommand(place: Place, { heldOut }: Ground, variant: number): string[] {
  return [
    ...['search', basename(place.model), '--data', basename(place.data), '--held-out', heldOut],
    ...['--tokenizer', TOKENIZER, '--store', 'store/m.sqlite', '--runs', 'runs'],
    ...['--bits', '8,6,4,3,2', '--max-loss', '10points', '--max-memory', '60%', '--random', '2'],
    ...['--quiet', '--json', ...VARIANTS[variant]],
  ];
}

/** `qslm export` of the place's plan into a folder. */
export function exportCommand(place: Place): string[] {
  return [
    ...['export', basename(place.model), '--plan', basename(place.plan), '--tokenizer', TOKENIZER],
    ...['--out', 'exports/', '--quiet', '--json'],
  ];
}

/** A command that has come to its end. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** A command on its way. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts the command line, as it was built last, in a folder. */
export function start(argv: readonly string[], cwd: string): Started {
  const child = spawn(process.execPath, [packagePath('dist', 'cli', 'main.js'), ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
  });
  const [began, text] = [Date.now(), { stdout: '', stderr: '' }];
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, ...text, ms: Date.now() - began });
    });
  });
  return { child, ended };
}

/**
 * Lays a small file system in memory over a folder.
 *
 * @returns what takes it away again; a reason where that is not permitted.
 */
export function mountSmall(folder: string, bytes: number): (() => void) | string {
  try {
    const options = `size=${bytes}`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
    return () => {
      execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
    };
  } catch (error) {
    return error instanceof Error ? error.message.trim().split('\n').at(-1)! : String(error);
  }
}

export function chance(random: Random, share: number): boolean {
  return random.float() < share;
}
