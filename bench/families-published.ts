/**
 * Sentences a second of the families at their published sizes, with random weights, for `npm run bench:families --
 * --published`: on wasm with one thread and with two, on native TensorFlow where it is set up, and beside a peer.
 *
 * Each runs in a process of its own that stays for all rounds; rounds go in turns. A peer is any command that is
 * given the paths of the checkpoint and of `tokens.json` ({ batch, time, ids }, row-major, no padding) after its own
 * arguments, prints a line of JSON { "logits": [batch * classes] }, and from then on for each line of its input runs
 * the batch once and prints a line of JSON { "seconds", "cpu" }: by the clock, and of processor time. On a machine that
 * does other work too, only processor time tells of the code.
 */
import { fork, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startBackend } from '../src/backend/start.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { writeRandomModel } from '../src/experiment/open/toy-study.js';
import type { ModelConfig } from '../src/model/config.js';
import { familyById } from '../src/model/families.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import { observe } from '../src/model/observe.js';
import { structureOf } from '../src/model/structure.js';
import type { TokenBatch } from '../src/model/types.js';
import { saveFile } from '../src/util/files.js';
import { seededRandom } from '../src/util/random.js';
import { HAS_NATIVE } from '../test/support/native.js';
import { median } from './reference.js';

export interface PublishedFlags {
  readonly families: string;
  readonly rounds: number;
  /** Sentences a batch; SpikingBERT always takes one. */
  readonly batch: number;
  /** Threads of native TensorFlow and, by OMP_NUM_THREADS, of the peer. */
  readonly threads: number;
  /** Command with its arguments, separated by blanks. */
  readonly peer: string | undefined;
  /** The folder that keeps the models; a temporary one by default. */
  readonly folder: string | undefined;
}

const BASE = {
  ...{ width: 768, hiddenWidth: 3072, classes: 2, head: false },
} as const;
const TIME = 128;

/** SpikeBERT's script, SpikeLM on BERT base, SpikingBERT's student configuration and README. */
const PUBLISHED: Readonly<Record<string, ModelConfig>> = {
  spikebert: {
    ...BASE,
    ...{ layers: 12, heads: 8, vocabSize: 28996, contextLength: TIME },
    ...{ timeSteps: 4, tau: 2, threshold: 1 },
  },
  spikelm: {
    ...BASE,
    ...{ layers: 12, heads: 12, vocabSize: 30522, contextLength: 512, timeSteps: 4, types: 2 },
  },
  spikingbert: {
    ...BASE,
    ...{ layers: 4, heads: 12, vocabSize: 30522, contextLength: 512 },
    ...{ timeSteps: 125, threshold: 1, types: 2 },
  },
};

/** A process with the model loaded. */
interface Runner {
  readonly logits: readonly number[];
  readonly note: string;
  run(): Promise<Taken>;
  stop(): void;
}

/** Seconds of a batch, by the clock and of processor time. */
interface Taken {
  readonly seconds: number;
  readonly cpu: number;
}

interface Answer extends Partial<Taken> {
  readonly logits?: readonly number[];
  readonly note?: string;
}

/** One that answers each line of its input with a line. */
function runnerOf(
  ask: () => void,
  listen: (take: (answer: Answer) => void, fail: (error: Error) => void) => void,
  stop: () => void,
): Promise<Runner> {
  let settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  const next = (): Promise<Answer> =>
    new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
  const first = next();
  listen(
    (answer) => settle?.resolve(answer),
    (error) => settle?.reject(error),
  );
  return first.then(({ logits = [], note = '' }) => ({
    ...{ logits, note, stop },
    run: async () => {
      const answer = next();
      ask();
      const { seconds = NaN, cpu = NaN } = await answer;
      return { seconds, cpu };
    },
  }));
}

function ourRunner(
  backend: string,
  model: string,
  tokens: string,
  threads: number,
): Promise<Runner> {
  const child = fork(__filename, ['--child', backend, model, tokens], {
    execArgv: ['--import', 'tsx'],
    // Read when the library is loaded.
    env: { ...process.env, TF_NUM_INTRAOP_THREADS: String(threads) },
  });
  return runnerOf(
    () => child.send('run'),
    (take, fail) => {
      child.on('message', take);
      child.on('exit', (code) => {
        fail(new Error(`${backend} ended with ${String(code)}`));
      });
    },
    () => child.kill(),
  );
}

function peerRunner(command: string, paths: readonly string[], threads: number): Promise<Runner> {
  const [program, ...args] = command.split(' ');
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const child = spawn(program, [...args, ...paths], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  return runnerOf(
    () => child.stdin.write('run\n'),
    (take, fail) => {
      const lines = createInterface(child.stdout);
      // What else it prints is not for us.
      lines.on('line', (line) => {
        if (line.startsWith('{')) take(JSON.parse(line) as Answer);
      });
      child.on('exit', (code) => {
        fail(new Error(`the peer ended with ${String(code)}`));
      });
    },
    () => child.kill(),
  );
}

/** @returns the path of the model and of its batch. */
async function prepare(id: string, folder: string, batch: number): Promise<[string, string]> {
  const config = PUBLISHED[id];
  const [model, tokens] = [join(folder, `${id}.safetensors`), join(folder, `${id}.tokens.json`)];
  await writeRandomModel(model, structureOf(familyById(id), config), 1);
  const random = seededRandom(2);
  const sentences = id === 'spikingbert' ? 1 : batch;
  // Past the special tokens, padding among them.
  const drawn = (): number => random.integer(1000, config.vocabSize - 1);
  const ids = Array.from({ length: sentences * TIME }, drawn);
  await saveFile(tokens, JSON.stringify({ batch: sentences, time: TIME, ids }));
  return [model, tokens];
}

/** All runners once a round, in turns. @returns what each took, by its name */
async function measure(
  runners: ReadonlyMap<string, readonly Runner[]>,
  rounds: number,
): Promise<Map<string, Taken[]>> {
  const found = new Map<string, Taken[]>();
  for (let round = 0; round < rounds; round++)
    for (const [name, some] of runners) {
      const started = performance.now();
      const all = await Promise.all(some.map((runner) => runner.run()));
      const cpu = all.reduce((sum, one) => sum + one.cpu, 0) / all.length;
      // Several at once are done when the last one is.
      const seconds = all.length === 1 ? all[0].seconds : (performance.now() - started) / 1000;
      found.set(name, [...(found.get(name) ?? []), { seconds, cpu }]);
    }
  return found;
}

async function benchFamily(id: string, folder: string, flags: PublishedFlags): Promise<void> {
  const { threads, peer, rounds } = flags;
  const [model, tokens] = await prepare(id, folder, flags.batch);
  const { batch } = JSON.parse(await readFile(tokens, 'utf8')) as TokenBatch;
  const started: Runner[] = [];
  const start = async (runner: Promise<Runner>): Promise<Runner> => {
    started.push(await runner);
    return started.at(-1)!;
  };
  try {
    const one = await start(ourRunner('wasm', model, tokens, 1));
    const two = await start(ourRunner('wasm', model, tokens, 1));
    const runners = new Map([
      ['wasm, 1 thread', [one]],
      ['wasm, 2 processes', [one, two]],
    ]);
    if (HAS_NATIVE) {
      const native = await start(ourRunner('tensorflow', model, tokens, threads));
      runners.set(`tensorflow, ${threads} threads`, [native]);
    }
    if (peer !== undefined) {
      const other = await start(peerRunner(peer, [id, model, tokens], threads));
      runners.set(`peer, ${threads} threads`, [other]);
    }
    console.log(`\n${id}: batches of ${batch} × ${TIME} tokens; ${one.note}`);
    const found = await measure(runners, rounds);
    const peerTaken = found.get(`peer, ${threads} threads`);
    for (const [name, taken] of found) {
      const some = runners.get(name)!;
      const speeds = taken.map(({ seconds }) => (some.length * batch) / seconds);
      const cpu = median(taken.map((one) => one.cpu / batch));
      const peerCpu = peerTaken && median(peerTaken.map((one) => one.cpu / batch));
      const off = Math.max(...some[0].logits.map((value, at) => Math.abs(value - one.logits[at])));
      console.log(
        `  ${name.padEnd(22)} ${median(speeds).toPrecision(3).padStart(7)} sentences/s ` +
          `(${Math.min(...speeds).toPrecision(3)}–${Math.max(...speeds).toPrecision(3)}), ` +
          `${cpu.toPrecision(3)} s of processor time each` +
          (peerCpu === undefined ? '' : `, ${(cpu / peerCpu).toFixed(2)} of the peer's`) +
          `, logits within ${off.toExponential(1)} of wasm's`,
      );
    }
  } finally {
    for (const runner of started) runner.stop();
  }
}

/** Prints a table a family. */
export async function benchPublished(flags: PublishedFlags): Promise<void> {
  console.log(`${cpus()[0].model.trim()}, ${cpus().length} cores, ${flags.rounds} rounds, medians`);
  const folder = flags.folder ?? (await mkdtemp(join(tmpdir(), 'qslm-published-')));
  await mkdir(folder, { recursive: true });
  try {
    for (const id of flags.families.split(',')) await benchFamily(id, folder, flags);
  } finally {
    if (flags.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** A process that is told 'run'. */
async function serve(backend: string, path: string, tokens: string): Promise<void> {
  await startBackend(backend);
  const checkpoint = await openCheckpoint(path);
  const model = await LoadedModel.load(checkpoint);
  await checkpoint.close();
  const { batch, time, ids } = JSON.parse(await readFile(tokens, 'utf8')) as TokenBatch;
  const inputs: TokenBatch = { batch, time, ids: Int32Array.from(ids) };
  const lengths = new Int32Array(batch).fill(time);
  const { family, config } = model.description;
  const pooling = family.tokens(config).poolings[0];
  const logits = await model.classLogits(inputs, lengths, pooling);
  const run = async (): Promise<Taken> => {
    const [started, before] = [performance.now(), process.cpuUsage()];
    await model.classLogits(inputs, lengths, pooling);
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
  };
  process.on('message', () => {
    void run().then((taken) => process.send!(taken));
  });
  process.send!({ logits: Array.from(logits), note: await ratesOf(model, inputs) });
}

/** "11 % of values spike": our kernels pass over the rest, a peer multiplies it. */
async function ratesOf(model: LoadedModel, inputs: TokenBatch): Promise<string> {
  const { ids, time } = inputs;
  const first: TokenBatch = { batch: 1, time, ids: ids.slice(0, time) };
  const { firingRates = [] } = await observe(model, first, { firingRates: true });
  const rates = firingRates.flat();
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  return `${(100 * mean).toFixed(0)} % of its values spike, the layers' mean`;
}

if (process.argv[2] === '--child')
  serve(process.argv[3], process.argv[4], process.argv[5]).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
