import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeFloat32, encodeFloat32, type Dtype } from '../../src/checkpoint/dtypes.js';
import { sha256 } from '../../src/util/hash.js';

const HALVES = ['float16', 'bfloat16'] as const;

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function decode(dtype: Dtype, bytes: Uint8Array, elements: number): Float32Array {
  const out = new Float32Array(elements);
  decodeFloat32(dtype, bytes, out);
  return out;
}

/** All 65536 patterns in order, as values. */
function allValues(dtype: 'float16' | 'bfloat16'): Float32Array {
  const patterns = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
  return decode(dtype, bytesOf(patterns), patterns.length);
}

/**
 * Digests computed with PyTorch 1.13, `.to(dtype)` there and back, on the values that `midpoints`,
 * `pseudorandom` and `allValues` make here; NaN replaced by 1.
 */
const TORCH = {
  float16: {
    widened: '320610ddffb6aee3c612cb8ac1f2df507fb497ef3244b138a9516c95381dea6c',
    midpoints: '60ebc1981e0b1c7ab3da4a32f167c5151d94889d3d668349dd80070d7ef4eecb',
    pseudorandom: 'aff78c14611a4851fbb563a002149ce4c3ae3e88e316241cd409b5f723e52c1c',
  },
  bfloat16: {
    widened: '5b124f09e50bd30e3fc44bb2e1f5ef8439235e9afa46e324a95d10ed683316c8',
    midpoints: 'b41c5e9e6092d6352d056cfb48740e7ca6505cb84738cb671b9f43c46fd49afc',
    pseudorandom: '3c5b253d0db1a7ed255b3a12533df78203b8f14ee4f894ba1c62cbb767a2216a',
  },
} as const;

function withoutNaN(values: Float32Array): Float32Array {
  return values.map((value) => (Number.isNaN(value) ? 1 : value));
}

/** Halfway between each finite value and the next of its sign, and the float32 before and after that. */
function midpoints(dtype: 'float16' | 'bfloat16'): Float32Array {
  const values = allValues(dtype);
  const halfway: number[] = [];
  for (let i = 0; i + 1 < values.length; i++)
    if (Number.isFinite(values[i]) && Number.isFinite(values[i + 1]))
      halfway.push((values[i] + values[i + 1]) / 2);
  const bits = new Uint32Array(Float32Array.from(halfway).buffer);
  const all = Uint32Array.from([...bits.map((b) => b - 1), ...bits, ...bits.map((b) => b + 1)]);
  return new Float32Array(all.buffer);
}

/** 2^18 bit patterns of a linear congruential generator (Numerical Recipes' constants, from 1). */
function pseudorandom(): Float32Array {
  let state = 1;
  const bits = Uint32Array.from({ length: 1 << 18 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  });
  return withoutNaN(new Float32Array(bits.buffer));
}

describe('checkpoint/dtypes', () => {
  for (const dtype of HALVES) {
    it(`widens every ${dtype} as PyTorch does`, () => {
      assert.equal(sha256(bytesOf(withoutNaN(allValues(dtype)))), TORCH[dtype].widened);
    });

    it(`narrows to ${dtype} as PyTorch does, ties included`, () => {
      assert.equal(sha256(encodeFloat32(midpoints(dtype), dtype)), TORCH[dtype].midpoints);
      assert.equal(sha256(encodeFloat32(pseudorandom(), dtype)), TORCH[dtype].pseudorandom);
    });

    it(`brings every ${dtype} back unchanged`, () => {
      const values = allValues(dtype);
      const again = decode(dtype, encodeFloat32(values, dtype), values.length);
      for (let i = 0; i < values.length; i++)
        assert.ok(Object.is(again[i], values[i]), `pattern ${i}: ${again[i]} is not ${values[i]}`);
    });

    it(`keeps NaN, infinities and the sign of zero in ${dtype}`, () => {
      const values = Float32Array.of(NaN, Infinity, -Infinity, 0, -0, NaN);
      // The last one: a payload only in the bits that are cut off. As a number it would be another NaN.
      new Uint32Array(values.buffer)[5] = 0x7f800001;
      assert.deepEqual([...decode(dtype, encodeFloat32(values, dtype), 6)], [...values]);
    });
  }

  it('narrows to the nearest float16: no other value is closer', () => {
    const finite = [...allValues('float16')].filter(Number.isFinite);
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const [found] = decode('float16', encodeFloat32(Float32Array.of(value), 'float16'), 1);
        const closest = Math.min(...finite.map((other) => Math.abs(other - value)));
        assert.equal(Math.abs(found - value), closest);
      }),
      { numRuns: 50 },
    );
  });

  it('decodes each integer type, and bytes that start at an odd position', () => {
    const cases: [Dtype, ArrayBufferView, number[]][] = [
      ['int8', Int8Array.of(-128, 127), [-128, 127]],
      ['uint8', Uint8Array.of(0, 255), [0, 255]],
      ['bool', Uint8Array.of(1, 0), [1, 0]],
      ['int16', Int16Array.of(-32768, 5), [-32768, 5]],
      ['uint16', Uint16Array.of(65535, 5), [65535, 5]],
      ['int32', Int32Array.of(-(2 ** 31), 5), [-(2 ** 31), 5]],
      ['uint32', Uint32Array.of(2 ** 32 - 256, 5), [2 ** 32 - 256, 5]],
      ['int64', BigInt64Array.of(-(2n ** 62n), 5n), [-(2 ** 62), 5]],
      ['uint64', BigUint64Array.of(2n ** 63n, 5n), [2 ** 63, 5]],
      ['float64', Float64Array.of(0.1, -3), [Math.fround(0.1), -3]],
      ['float32', Float32Array.of(1.5, -3), [1.5, -3]],
    ];
    for (const [dtype, array, expected] of cases) {
      const bytes = bytesOf(array);
      assert.deepEqual([...decode(dtype, bytes, 2)], expected, dtype);
      const shifted = new Uint8Array(bytes.length + 1);
      shifted.set(bytes, 1);
      assert.deepEqual([...decode(dtype, shifted.subarray(1), 2)], expected, `${dtype}, shifted`);
    }
  });
});
