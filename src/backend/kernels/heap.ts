import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BackendError } from '../../util/errors.js';
import * as plain from './plain.js';

/** Lanes of a 128-bit vector: for widths that are no multiple the plain loops run on the heap. */
export const LANES = 4;

/** The heap of the TensorFlow.js backend, which its types leave out. `asm` has the module's raw exports. */
export interface Heap {
  readonly asm: Readonly<Record<string, unknown>>;
  readonly HEAPU8: Uint8Array;
  /** Address of so many bytes, 0 where there are none. */
  _malloc: (bytes: number) => number;
}

/** The heap that a backend's module works in. */
export const heapOf = (backend: BackendWasm): Heap => backend.wasm as unknown as Heap;

/** The memory of the backend's module. @throws {BackendError} where it cannot be reached. */
export function memoryOf(backend: BackendWasm): WebAssembly.Memory {
  const memory = Object.values(heapOf(backend).asm).find(
    (value) => value instanceof WebAssembly.Memory,
  );
  if (memory !== undefined) return memory;
  throw new BackendError({
    what: 'the memory of the WebAssembly backend is not reachable',
    where: 'backend wasm',
    expected: '@tensorflow/tfjs-backend-wasm 4.22, whose module exports it',
  });
}

/** The heap as the kernels see it. Its buffer is another one once it has grown. */
export interface HeapMemory extends plain.Memory {
  /** Addresses of tensors; 0 for one that is absent. */
  readonly at: (...tensors: readonly (TensorInfo | undefined)[]) => number[];
  /** A tensor of at least so many bytes. */
  readonly scratch: (bytes: number) => TensorInfo;
  /** The bytes of a tensor, in place, as {@link plain.Memory} has its numbers. */
  readonly bytes: (tensor: TensorInfo) => Uint8Array;
  readonly release: (tensor: TensorInfo) => void;
}

/** The heap of a backend as the kernels see it. */
export function memoryIn(backend: BackendWasm): HeapMemory {
  const addressOf = ({ dataId }: TensorInfo): number =>
    (backend.dataIdMap.get(dataId) as unknown as { readonly memoryOffset: number }).memoryOffset;
  const floats = (tensor: TensorInfo): Float32Array =>
    new Float32Array(heapOf(backend).HEAPU8.buffer, addressOf(tensor), sizeOf(tensor.shape));
  const output = (shape: readonly number[]): TensorInfo =>
    backend.makeOutput([...shape], 'float32');
  return {
    at: (...tensors) => tensors.map((tensor) => (tensor === undefined ? 0 : addressOf(tensor))),
    floats,
    integers: (tensor) => {
      const { buffer, byteOffset, length } = floats(tensor);
      return new Int32Array(buffer, byteOffset, length);
    },
    output,
    scratch: (bytes) => output([Math.ceil(bytes / 4)]),
    bytes: (tensor) => {
      const { buffer, byteOffset, byteLength } = floats(tensor);
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
    release: ({ dataId }) => {
      backend.disposeData(dataId);
    },
  };
}

/** Values of a tensor. */
export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);

/** Likelihoods, [rows], from the terms that headTerms leaves: two float64 a row. */
export function nllOfTerms({ floats }: HeapMemory, terms: TensorInfo, out: TensorInfo): void {
  const { buffer, byteOffset } = floats(terms);
  const nll = floats(out);
  const pairs = new Float64Array(buffer, byteOffset, nll.length * 2);
  for (let row = 0; row < nll.length; row++)
    nll[row] = Math.log(pairs[2 * row]) - pairs[2 * row + 1];
}

/** A kernel for whole vectors along the last axis of input `wide`; other widths run on the plain loops. */
export function inLanes(
  name: string,
  wide: string,
  run: plain.Run<HeapMemory>,
): plain.Kernel<HeapMemory> {
  const loops = plain.PLAIN_KERNELS.get(name)!;
  return plain.kernel(name, (inputs, attrs, memory) =>
    (inputs[wide].shape.at(-1)! % LANES === 0 ? run : loops)(inputs, attrs, memory),
  );
}

/** Heaps whose allocation says so when it fails. */
const guarded = new WeakSet<Heap>();

/**
 * Makes the backend's allocation throw where it has nothing: it gives address 0, which kernels would take for a
 * tensor's place and write to.
 */
export function refuseNull(backend: BackendWasm): void {
  const heap = heapOf(backend);
  if (guarded.has(heap)) return;
  guarded.add(heap);
  // The first call puts the module's own function in this place.
  heap._malloc(0);
  const allocate = heap._malloc;
  heap._malloc = (bytes) => {
    const address = allocate(bytes);
    // Beyond 4 GB it may also wrap around, and give a place that ends after the heap.
    const fits = (address >>> 0) + bytes <= heap.HEAPU8.length;
    if ((address !== 0 && fits) || bytes === 0) return address;
    throw new RangeError(`the heap of backend wasm is out of memory: no ${bytes} bytes left`);
  };
}
