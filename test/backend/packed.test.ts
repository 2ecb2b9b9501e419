import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import * as ops from '../../src/backend/kernels/ops.js';
import {
  disposePacked,
  packedMatrix,
  packedTable,
  requirePackedKernels,
} from '../../src/backend/kernels/packed/packed.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { packIntegers } from '../../src/quant/packed/bit-packing.js';
import { requireSane, type PackedTensor } from '../../src/quant/packed/packed-tensor.js';
import { layPanels, panelBytes } from '../../src/quant/packed/panels.js';
import { dequantize, quantize } from '../../src/quant/quantizer/quantize.js';
import { PER_CHANNEL, PER_TENSOR, perGroup } from '../../src/quant/scheme/granularity.js';
import { createScheme, SIGN, type Scheme } from '../../src/quant/scheme/scheme.js';
import { BackendError, CheckpointError, QuantError } from '../../src/util/errors.js';
import { close, normal, onWasm, withoutLeaks } from './support.js';

/** A matrix under a scheme: as a file has it, and the values that it stands for. */
interface Sample {
  readonly tensor: PackedTensor;
  readonly values: Float32Array;
}

function sample(rows: number, width: number, scheme: Scheme, seed: number): Sample {
  const shape = [rows, width];
  const stored = quantize(Float32Array.from(normal(seed, rows * width)), shape, scheme);
  const packed = packIntegers(stored.integers, scheme.bits);
  return { tensor: { ...stored, packed }, values: dequantize(stored) };
}

/** x with zeros and negative values in it, as many as a spiking network has. */
function operand(seed: number, rows: number, inner: number): number[] {
  return normal(seed, rows * inner).map((value, at) => ((at * 7 + seed) % 5 < 2 ? 0 : value));
}

/** In float64, with the values that the integers stand for. */
function naive(
  x: readonly number[],
  { values, tensor: { shape } }: Sample,
  activation: (value: number) => number,
): number[] {
  const [columns, inner] = shape;
  const rows = x.length / inner;
  return Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++)
      sum += activation(x[row * inner + k]) * values[column * inner + k];
    return sum;
  });
}

const bits = fc.integer({ min: 1, max: 8 });
const granularity = fc.oneof(
  fc.constant(PER_TENSOR),
  fc.constant(PER_CHANNEL),
  fc.integer({ min: 1, max: 70 }).map(perGroup),
);
const scheme = fc.tuple(bits, granularity, fc.boolean()).map(([width, grain, symmetric]) =>
  createScheme({
    bits: width,
    method: symmetric && width > 1 ? 'symmetric' : 'affine',
    granularity: grain,
  }),
);
/** One row, few, many; sides of panels, blocks and segments among them. */
const sizes = fc.record({
  rows: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(5, 6, 31, 130)),
  inner: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 191, 192, 193, 400)),
  columns: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(96, 97, 112)),
  seed: fc.integer({ min: 0, max: 1 << 20 }),
});

const FORMS = [
  { title: 'multiply–add rounded twice', start: onWasm('separate') },
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'fused multiply–add', start: onWasm('fused') }]
    : []),
];

/** The same values to the last bit. */
function same(actual: tf.Tensor, expected: tf.Tensor): void {
  assert.deepEqual(actual.dataSync(), expected.dataSync());
}

for (const { title, start } of FORMS)
  describe(`backend: packed products, ${title}`, () => {
    before(start);
    after(onWasm(wasmArithmetic()));

    it('are those of the simulated weights to the last bit, at any width and shape', () => {
      const check = fc.property(scheme, sizes, (one, { rows, inner, columns, seed }) => {
        const weights = sample(columns, inner, one, seed);
        const x = operand(seed + 1, rows, inner);
        withoutLeaks(() => {
          const packed = packedMatrix(weights.tensor, 'w');
          // [in, out], as the float32 kernels want it; padded to whole lanes, whose kernels others are not.
          const wide = Math.ceil(columns / 4) * 4;
          const plain: tf.Tensor2D = tf.pad(
            tf.transpose<tf.Tensor2D>(tf.tensor2d(weights.values, [columns, inner])),
            [
              [0, 0],
              [0, wide - columns],
            ],
          );
          const cut = (y: tf.Tensor): tf.Tensor =>
            tf.slice(tf.reshape(y, [rows, wide]), [0, 0], [rows, columns]);
          const given = tf.tensor2d(x, [rows, inner]);
          const product = ops.matMul(given, packed);
          same(product, cut(ops.matMul(given, plain)));
          close(
            product.dataSync(),
            naive(x, weights, (value) => value),
            1e-4,
          );
          const stream: tf.Tensor3D = tf.reshape(given, [1, rows, inner]);
          const squared = ops.squaredReluMatMul(stream, packed);
          same(squared, cut(ops.squaredReluMatMul(stream, plain)));
          close(
            squared.dataSync(),
            naive(x, weights, (value) => Math.max(value, 0) ** 2),
            1e-4,
          );
          disposePacked(packed);
        });
      });
      fc.assert(check, { numRuns: 80 });
    });

    it('give the likelihoods of a simulated head to the last bit', () => {
      const check = fc.property(scheme, sizes, (one, { rows, inner, columns, seed }) => {
        const { tensor, values } = sample(columns, inner, one, seed);
        withoutLeaks(() => {
          const packed = packedMatrix(tensor, 'head');
          const plain: tf.Tensor2D = tf.transpose(tf.tensor2d(values, [columns, inner]));
          const x = tf.tensor2d(operand(seed, rows, inner), [rows, inner]);
          const ids = Int32Array.from({ length: rows }, (_, row) => (row * 11 + seed) % columns);
          const targets = tf.tensor1d(ids, 'int32');
          same(ops.headNll(x, packed, targets), ops.headNll(x, plain, targets));
          disposePacked(packed);
        });
      });
      fc.assert(check, { numRuns: 40 });
    });

    it('look rows up as they are, as spikes, and of signs', () => {
      const tables = fc.oneof(
        scheme,
        fc.integer({ min: 9, max: 16 }).map((width) => createScheme({ bits: width })),
        fc.constant(SIGN),
      );
      const check = fc.property(tables, sizes, (one, { rows: count, inner, columns, seed }) => {
        const { tensor, values } = sample(columns, inner, one, seed);
        const ids = Int32Array.from({ length: count }, (_, row) => (row * 13 + seed) % columns);
        for (const spikes of [false, true])
          withoutLeaks(() => {
            const table = packedTable(tensor, spikes);
            const found = ops.gatherRows(table, tf.tensor1d(ids, 'int32'));
            const expected = Array.from(ids).flatMap((id) =>
              Array.from(values.subarray(id * inner, (id + 1) * inner), (value) =>
                spikes ? Number(value >= 0) : value,
              ),
            );
            same(found, tf.tensor2d(expected, [count, inner]));
            disposePacked(table);
          });
      });
      fc.assert(check, { numRuns: 40 });
    });
  });

describe('backend: packed weights', () => {
  const matrix = (one: Scheme): PackedTensor => sample(5, 7, one, 1).tensor;

  it('take the bytes that they are packed in, and whole panels of 16 columns', () => {
    for (let width = 1; width <= 8; width++) {
      assert.equal(panelBytes(32, 10, width), (32 * 10 * width) / 8);
      assert.equal(panelBytes(33, 10, width), (48 * 10 * width) / 8);
    }
    // Column 9 of 10, value 2 of 3, 5 bits of 0b10110: the low four in the high half of byte 1, the top one in bit 9.
    const integers = new Int8Array(30).fill(-16);
    integers[9 * 3 + 2] = 0b10110 - 16;
    const panels = new Uint8Array(panelBytes(10, 3, 5));
    layPanels(packIntegers(integers, 5), 5, 10, 3, panels);
    const expected = new Uint8Array(30);
    expected.set([0, 0b01100000, 0, 0, 0, 0, 0, 0, 0, 0b10], 20);
    assert.deepEqual(panels, expected);
  });

  it('are refused where there is no kernel: other backends, other schemes', async () => {
    await startBackend('wasm');
    for (const one of [createScheme({ bits: 9 }), SIGN])
      assert.throws(
        () => packedMatrix(matrix(one), 'blocks.0.w'),
        (error) => error instanceof QuantError && error.message.includes('tensor blocks.0.w'),
      );
    await startBackend('cpu');
    assert.throws(
      () => {
        requirePackedKernels();
      },
      (error) => error instanceof BackendError && /only .* on wasm/.test(error.message),
    );
    await startBackend('wasm');
    requirePackedKernels();
  });

  it('are refused with constants that no export writes', () => {
    const good = matrix(createScheme({ bits: 3, granularity: PER_CHANNEL }));
    requireSane(good, 'file', 'w');
    const lie = (change: Partial<PackedTensor>, message: RegExp): void => {
      assert.throws(
        () => {
          requireSane({ ...good, ...change }, 'file', 'w');
        },
        (error) =>
          error instanceof CheckpointError &&
          error.message.startsWith('file: tensor "w"') &&
          message.test(error.message),
      );
    };
    lie(
      { zeroPoints: Int32Array.of(0, 0, 4, 0, 0) },
      /zero point.*got 4 in group 2; expected -4 to 3/,
    );
    lie({ zeroPoints: Int32Array.of(-5, 0, 0, 0, 0) }, /got -5 in group 0/);
    for (const scale of [NaN, Infinity, -Infinity, 1e38])
      lie({ scales: Float32Array.of(1, scale, 1, 1, 1) }, /scale .* in group 1/);
    // 105 bits: seven of the last byte belong to no value.
    const packed = good.packed.slice();
    packed[packed.length - 1] |= 2;
    lie({ packed }, /bits after the last value are set/);
  });
});
