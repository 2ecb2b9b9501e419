import { availableParallelism } from 'node:os';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { backend, env } from '@tensorflow/tfjs-core';
import { prescribeArithmetic, wasmArithmetic } from '../kernels/wasm-module.js';
import { registerWasmKernels } from '../kernels/wasm.js';
import { activate, MOST_THREADS, TFJS, type Backend } from './backend.js';

/** The identity of wasm with fused multiply–adds. */
const FUSED = 'wasm-fused';

/** WebAssembly, one thread a process, in the arithmetic that engine and processor have. */
export const WASM: Backend = {
  name: 'wasm',
  needs: 'an engine with WebAssembly SIMD, and `npm run build`',
  start: async () => {
    await import('@tensorflow/tfjs-backend-wasm');
    await withoutListeners(() => activate('wasm'));
  },
  registerKernels: () => {
    registerWasmKernels(backend() as BackendWasm, wasmArithmetic());
  },
  identity: () => (wasmArithmetic() === 'fused' ? FUSED : 'wasm'),
  comply: (identity) => {
    prescribeArithmetic(identity === FUSED ? 'fused' : 'separate');
  },
  describe: async () => {
    const simd = await env().getAsync('WASM_HAS_SIMD_SUPPORT');
    const fused = wasmArithmetic() === 'fused' ? ' and fused multiply–add' : '';
    return `${TFJS}, WebAssembly ${simd === true ? 'with' : 'without'} SIMD${fused}, one thread`;
  },
  threads: () => Math.min(MOST_THREADS, availableParallelism()),
};

/**
 * Runs `start` and takes away the process-wide listeners it added: Emscripten's rethrow every uncaught
 * error from inside its own one-line source, of which Node then prints 70,000 characters.
 */
async function withoutListeners<T>(start: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  const result = await start();
  events.forEach((event, index) => {
    for (const listener of process.listeners(event as 'uncaughtException'))
      if (!before[index].includes(listener)) process.off(event, listener);
  });
  return result;
}
