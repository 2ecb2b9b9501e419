import { enableProdMode } from '@tensorflow/tfjs-core';
import { BackendError } from '../util/errors.js';
import type { Backend } from './backends/backend.js';
import { CPU } from './backends/cpu.js';
import { TENSORFLOW } from './backends/tensorflow.js';
import { WASM } from './backends/wasm.js';

/** All backends; `auto` takes the first that starts, in this order. */
const ALL: readonly Backend[] = [TENSORFLOW, WASM, CPU];

/** Their names, as a user gives them. */
export const BACKENDS: readonly string[] = ALL.map(({ name }) => name);
/** One of {@link BACKENDS}. */
export type BackendName = string;

/** The backend that runs, and the reason. */
export interface BackendReport {
  readonly name: BackendName;
  /** "TensorFlow.js 4.22.0, WebAssembly with SIMD" */
  readonly description: string;
  /** With `auto`: each backend tried before and why it did not start. */
  readonly passedOver: readonly { readonly name: BackendName; readonly reason: string }[];
}

function backendBy(name: string): Backend {
  const backend = ALL.find((one) => one.name === name);
  if (backend !== undefined) return backend;
  throw new BackendError({
    what: 'unknown backend',
    where: 'backend',
    got: `"${name}"`,
    expected: `auto, ${BACKENDS.join(', ')}`,
  });
}

/** @see Backend.identity @throws {BackendError} for an unknown backend, or kernels that are not built. */
export function backendIdentity(name: BackendName): string {
  return backendBy(name).identity();
}

/** Worker threads that are worth their memory on a backend; 0 computes in the calling thread. */
export function backendThreads(name: BackendName): number {
  return backendBy(name).threads();
}

const registered = new Set<string>();

/**
 * Starts the compute backend for everything that follows, and our kernels on it.
 *
 * @param name a backend, or `auto`: native TensorFlow where it is installed, else WebAssembly
 * @param identity of the backend in the thread that this one shares its work with (`backendIdentity`)
 * @throws {BackendError} when the name is unknown, the backend does not start, or not with that identity
 */
export async function startBackend(
  name: string = 'auto',
  identity?: string,
): Promise<BackendReport> {
  const chosen = name === 'auto' ? ALL : [backendBy(name)];
  if (identity !== undefined) backendBy(name).comply?.(identity);
  // Without it the cpu backend advertises tfjs-node on stderr at its first tensor.
  enableProdMode();
  const passedOver: { name: BackendName; reason: string }[] = [];
  for (const backend of chosen) {
    const { name } = backend;
    try {
      await backend.start();
      if (!registered.has(name)) backend.registerKernels();
      registered.add(name);
      return { name, description: await backend.describe(), passedOver };
    } catch (error) {
      // The first line: native loaders print pages.
      const [reason] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
      passedOver.push({ name, reason });
    }
  }
  throw new BackendError({
    what: 'no backend starts',
    where: `backend ${name}`,
    got: passedOver.map((tried) => `${tried.name}: ${tried.reason}`).join('; '),
    expected: name === 'auto' ? 'one of the backends to start' : chosen[0].needs,
  });
}

/** A backend on this machine, as {@link surveyBackends} finds it. */
export interface BackendSurvey {
  readonly name: BackendName;
  /** Version, device and threads where it starts. */
  readonly description?: string;
  /** The name that its measurements are stored under. */
  readonly identity?: string;
  /** The fault where it does not start, and what it needs. */
  readonly reason?: string;
  readonly needs?: string;
}

/** Tries to start every backend, in the order in which `auto` does; the first that starts is what it takes. */
export async function surveyBackends(): Promise<BackendSurvey[]> {
  const found: BackendSurvey[] = [];
  for (const backend of ALL) {
    const { name, needs } = backend;
    try {
      const { description } = await startBackend(name);
      found.push({ name, description, identity: backend.identity() });
    } catch (error) {
      const { detail } = error as BackendError;
      found.push({ name, reason: (detail.got ?? '').replace(`${name}: `, ''), needs });
    }
  }
  return found;
}

const OUT_OF_MEMORY = /\bOOM\b|out of memory|failed to allocate|resource ?exhausted/i;

/** True for an error that says that a device has no memory left for a result, which fewer sequences may have. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && OUT_OF_MEMORY.test(error.message);
}
