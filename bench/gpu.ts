/**
 * All that is to be checked and measured on a GPU, in one command: the tests that name native TensorFlow (golden
 * values, kernels, models, accelerations), the ceilings of the device, and tokens/s of the mini's and the 216M's
 * shape at several batches, beside PyTorch on the same device where a Python has it.
 *
 *     npm run bench:gpu [-- --batches 1,8,64 --shapes mini,216m --tokens 256 --rounds 5 --no-tests --any-device]
 *
 * Weights and tokens are random. Without a GPU it ends with 69, unless --any-device lets the processor stand in.
 * QSLM_PYTHON names a Python with torch.
 */
import { execFile, spawnSync } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory, startBackend } from '../src/backend/start.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import { packagePath } from '../src/util/paths.js';
import { toyCheckpoint } from '../test/support/toy.js';
import { median } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    batches: { type: 'string', default: '1,8,64' },
    shapes: { type: 'string', default: 'mini,216m' },
    tokens: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '5' },
    'no-tests': { type: 'boolean', default: false },
    'any-device': { type: 'boolean', default: false },
  },
});
const [TOKENS, ROUNDS] = [Number(flags.tokens), Number(flags.rounds)];

const SHAPES = {
  toy: { vocabSize: 61, width: 16, hiddenWidth: 64, layers: 3 },
  mini: { vocabSize: 4096, width: 192, hiddenWidth: 768, layers: 6 },
  '216m': { vocabSize: 50277, width: 768, hiddenWidth: 3072, layers: 18 },
} as const;
type Shape = keyof typeof SHAPES;

/** Floating-point operations of the products with matrices for one token. */
function productsPerToken({
  vocabSize,
  width,
  hiddenWidth,
  layers,
}: (typeof SHAPES)[Shape]): number {
  return 2 * (layers * (5 * width * width + 2 * width * hiddenWidth) + width * vocabSize);
}

/** Median of seconds, the first run, which compiles and packs, left out. */
async function seconds(run: () => Promise<unknown>): Promise<number> {
  await run();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await run();
    times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

/** Runs operations and waits for the device by reading one value. */
const finished = async (run: () => tf.Tensor): Promise<void> => {
  const one = tf.tidy(() => tf.slice(tf.reshape(run(), [-1]), [0], [1]));
  await one.data();
  one.dispose();
};

interface Ceilings {
  readonly gflops: number;
  readonly gigabytes: number;
}

async function ceilings(size: number): Promise<Ceilings> {
  const square = tf.randomUniform<tf.Rank.R2>([size, size]);
  const product = await seconds(() => finished(() => tf.matMul(square, square)));
  const sum = await seconds(() => finished(() => tf.add(square, 1)));
  square.dispose();
  return { gflops: (2 * size ** 3) / product / 1e9, gigabytes: (8 * size * size) / sum / 1e9 };
}

interface Peer extends Ceilings {
  readonly torch: string;
  readonly device: string;
  readonly forward: number;
  readonly products: number;
}

async function pyTorch(shape: Shape, batch: number, onGpu: boolean): Promise<Peer | string> {
  const { vocabSize, width, hiddenWidth, layers } = SHAPES[shape];
  const numbers = [vocabSize, width, hiddenWidth, layers, batch, TOKENS, ROUNDS].map(String);
  const script = packagePath('bench', 'torch_peer.py');
  const python = process.env['QSLM_PYTHON'] ?? 'python3';
  try {
    const parameters = [script, onGpu ? 'cuda' : 'cpu', ...numbers];
    return JSON.parse((await promisify(execFile)(python, parameters)).stdout) as Peer;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim() || message).trim().split('\n').at(-1)!;
  }
}

async function measure(shape: Shape, model: LoadedModel, batch: number): Promise<number> {
  const { vocabSize } = SHAPES[shape];
  const ids = Int32Array.from({ length: batch * TOKENS }, (_, at) => (7919 * at) % vocabSize);
  const inputs = { ids, batch, time: TOKENS };
  return (batch * TOKENS) / (await seconds(() => model.tokenNll(inputs, ids)));
}

async function measureShape(shape: Shape, ours: Ceilings, onGpu: boolean): Promise<void> {
  const config = { ...SHAPES[shape], contextLength: TOKENS, classes: 0 };
  const model = await LoadedModel.load(toyCheckpoint(config));
  for (const batch of flags.batches.split(',').map(Number)) {
    const title = `${shape}, batch ${batch} × ${TOKENS}`;
    try {
      const speed = await measure(shape, model, batch);
      const gflops = (speed * productsPerToken(SHAPES[shape])) / 1e9;
      const share = ((100 * gflops) / ours.gflops).toFixed(0);
      console.log(
        `${title}: ${speed.toFixed(0)} tokens/s; its products ${gflops.toFixed(0)} GFLOP/s, ${share} % of the ceiling`,
      );
      const peer = await pyTorch(shape, batch, onGpu);
      if (typeof peer === 'string') console.log(`  PyTorch: skipped: ${peer}`);
      else
        console.log(
          `  PyTorch ${peer.torch}, ${peer.device}: ${peer.forward.toFixed(0)} tokens/s with scans token by token (ours ${(speed / peer.forward).toFixed(2)} of it), ` +
            `its products alone ${peer.products.toFixed(0)}; ceilings ${peer.gflops.toFixed(0)} GFLOP/s, ${peer.gigabytes.toFixed(0)} GB/s`,
        );
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      console.log(`${title}: out of memory`);
    }
  }
  model.dispose();
}

/** @returns whether the tests passed. */
function runTests(): boolean {
  const mocha = [packagePath('node_modules', 'mocha', 'bin', 'mocha.js'), '--reporter', 'dot'];
  const { status } = spawnSync(
    process.execPath,
    [...mocha, '--grep', '[Tt]ensor[Ff]low|composed of native'],
    { stdio: 'inherit', cwd: packagePath(), env: { ...process.env, QSLM_REQUIRE_TENSORFLOW: '1' } },
  );
  return status === 0;
}

async function main(): Promise<void> {
  const { description } = await startBackend('tensorflow');
  console.log(description);
  const onGpu = /compute capability/.test(description);
  if (!onGpu && !flags['any-device']) {
    console.log(
      'skipped: no GPU computes here (nvidia-smi; npm run setup:tensorflow -- --gpu); --any-device measures the processor',
    );
    process.exitCode = 69;
    return;
  }
  if (!flags['no-tests'] && !runTests()) process.exitCode = 1;
  const ours = await ceilings(onGpu ? 4096 : 1024);
  console.log(
    `ceilings: ${ours.gflops.toFixed(0)} GFLOP/s (float32 product), ${ours.gigabytes.toFixed(0)} GB/s (a sum)`,
  );
  for (const shape of flags.shapes.split(',')) await measureShape(shape as Shape, ours, onGpu);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
