import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { BackendError } from '../util/errors.js';
import { registerCpuKernels } from './kernels/cpu.js';
import { registerWasmKernels } from './kernels/wasm.js';
import { wasmArithmetic } from './kernels/wasm-module.js';

/** Backends by the name a user gives; `auto` takes the first that starts, in this order. */
export const BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** Which backend runs, and why. */
export interface BackendReport {
  readonly name: BackendName;
  /** "TensorFlow.js 4.22.0, WebAssembly with SIMD" */
  readonly description: string;
  /** With `auto`: each backend tried before and why it did not start. */
  readonly passedOver: readonly { readonly name: BackendName; readonly reason: string }[];
}

/**
 * What the numbers of a backend are stored under: wherever two machines may differ in the last bits, a
 * name of its own, since a spike can hang on them.
 *
 * @throws {BackendError} when the kernels are not built
 */
export function backendIdentity(name: BackendName): string {
  return name === 'wasm' && wasmArithmetic() === 'fused' ? 'wasm-fused' : name;
}

const registered = new Set<BackendName>();

/** Registers our kernels once a backend, after it has started. */
function registerKernels(name: BackendName): void {
  if (registered.has(name)) return;
  if (name === 'wasm') registerWasmKernels(tf.backend() as BackendWasm, wasmArithmetic());
  if (name === 'cpu') registerCpuKernels();
  registered.add(name);
}

/**
 * tfjs-node-gpu registers itself as backend `tensorflow` when it is loaded; it needs libtensorflow, which
 * its install script downloads. It calls `util.isNullOrUndefined`, which Node 23 removed.
 */
async function loadTensorflow(): Promise<void> {
  const util = (await import('node:util')).default as { isNullOrUndefined?: unknown };
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  await import('@tensorflow/tfjs-node-gpu');
  const backend: unknown = tf.findBackend('tensorflow');
  if (backend === null) throw new Error('the native library did not register a backend');
}

async function activate(name: BackendName): Promise<string> {
  if (name === 'tensorflow') await loadTensorflow();
  if (name === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
  const started =
    name === 'wasm' ? withoutListeners(() => tf.setBackend(name)) : tf.setBackend(name);
  if (!(await started)) throw new Error('TensorFlow.js could not initialize it');
  await tf.ready();
  registerKernels(name);
  return describe(name);
}

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

async function describe(name: BackendName): Promise<string> {
  const version = `TensorFlow.js ${tf.version_core}`;
  switch (name) {
    case 'tensorflow':
      return `${version}, native library`;
    case 'wasm': {
      const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
      const fused = wasmArithmetic() === 'fused' ? ' and fused multiply–add' : '';
      return `${version}, WebAssembly ${simd === true ? 'with' : 'without'} SIMD${fused}, one thread`;
    }
    case 'cpu':
      return `${version}, plain JavaScript`;
  }
}

/** The first line of an error: native loaders print pages. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0];
}

/**
 * Starts the compute backend for everything that follows, and our kernels on it.
 *
 * @param name a backend, or `auto`: native TensorFlow where it is installed, else WebAssembly
 * @throws {BackendError} when the name is unknown or the backend does not start
 */
export async function startBackend(name: string = 'auto'): Promise<BackendReport> {
  const chosen = BACKENDS.filter((backend) => name === 'auto' || backend === name);
  if (chosen.length === 0)
    throw new BackendError({
      what: 'unknown backend',
      where: '--backend',
      got: `"${name}"`,
      expected: `auto, ${BACKENDS.join(', ')}`,
    });
  // Without it the cpu backend advertises tfjs-node on stderr at its first tensor.
  tf.enableProdMode();
  const passedOver: { name: BackendName; reason: string }[] = [];
  for (const backend of chosen) {
    try {
      return { name: backend, description: await activate(backend), passedOver };
    } catch (error) {
      passedOver.push({ name: backend, reason: reasonOf(error) });
    }
  }
  throw new BackendError({
    what: 'no backend starts',
    where: `backend ${name}`,
    got: passedOver.map((tried) => `${tried.name}: ${tried.reason}`).join('; '),
    expected:
      name === 'tensorflow'
        ? 'libtensorflow, which `npm run setup:gpu` installs'
        : 'one of the backends to start',
  });
}
