import { findBackend } from '@tensorflow/tfjs-core';
import { activate, TFJS, type Backend } from './backend.js';

/** Native TensorFlow, with its own threads, and a GPU where there is one. */
export const TENSORFLOW: Backend = {
  name: 'tensorflow',
  needs: 'libtensorflow, which `npm run setup:gpu` installs',
  /**
   * tfjs-node-gpu registers itself when it is loaded; it needs libtensorflow, which its install script
   * downloads. It calls `util.isNullOrUndefined`, which Node 23 removed.
   */
  start: async () => {
    const util = (await import('node:util')).default as { isNullOrUndefined?: unknown };
    util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
    await import('@tensorflow/tfjs-node-gpu');
    const backend: unknown = findBackend('tensorflow');
    if (backend === null) throw new Error('the native library did not register a backend');
    await activate('tensorflow');
  },
  // Composed of whole-tensor operations.
  registerKernels: () => undefined,
  identity: () => 'tensorflow',
  describe: () => Promise.resolve(`${TFJS}, native library`),
  // It has threads of its own, and would load its library once a worker.
  threads: () => 0,
};
