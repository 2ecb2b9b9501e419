/**
 * Forward speed of spikegpt-mini on the wasm backend beside the PyTorch reference, one thread each, in
 * turns within one run; and where our time goes, kernel by kernel.
 *
 *     npm run bench [-- --rounds 5 --tokens 16384]
 *
 * The reference needs the developers' shared folder and /usr/bin/python3 with torch; its header says what
 * to install. Without it only our side is measured.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../src/backend/start.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import type { Task } from '../src/tasks/task.js';
import { wikitext2Task } from '../src/tasks/wikitext2.js';
import { loadTokenizer } from '../src/tokenizer/tokenizer.js';
import { sharedPath } from '../test/support/shared.js';
import { median, numberIn, runReference } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '16384' },
  },
});

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

/** Tokens a second of the PyTorch reference, as it prints them: evaluation included, loading not. */
async function referenceSpeed({ model, tokenizer, text, reference }: Paths): Promise<number> {
  const task = [model, tokenizer, 'wikitext2', text, '--mode', 'baseline'];
  const printed = await runReference(reference, 1, [...task, '--tokens', flags.tokens]);
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

async function main(): Promise<void> {
  const paths = sharedPaths();
  if (paths === undefined) {
    console.log('skipped: the shared folder with spikegpt-mini.pth and WikiText-2 is not here');
    return;
  }
  const backend = await startBackend('wasm');
  console.log(`${cpus()[0].model}, Node ${process.version}, ${backend.description}`);
  console.log(
    `spikegpt-mini, WikiText-2 valid, ${flags.tokens} tokens, context 256, 1 thread each`,
  );

  const checkpoint = await openCheckpoint(paths.model);
  const model = await LoadedModel.load(checkpoint, { contextLength: 256 });
  const task = wikitext2Task({
    text: await readFile(paths.text, 'utf8'),
    tokenizer: await loadTokenizer(paths.tokenizer),
    source: 'WikiText-2 valid',
    limitTokens: Number(flags.tokens),
  });
  await ourSpeed(model, task); // compiles the kernels and packs the weights

  const ours: number[] = [];
  const reference: number[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    ours.push(await ourSpeed(model, task));
    reference.push(await referenceSpeed(paths));
  }
  console.log(`qslm, wasm:        ${spread(ours)}`);
  console.log(`PyTorch reference: ${spread(reference)}`);
  const ratios = ours.map((speed, round) => speed / reference[round]);
  console.log(`ratio, median of ${ratios.length}: ${median(ratios).toFixed(3)}`);

  const times = await whereTimeGoes(model, task);
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  for (const [name, time] of times)
    if (time > total / 200)
      console.log(`${((100 * time) / total).toFixed(1).padStart(6)} %  ${name}`);
  model.dispose();
  await checkpoint.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
