import { availableParallelism } from 'node:os';
import '@tensorflow/tfjs-backend-cpu';
import { registerCpuKernels } from '../kernels/cpu.js';
import { activate, MOST_THREADS, TFJS, type Backend } from './backend.js';

/** Plain JavaScript: slow, anywhere, and good for checking. */
export const CPU: Backend = {
  name: 'cpu',
  needs: 'nothing',
  start: () => activate('cpu'),
  registerKernels: registerCpuKernels,
  identity: () => 'cpu',
  describe: () => Promise.resolve(`${TFJS}, plain JavaScript`),
  threads: () => Math.min(MOST_THREADS, availableParallelism()),
};
