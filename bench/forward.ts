/**
 * Forward speed of spikegpt-mini, and with --models of the 216M shape, on wasm and on native TensorFlow where
 * it is set up, beside the PyTorch reference, in turns within one run; and where our time goes, kernel by kernel.
 *
 *     npm run bench [-- --rounds 5 --tokens 16384 --threads 1 --models mini,216m --batches 32]
 *
 * wasm has one thread whatever --threads says. The reference needs the developers' shared folder and a Python
 * with torch, which QSLM_PYTHON names; without the folder nothing is measured.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../src/backend/start.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import type { Task } from '../src/tasks/task.js';
import { wikitext2Task } from '../src/tasks/wikitext2.js';
import { loadTokenizer } from '../src/tokenizer/tokenizer.js';
import { packagePath } from '../src/util/paths.js';
import { HAS_NATIVE } from '../test/support/native.js';
import { sharedPath } from '../test/support/shared.js';
import { median, numberIn, runReference } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '16384' },
    threads: { type: 'string', default: '1' },
    models: { type: 'string', default: 'mini' },
    batches: { type: 'string', default: '32' },
  },
});
const CONTEXT = 256;
// Read when the library is loaded.
process.env['TF_NUM_INTRAOP_THREADS'] = flags.threads;

const spread = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} tokens/s (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`;

interface Paths {
  readonly model: string;
  readonly tokenizer: string;
  readonly text: string;
  readonly reference: string;
}

function sharedPaths(): Paths | undefined {
  const [model, tokenizer, text, reference] = [
    'models/spikegpt-mini.pth',
    'models/tokenizer.json',
    'data/wikitext2/valid.txt',
    'tools/reference_qslm.py',
  ].map(sharedPath);
  if (!model || !tokenizer || !text || !reference) return undefined;
  return { model, tokenizer, text, reference };
}

/** A checkpoint of the 216M's shape with random weights, made once under out/. */
async function largeModel(): Promise<string> {
  const path = packagePath('out', 'bench', 'shape-216m.pth');
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  await runReference(sharedPath('tools/make_checkpoint.py')!, undefined, [path]);
  return path;
}

/** Tokens a second of the PyTorch reference, as it prints them: evaluation included, loading not. */
async function referenceSpeed(paths: Paths, batch: number): Promise<number> {
  const { model, tokenizer, text, reference } = paths;
  const task = [model, tokenizer, 'wikitext2', text, '--mode', 'baseline'];
  const amounts = ['--tokens', flags.tokens, '--batch-tokens', String(batch * CONTEXT)];
  const printed = await runReference(reference, Number(flags.threads), [...task, ...amounts]);
  return numberIn(printed, /(\d+) tokens\/s/);
}

async function ourSpeed(model: LoadedModel, task: Task): Promise<number> {
  const result = await task.evaluate(model);
  return result.tokens / result.seconds;
}

/** Milliseconds by kernel over one evaluation; what is left is JavaScript between the kernels. */
async function whereTimeGoes(model: LoadedModel, task: Task): Promise<Map<string, number>> {
  const engine = tf.engine();
  const original = engine.runKernel.bind(engine);
  const times = new Map<string, number>();
  engine.runKernel = ((name: string, ...rest: [never, never]) => {
    const start = performance.now();
    const result = original(name, ...rest);
    times.set(name, (times.get(name) ?? 0) + performance.now() - start);
    return result;
  }) as typeof engine.runKernel;
  const start = performance.now();
  await task.evaluate(model);
  const total = performance.now() - start;
  engine.runKernel = original;
  const inKernels = [...times.values()].reduce((sum, time) => sum + time, 0);
  times.set('between kernels', total - inKernels);
  return new Map([...times].sort((a, b) => b[1] - a[1]));
}

function printTimes(times: ReadonlyMap<string, number>): void {
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  for (const [name, time] of times)
    if (time > total / 200)
      console.log(`${((100 * time) / total).toFixed(1).padStart(6)} %  ${name}`);
}

/** The models of one checkpoint, each on its backend, and PyTorch, in turns. */
async function compare(paths: Paths, title: string, batch: number): Promise<void> {
  console.log(`\n${title}, WikiText-2 valid, ${flags.tokens} tokens, batches of ${batch}`);
  const task = wikitext2Task({
    text: await readFile(paths.text, 'utf8'),
    tokenizer: await loadTokenizer(paths.tokenizer),
    source: 'WikiText-2 valid',
    limitTokens: Number(flags.tokens),
    batchTokens: batch * CONTEXT,
  });
  const checkpoint = await openCheckpoint(paths.model);
  const models = new Map<string, LoadedModel>();
  for (const backend of ['wasm', ...(HAS_NATIVE ? ['tensorflow'] : [])]) {
    const { description } = await startBackend(backend);
    console.log(`${backend}: ${description}`);
    const model = await LoadedModel.load(checkpoint, { contextLength: CONTEXT });
    await ourSpeed(model, task); // compiles the kernels and packs the weights
    models.set(backend, model);
  }
  const speeds = new Map<string, number[]>();
  const note = (name: string, speed: number): void => {
    speeds.set(name, [...(speeds.get(name) ?? []), speed]);
  };
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [backend, model] of models) {
      await startBackend(backend);
      note(backend, await ourSpeed(model, task));
    }
    note('PyTorch', await referenceSpeed(paths, batch));
  }
  const peer = speeds.get('PyTorch')!;
  for (const [name, each] of speeds) {
    const ratio = median(each.map((speed, round) => speed / peer[round]));
    console.log(`${name.padEnd(12)} ${spread(each)}, ${ratio.toFixed(3)} of PyTorch`);
  }
  for (const [backend, model] of models) {
    await startBackend(backend);
    console.log(`where the time of ${backend} goes`);
    printTimes(await whereTimeGoes(model, task));
    model.dispose();
  }
  await checkpoint.close();
}

async function main(): Promise<void> {
  const paths = sharedPaths();
  if (paths === undefined) {
    console.log('skipped: the shared folder with spikegpt-mini.pth and WikiText-2 is not here');
    return;
  }
  console.log(`${cpus()[0].model}, Node ${process.version}, ${flags.threads} threads; wasm one`);
  for (const batch of flags.batches.split(',').map(Number))
    for (const name of flags.models.split(',')) {
      const large = name === '216m';
      const model = large ? await largeModel() : paths.model;
      const title = large ? 'the 216M shape, random weights' : 'spikegpt-mini';
      await compare({ ...paths, model }, title, batch);
    }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
