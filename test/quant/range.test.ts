import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { percentileInPlace, selectInPlace } from '../../src/quant/quantizer/order-statistics.js';
import { fakeQuantize, quantize } from '../../src/quant/quantizer/quantize.js';
import { PER_CHANNEL } from '../../src/quant/scheme/granularity.js';
import { affineMinMax, createScheme, type Method } from '../../src/quant/scheme/scheme.js';
import { bell } from './support.js';

const MSE = { kind: 'mse' } as const;

function squaredError(values: Float32Array, simulated: Float32Array): number {
  return values.reduce((sum, x, i) => sum + (x - simulated[i]) ** 2, 0);
}

describe('quant: range', () => {
  it('selects what sorting finds', () => {
    const floats = fc.array(fc.float({ noNaN: true, min: -4, max: 4 }), { minLength: 1 });
    const ties = fc.array(fc.constantFrom(1, 2, 3), { minLength: 1 });
    fc.assert(
      fc.property(fc.oneof(floats, ties), fc.nat(), (values, n) => {
        const k = n % values.length;
        const sorted = Float32Array.from(values).sort();
        assert.equal(selectInPlace(Float32Array.from(values), k) + 0, sorted[k] + 0);
      }),
    );
  });

  it("interpolates percentiles as NumPy's default", () => {
    // numpy.percentile([4, 1, 3, 2, 10], [0, 10, 50, 95, 99.9, 100])
    const expected = [1, 1.4, 3, 8.8, 9.976, 10];
    [0, 10, 50, 95, 99.9, 100].forEach((p, i) => {
      const found = percentileInPlace(Float32Array.of(4, 1, 3, 2, 10), p);
      assert.ok(Math.abs(found - expected[i]) < 1e-12, `${p}: ${found}`);
    });
  });

  it('clips at the percentile, and equals min–max at 100', () => {
    const values = bell(1000, 3);
    values[17] = 5;
    const clipped = createScheme({ bits: 4, range: { kind: 'percentile', percentile: 99.5 } });
    const largest = Math.max(...fakeQuantize(values, [1000], clipped));
    assert.ok(largest > 0.1 && largest < 0.25, String(largest));
    const all = createScheme({ bits: 4, range: { kind: 'percentile', percentile: 100 } });
    assert.deepEqual(
      fakeQuantize(values, [1000], all),
      fakeQuantize(values, [1000], affineMinMax(4)),
    );
    const magnitudes = createScheme({ ...all, method: 'symmetric' });
    assert.equal(quantize(values, [1000], magnitudes).scales[0], Math.fround(5 / 7));
  });

  it('finds a range no worse than min–max, in every group', () => {
    const values = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), {
      minLength: 1,
      maxLength: 40,
    });
    const methods = fc.constantFrom<Method>('affine', 'symmetric');
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 10 }), methods, (list, bits, method) => {
        const tensor = Float32Array.from(list);
        const error = (range: typeof MSE | undefined): number => {
          const scheme = createScheme({ bits, method, ...(range && { range }) });
          return squaredError(tensor, fakeQuantize(tensor, [list.length], scheme));
        };
        assert.ok(error(MSE) <= error(undefined));
      }),
    );
  });

  it('comes within 1 % of the best of 10,000 ranges', () => {
    const values = bell(400, 5).map((x) => x * x * x);
    for (const bits of [2, 3, 4]) {
      const found = squaredError(
        values,
        fakeQuantize(values, [400], createScheme({ bits, range: MSE })),
      );
      const low = Math.min(...values);
      const high = Math.max(...values);
      let best = Infinity;
      for (let a = 1; a <= 100; a++)
        for (let b = 1; b <= 100; b++) {
          // Clipping first and quantizing min–max is the same grid, reached another way.
          const clip = (x: number): number =>
            Math.min(Math.max(x, (low * a) / 100), (high * b) / 100);
          const simulated = fakeQuantize(values.map(clip), [400], affineMinMax(bits));
          best = Math.min(best, squaredError(values, simulated));
        }
      assert.ok(found <= 1.01 * best, `${bits} bits: ${found} against ${best}`);
    }
  });

  it('samples all columns of a large tensor', () => {
    // 512 columns, 1,024 rows, so every 8th value would be sampled, had the stride a factor in common
    // with the row; column 3 is twenty times as wide as the others.
    const values = bell(512 * 1024, 7).map((x, i) => (i % 512 === 3 ? 20 * x : x));
    const errorUnder = (parts: Parameters<typeof createScheme>[0]): number =>
      squaredError(values, fakeQuantize(values, [1024, 512], createScheme(parts)));
    const found = errorUnder({ bits: 6, range: MSE });
    assert.ok(found < 0.5 * errorUnder({ bits: 6 }));
    // Rows of the same values are not sampled, and do better still.
    assert.ok(errorUnder({ bits: 6, range: MSE, granularity: PER_CHANNEL }) < found);
  });

  it('falls back on min–max where the sample missed what matters', () => {
    // 65,536 of 200,000 values are every third one, which does not reach the outlier at 1.
    const values = bell(200_000, 11);
    values[1] = 100;
    const scheme = createScheme({ bits: 8, range: MSE });
    const found = fakeQuantize(values, [200_000], scheme);
    assert.deepEqual(found, fakeQuantize(values, [200_000], affineMinMax(8)));
  });
});
