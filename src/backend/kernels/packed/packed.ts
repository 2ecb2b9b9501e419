import {
  getBackend,
  keep,
  tensor1d,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';
import type { PackedTensor } from '../../../quant/packed/packed-tensor.js';
import { MAX_PANEL_BITS, panelConstants, rowConstants } from '../../../quant/packed/panels.js';
import { BackendError, QuantError } from '../../../util/errors.js';
import { hasKernel, runKernel, type KernelAttributes } from '../dispatch.js';
import * as names from './names.js';

/*
 * Matrices that stay packed in the memory of the `wasm` backend. Products with them give, bit for bit, what the
 * float32 kernels of that backend give for the values that they stand for.
 */

/** Weights of a product, packed: panels of 16 columns (quant/packed/panels.ts). */
export interface PackedMatrix {
  readonly kind: 'matrix';
  /** [in, out] of the product. */
  readonly shape: [number, number];
  readonly parts: PackedParts;
  readonly attributes: KernelAttributes;
}

/** A table that rows are looked up in, packed as it is stored. */
export interface PackedTable {
  readonly kind: 'table';
  /** [rows, C] */
  readonly shape: [number, number];
  readonly parts: PackedParts;
  readonly attributes: KernelAttributes;
}

/** Tensors of the backend, which last until they are disposed: bytes, whatever their element type says. */
interface PackedParts {
  readonly packed: Tensor1D;
  readonly scales: Tensor1D;
  readonly zeros: Tensor1D;
}

/** The second factor of a product. */
export type Factor = Tensor2D | PackedMatrix;

/** True for weights that stay packed. */
export function isPacked<Packed extends PackedMatrix | PackedTable>(
  weights: Tensor | Packed,
): weights is Packed {
  return 'parts' in weights;
}

/** Frees packed weights. */
export function disposePacked({ parts }: PackedMatrix | PackedTable): void {
  for (const part of Object.values(parts as unknown as Record<string, Tensor>)) part.dispose();
}

/** @throws {BackendError} where the running backend has no packed execution. */
export function requirePackedKernels(): void {
  if (hasKernel(names.STORE_PACKED)) return;
  throw new BackendError({
    what: 'packed weights can only be computed with on wasm',
    where: `backend ${getBackend()}`,
    got: 'packed execution asked for',
    expected: 'backend wasm, or the packed file without packed execution',
  });
}

/**
 * Puts the weights of a linear layer into the backend's memory.
 *
 * @param tensor a matrix [out, in]; not kept
 * @param name of the parameter, for errors
 * @throws {QuantError} for a scheme that no kernel is there for
 */
export function packedMatrix(tensor: PackedTensor, name: string): PackedMatrix {
  const { shape, scheme, packed } = tensor;
  const [columns, inner] = shape;
  if (scheme.bits > MAX_PANEL_BITS || scheme.method === 'sign')
    throw new QuantError({
      what: 'no packed product of this scheme is there',
      where: `tensor ${name}`,
      got: scheme.method === 'sign' ? 'method sign' : `${scheme.bits} bits`,
      expected: `1 to ${MAX_PANEL_BITS} bits, affine or symmetric, or 32`,
    });
  const { scales, zeros, groupLength, shared } = panelConstants(tensor);
  const { bits } = scheme;
  return {
    kind: 'matrix',
    shape: [inner, columns],
    parts: partsOf(storePacked(packed, { bits, columns, inner }), scales, zeros),
    attributes: { bits, groupLength, shared, inner, columns },
  };
}

/**
 * Puts a table into the backend's memory, for its rows to be looked up.
 *
 * @param tensor [rows, C]; not kept
 * @param spikes rows are of 1 where a value is at least 0, of 0 elsewhere
 */
export function packedTable(tensor: PackedTensor, spikes: boolean): PackedTable {
  const { shape, scheme, packed } = tensor;
  const [rows, channels] = shape;
  const { scales, zeros, groupLength, shared } = rowConstants(tensor);
  return {
    kind: 'table',
    shape: [rows, channels],
    parts: partsOf(storePacked(packed, {}), scales, zeros),
    attributes: { bits: scheme.bits, groupLength, shared, spikes, channels },
  };
}

/** Into the backend's memory, without a second copy beside it. */
function storePacked(packed: Uint8Array, order: KernelAttributes): Tensor {
  return runKernel(names.STORE_PACKED, {}, { ...order, packed } as unknown as KernelAttributes)[0];
}

function partsOf(packed: Tensor, scales: Float32Array, zeros: Float32Array): PackedParts {
  return {
    packed: keep(packed as Tensor1D),
    scales: keep(tensor1d(scales)),
    zeros: keep(tensor1d(zeros)),
  };
}

/** {@link gatherRows} of a packed table. */
export function packedRows({ parts, attributes }: PackedTable, indices: Tensor1D): Tensor2D {
  return runKernel(names.PACKED_ROWS, { ...parts, indices }, attributes)[0] as Tensor2D;
}

/** {@link matMul} with packed weights. */
export function packedMatMul(x: Tensor2D, { parts, attributes }: PackedMatrix): Tensor2D {
  return runKernel(names.PACKED_MAT_MUL, { x, ...parts }, attributes)[0] as Tensor2D;
}

/** {@link squaredReluMatMul} with packed weights. */
export function packedSquaredReluMatMul(
  x: Tensor3D,
  { parts, attributes }: PackedMatrix,
): Tensor3D {
  return runKernel(names.PACKED_SQUARED_RELU_MATMUL, { x, ...parts }, attributes)[0] as Tensor3D;
}

/** {@link headNll} with a packed head. */
export function packedHeadNll(
  x: Tensor2D,
  { parts, attributes }: PackedMatrix,
  targets: Tensor1D,
): Tensor1D {
  return runKernel(names.PACKED_HEAD_NLL, { x, ...parts, targets }, attributes)[0] as Tensor1D;
}
