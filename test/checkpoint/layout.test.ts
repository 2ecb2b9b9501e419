import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  elementCount,
  gather,
  isContiguous,
  rowMajorStrides,
  spanElements,
} from '../../src/checkpoint/shape.js';

/** Every index of a shape, last dimension fastest. */
function* indices(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  const [size, ...rest] = shape;
  for (let i = 0; i < size; i++) for (const tail of indices(rest)) yield [i, ...tail];
}

const dimensions = fc.array(
  fc.record({ size: fc.integer({ min: 0, max: 4 }), stride: fc.integer({ min: 0, max: 5 }) }),
  { maxLength: 4 },
);

describe('checkpoint/layout', () => {
  it('gathers strided elements as an index formula does', () => {
    fc.assert(
      fc.property(
        dimensions,
        fc.constantFrom('uint8', 'int16', 'int32', 'int64'),
        (dims, dtype) => {
          const shape = dims.map(({ size }) => size);
          const strides = dims.map(({ stride }) => stride);
          const itemBytes = { uint8: 1, int16: 2, int32: 4, int64: 8 }[dtype];
          const positions = [...indices(shape)].map((index) =>
            index.reduce((sum, i, axis) => sum + i * strides[axis], 0),
          );
          assert.equal(elementCount(shape), positions.length);
          const span = positions.length === 0 ? 0 : Math.max(...positions) + 1;
          assert.equal(spanElements(shape, strides), span);

          // Byte b of element p is p + 50 b: tells elements and bytes apart.
          const bytes = Uint8Array.from(
            { length: span * itemBytes },
            (_, i) => Math.floor(i / itemBytes) + 50 * (i % itemBytes),
          );
          const expected = positions.flatMap((p) => [
            ...bytes.subarray(p * itemBytes, (p + 1) * itemBytes),
          ]);
          assert.deepEqual([...gather(bytes, dtype, shape, strides)], expected);
          if (isContiguous(shape, strides)) assert.deepEqual([...bytes], expected);
        },
      ),
    );
  });

  it('knows row-major order', () => {
    assert.deepEqual(rowMajorStrides([2, 3, 4]), [12, 4, 1]);
    assert.deepEqual(rowMajorStrides([]), []);
    assert.ok(isContiguous([2, 3, 4], [12, 4, 1]));
    // PyTorch gives the stride of a dimension of size 1 any value.
    assert.ok(isContiguous([1, 3], [99, 1]));
    assert.ok(!isContiguous([2, 3], [1, 2]));
    assert.ok(!isContiguous([2, 3], [0, 1]));
  });

  it('counts nothing where one size is 0, whatever the others', () => {
    // The product of the others is beyond all numbers, and Infinity times 0 is none.
    const sizes = [...new Array<number>(40).fill(2 ** 52), 0];
    assert.equal(elementCount(sizes), 0);
    assert.equal(spanElements(sizes, sizes), 0);
  });
});
