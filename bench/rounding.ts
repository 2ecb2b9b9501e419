/**
 * How far a perplexity hangs on rounding: that of spikegpt-mini on the bundled articles in every arithmetic that
 * is here, and on wasm with each weight moved to a neighbouring float32 value or left, many times over; window
 * by window, apart for windows whose spikes are all those of wasm and windows where one differs.
 *
 *     npm run bench:rounding [-- --dithers 20 --limit 18432]
 */
import { parseArgs } from 'node:util';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { Arithmetic } from '../src/backend/kernels/wasm-module.js';
import { registerWasmKernels } from '../src/backend/kernels/wasm.js';
import { startBackend } from '../src/backend/start.js';
import { openModel, type OpenModel } from '../src/experiment/open/model-file.js';
import { seededRandom } from '../src/util/random.js';
import { HAS_NATIVE } from '../test/support/native.js';
import { compareWindows, runWindows, type WindowRun } from '../test/support/windows.js';

const { values: flags } = parseArgs({
  options: {
    dithers: { type: 'string', default: '20' },
    limit: { type: 'string', default: '18432' },
  },
});
const MODEL = 'spikegpt-mini';

/** The float32 values beside x, and x itself, each as likely. */
function nudged(values: Float32Array, seed: number): Float32Array {
  const random = seededRandom(seed);
  const moved = Float32Array.from(values);
  const bits = new Int32Array(moved.buffer);
  // 0 stays: its neighbours are the smallest numbers there are, which round nothing.
  for (const [at, value] of values.entries()) if (value !== 0) bits[at] += random.integer(-1, 1);
  return moved;
}

/** Moves what is multiplied: vectors and matrices of the blocks and the head, not the spike embedding. */
async function dither({ model, checkpoint }: OpenModel, seed: number): Promise<void> {
  for (const [index, { name }] of model.description.layout.parameters.entries())
    if (!name.startsWith('emb.'))
      model.setParameter(name, nudged(await checkpoint.readFloat32(name), seed * 1000 + index));
}

const onWasm = async (arithmetic: Arithmetic): Promise<void> => {
  await startBackend('wasm');
  registerWasmKernels(tf.backend() as BackendWasm, arithmetic);
};

async function withModel(run: (open: OpenModel) => Promise<void>): Promise<void> {
  const open = await openModel(MODEL);
  try {
    await run(open);
  } finally {
    await open.close();
  }
}

function report(title: string, run: WindowRun, base: WindowRun): void {
  const { equal, flipped, worstEqual, worstFlipped } = compareWindows(run, base);
  console.log(
    `${title.padEnd(22)} ${run.perplexity.toFixed(4)}  ` +
      `${equal} windows with all spikes equal, likelihood within ${worstEqual.toExponential(1)}; ` +
      `${flipped} not, within ${worstFlipped.toExponential(1)}`,
  );
}

async function main(): Promise<void> {
  const limit = Number(flags.limit);
  let base: WindowRun | undefined;
  const dithered: number[] = [];
  console.log(`${MODEL}, bundled articles, ${limit} tokens; perplexity, and beside the first line`);
  await onWasm('separate');
  await withModel(async (open) => {
    base = await runWindows(open, limit);
    console.log(`${'wasm'.padEnd(22)} ${base.perplexity.toFixed(4)}`);
  });
  const others: (readonly [string, () => Promise<unknown>])[] = [
    ['wasm, fused', () => onWasm('fused')],
    ['cpu', () => startBackend('cpu')],
    ['tensorflow', () => startBackend('tensorflow')],
  ];
  for (const [title, start] of others) {
    if (title === 'tensorflow' && !HAS_NATIVE) continue;
    await start();
    await withModel(async (open) => {
      report(title, await runWindows(open, limit), base!);
    });
  }
  await onWasm('separate');
  await withModel(async (open) => {
    for (let seed = 1; seed <= Number(flags.dithers); seed++) {
      await dither(open, seed);
      const run = await runWindows(open, limit);
      dithered.push(run.perplexity);
      report(`wasm, dithered ${seed}`, run, base!);
    }
  });
  const mean = dithered.reduce((sum, value) => sum + value, 0) / dithered.length;
  const deviation = Math.sqrt(
    dithered.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (dithered.length - 1),
  );
  console.log(
    `dithered: mean ${mean.toFixed(4)}, standard deviation ${deviation.toFixed(4)} ` +
      `(${((1e6 * deviation) / mean).toFixed(0)} per million), ${Math.min(...dithered).toFixed(4)} to ${Math.max(...dithered).toFixed(4)}`,
  );
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
