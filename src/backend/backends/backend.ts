import { setBackend, ready, version_core } from '@tensorflow/tfjs-core';

/** A place to compute. Another one is another of these, and a line in the list. */
export interface Backend {
  /** Its name for a user. */
  readonly name: string;
  /** Its needs, for those whose machine lacks it. */
  readonly needs: string;
  /** Makes it TensorFlow.js's backend. @throws when it cannot be had on this machine. */
  start(): Promise<void>;
  /** Registers our kernels on it, once it has started. */
  registerKernels(): void;
  /**
   * The name that its numbers are stored under: wherever two machines may differ in the last bits, a name of
   * its own, since a spike can hang on them.
   */
  identity(): string;
  /**
   * Has this thread compute as one that has this identity, before it starts; absent where there is one way.
   *
   * @throws {BackendError} where it cannot
   */
  comply?(identity: string): void;
  /** "TensorFlow.js 4.22.0, WebAssembly with SIMD, one thread" */
  describe(): Promise<string>;
  /** Worker threads that are worth their memory. */
  threads(): number;
}

/** More threads than this wait for memory rather than compute. */
export const MOST_THREADS = 4;

/** TensorFlow.js and its version. */
export const TFJS = `TensorFlow.js ${version_core}`;

/** Makes a backend the one that computes. @throws {Error} when TensorFlow.js does not take it. */
export async function activate(name: string): Promise<void> {
  if (!(await setBackend(name))) throw new Error('TensorFlow.js could not initialize it');
  await ready();
}
