/**
 * Sets up native TensorFlow for the backend `tensorflow`: TensorFlow's C library from its Python wheels, and
 * against it the binding that `@tensorflow/tfjs-node-gpu` carries as source. What is downloaded and built is
 * kept in a cache folder (QSLM_HOME, else ~/.cache/qslm) that all checkouts share; after `npm ci` this only
 * links it again. Whatever becomes of it, qslm works on its other backends.
 *
 *   npm run setup:tensorflow [-- --cpu | --gpu | --libtensorflow DIR | --remove]
 *
 * Without a choice it takes CUDA where NVIDIA's driver answers.
 */
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { endOnSignals, explain } from './tensorflow/ending.js';
import { SetupError, tensorflowCache, type Machine } from './tensorflow/machine.js';
import { askDriver, removeAll, setUp, type Wanted } from './tensorflow/setup.js';

const { values: flags } = parseArgs({
  options: {
    cpu: { type: 'boolean' },
    gpu: { type: 'boolean' },
    libtensorflow: { type: 'string' },
    remove: { type: 'boolean' },
  },
});

const machine: Machine = {
  env: process.env,
  cache: tensorflowCache(process.env),
  package: dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')),
  tell: (line) => {
    console.log(line);
  },
};

async function wanted(): Promise<Wanted> {
  const chosen = Object.keys(flags).length;
  if (chosen > 1) throw new SetupError('more than one choice', 'give one of the flags');
  if (flags.libtensorflow !== undefined) return { libtensorflow: flags.libtensorflow };
  if (flags.gpu) return { kind: 'gpu' };
  if (flags.cpu) return { kind: 'cpu' };
  return { kind: (await askDriver(machine)) === undefined ? 'cpu' : 'gpu' };
}

async function main(): Promise<void> {
  if (flags.remove) {
    await removeAll(machine);
    console.log(`Removed: ${machine.cache} and the binding of this checkout.`);
    return;
  }
  const start = performance.now();
  const report = await setUp(machine, await wanted());
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`${report}; set up in ${seconds} s. The backend is "tensorflow", and auto takes it.`);
}

endOnSignals();
main().catch(explain);
