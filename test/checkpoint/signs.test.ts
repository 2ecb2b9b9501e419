import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeFloat32, encodeFloat32 } from '../../src/checkpoint/dtypes.js';
import { keepNegatives } from '../../src/checkpoint/signs.js';

const TYPES = ['float16', 'bfloat16'] as const;
/** The negative numbers next to 0: IEEE 754 binary16, and the upper half of binary32. */
const SMALLEST = { float16: -(2 ** -24), bfloat16: -(2 ** -133) };
/** Of float32, which the conversion starts from. */
const SMALLEST_FLOAT32 = -(2 ** -149);

function converted(values: Float32Array, dtype: (typeof TYPES)[number]): Float32Array {
  const narrow = encodeFloat32(values, dtype);
  keepNegatives(values, narrow, dtype);
  const back = new Float32Array(values.length);
  decodeFloat32(dtype, narrow, back);
  return back;
}

describe('checkpoint/signs', () => {
  for (const dtype of TYPES) {
    it(`${dtype}: negatives that would become −0 become the smallest negative number`, () => {
      const values = Float32Array.of(-1e-9 * 2 ** -120, SMALLEST_FLOAT32, -0, 0, 1e-42, -1, 0.5);
      const narrow = encodeFloat32(values, dtype);
      const moved = keepNegatives(values, narrow, dtype);
      const back = new Float32Array(values.length);
      decodeFloat32(dtype, narrow, back);
      assert.equal(moved, 2);
      assert.deepEqual([...back.slice(0, 2)], [SMALLEST[dtype], SMALLEST[dtype]]);
      assert.ok(Object.is(back[2], -0), 'a −0 fires, and stays one');
      assert.deepEqual([back[3], back[5], back[6]], [0, -1, 0.5]);
    });

    it(`${dtype}: no value changes its side of 0`, () => {
      fc.assert(
        fc.property(fc.float32Array({ noNaN: true, minLength: 1 }), (values) => {
          const fires = (value: number): boolean => value >= 0;
          assert.deepEqual([...converted(values, dtype)].map(fires), [...values].map(fires));
        }),
      );
    });
  }

  it('float32 is left alone', () => {
    const values = Float32Array.of(SMALLEST_FLOAT32);
    assert.equal(keepNegatives(values, encodeFloat32(values, 'float32'), 'float32'), 0);
    assert.equal(values[0], SMALLEST_FLOAT32);
  });
});
