import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { dequantize, fakeQuantize, quantize } from '../../src/quant/quantizer/quantize.js';
import { PER_CHANNEL, PER_TENSOR, perGroup } from '../../src/quant/scheme/granularity.js';
import {
  affineMinMax,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
  type Scheme,
} from '../../src/quant/scheme/scheme.js';
import { QuantError } from '../../src/util/errors.js';
import { bell } from './support.js';

const granularities = fc.oneof(
  fc.constantFrom(PER_TENSOR, PER_CHANNEL),
  fc.integer({ min: 1, max: 9 }).map(perGroup),
);
const ranges = fc.oneof(
  fc.boolean().map((widenToZero) => ({ kind: 'min-max' as const, widenToZero })),
  fc.constantFrom(90, 99.9, 100).map((p) => ({ kind: 'percentile' as const, percentile: p })),
  fc.constant({ kind: 'mse' as const }),
);
/** Every scheme that stores integers. */
const schemes: fc.Arbitrary<Scheme> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(SIGN) },
  {
    weight: 9,
    arbitrary: fc
      .record({
        bits: fc.integer({ min: 2, max: 16 }),
        method: fc.constantFrom('affine' as const, 'symmetric' as const),
        granularity: granularities,
        range: ranges,
      })
      .map((parts) => createScheme(parts)),
  },
);
const weights = fc.float({ min: -1e6, max: 1e6, noNaN: true });
const matrices = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 12 }))
  .chain(([rows, columns]) =>
    fc.record({
      shape: fc.constant([rows, columns]),
      values: fc.oneof(
        fc.array(weights, { minLength: rows * columns, maxLength: rows * columns }),
        fc.array(fc.constantFrom(0, -0, 0.5, -0.5, 1e-45, -1e-40, 3), {
          minLength: rows * columns,
          maxLength: rows * columns,
        }),
      ),
    }),
  );

const bitsOf = (values: Float32Array): number[] => [...new Uint32Array(values.buffer)];

describe('quant: quantize', () => {
  it('simulates what it stores bit for bit, within the bit width, and reports the largest error', () => {
    fc.assert(
      fc.property(matrices, schemes, ({ shape, values }, scheme) => {
        const tensor = Float32Array.from(values);
        const stored = quantize(tensor, shape, scheme);
        const restored = dequantize(stored);
        assert.deepEqual(bitsOf(fakeQuantize(tensor, shape, scheme)), bitsOf(restored));
        const limit = 2 ** (scheme.bits - 1);
        assert.ok(stored.integers.every((q) => q >= -limit && q < limit));
        if (scheme.method === 'sign') return;
        const errors = tensor.map((x, i) => x - restored[i]);
        const largest = tensor.reduce((most, x, i) => Math.max(most, Math.abs(x - restored[i])), 0);
        assert.equal(stored.error.largest, largest);
        const energy = (vector: Float32Array): number =>
          vector.reduce((sum, value) => sum + value * value, 0);
        if (stored.error.sqnrDb !== Infinity) {
          const sqnr = 10 * Math.log10(energy(tensor) / energy(errors));
          assert.ok(Math.abs(stored.error.sqnrDb - sqnr) < 1e-3, `${stored.error.sqnrDb} ${sqnr}`);
        } else assert.equal(largest, 0);
      }),
      { numRuns: 500 },
    );
  });

  it('errs by at most half a step under widened min–max, and 0 stays 0', () => {
    fc.assert(
      fc.property(matrices, fc.integer({ min: 1, max: 16 }), ({ shape, values }, bits) => {
        const tensor = Float32Array.from([0, ...values.slice(1)]);
        const { scales, error } = quantize(tensor, shape, affineMinMax(bits));
        // What float32 adds: its rounding at the far end, and scales that are subnormal.
        const bound = scales[0] / 2 + 1e-6 * Math.max(...tensor.map(Math.abs)) + 1e-40;
        assert.ok(error.largest <= bound, `${error.largest} > ${bound}`);
        assert.equal(fakeQuantize(tensor, shape, affineMinMax(bits))[0], 0);
      }),
    );
  });

  it('computes symmetric by hand', () => {
    // Largest magnitude 3.5 at 3 bits: scale 3.5 / 3; −3.5 → −3, 1.7 → 1.457 → 1, 0.5 → 0.43 → 0.
    const scheme = createScheme({ bits: 3, method: 'symmetric' });
    const stored = quantize(Float32Array.of(-3.5, 1.7, 0.5, 2.4), [2, 2], scheme);
    assert.deepEqual([...stored.integers], [-3, 1, 0, 2]);
    assert.equal(stored.scales[0], Math.fround(3.5 / 3));
    assert.equal(stored.zeroPoints.length, 0);
  });

  it('gives rows and groups the scale of their own values', () => {
    const rows = [bell(7, 1), bell(7, 2).map((x) => 10 * x), new Float32Array(7)];
    const tensor = Float32Array.from(rows.flatMap((row) => [...row]));
    const alone = (part: Float32Array): number[] => [
      ...fakeQuantize(part, [part.length], affineMinMax(4)),
    ];
    const channels = createScheme({ bits: 4, granularity: PER_CHANNEL });
    assert.deepEqual([...fakeQuantize(tensor, [3, 7], channels)], rows.flatMap(alone));
    assert.equal(quantize(tensor, [3, 7], channels).scales.length, 3);
    const groups = createScheme({ bits: 4, granularity: perGroup(3) });
    assert.deepEqual(
      [...fakeQuantize(tensor, [3, 7], groups)],
      rows.flatMap((row) =>
        [
          [0, 3],
          [3, 6],
          [6, 7],
        ].flatMap(([a, b]) => alone(row.slice(a, b))),
      ),
    );
    assert.equal(quantize(tensor, [3, 7], groups).scales.length, 9);
  });

  it('keeps the spikes of an embedding under sign, one bit a value', () => {
    fc.assert(
      fc.property(matrices, ({ shape, values }) => {
        const tensor = Float32Array.from(values);
        const heaviside = (x: number): number => (x >= 0 ? 1 : 0);
        const simulated = fakeQuantize(tensor, shape, SIGN);
        assert.deepEqual([...simulated.map(heaviside)], [...tensor.map(heaviside)]);
        assert.ok(simulated.every((x) => Math.abs(x) === 1));
      }),
    );
    const { scales, zeroPoints, integers } = quantize(Float32Array.of(-0, 0, -1e-45), [3], SIGN);
    assert.deepEqual([...integers], [0, 0, -1]);
    assert.equal(scales.length + zeroPoints.length, 0);
  });

  it('stores all zeros with scale 0', () => {
    for (const bits of [1, 2, 8, 16]) {
      const { integers, scales, error } = quantize(new Float32Array(5), [5], affineMinMax(bits));
      assert.deepEqual([...integers], [0, 0, 0, 0, 0]);
      assert.equal(scales[0], 0);
      assert.deepEqual(error, { largest: 0, sqnrDb: Infinity });
    }
  });

  it('keeps a constant, of either sign, and a single value, to a rounding of float32', () => {
    for (const scheme of [1, 2, 5, 8, 16].flatMap((bits) => [
      paperMinMax(bits),
      affineMinMax(bits),
    ]))
      for (const constant of [0.25, -3, 1e-3])
        for (const count of [1, 8]) {
          const values = new Float32Array(count).fill(constant);
          for (const x of fakeQuantize(values, [count], scheme))
            assert.ok(Math.abs(x - constant) <= 2e-7 * Math.abs(constant), `${x} ${constant}`);
        }
  });

  it('has two levels at 1 bit: the ends of the widened range', () => {
    const simulated = fakeQuantize(Float32Array.of(0, 0.4, 0.6, 1), [4], affineMinMax(1));
    assert.deepEqual([...simulated], [0, 0, 1, 1]);
  });

  it('leaves 32 bits alone, in an array of its own', () => {
    const values = Float32Array.of(0.1, -0, 1e-45);
    const copy = fakeQuantize(values, [3], UNQUANTIZED);
    assert.deepEqual(bitsOf(copy), bitsOf(values));
    assert.notEqual(copy.buffer, values.buffer);
    assert.throws(() => quantize(values, [3], UNQUANTIZED, 'emb.weight'), /emb\.weight.*1 to 16/);
  });

  it('refuses NaN and infinities by tensor and element', () => {
    for (const bad of [NaN, Infinity, -Infinity])
      for (const scheme of [
        affineMinMax(8),
        SIGN,
        createScheme({ bits: 8, granularity: PER_CHANNEL }),
        createScheme({ bits: 4, range: { kind: 'mse' } }),
        createScheme({
          bits: 4,
          method: 'symmetric',
          range: { kind: 'percentile', percentile: 99 },
        }),
      ])
        for (const run of [quantize, fakeQuantize])
          assert.throws(
            () => run(Float32Array.of(0, 1, 2, bad), [2, 2], scheme, 'head.weight'),
            (error) =>
              error instanceof QuantError &&
              error.message.startsWith('tensor head.weight, element 3: value is not finite') &&
              error.detail.got === String(bad),
          );
  });

  it('refuses values that do not fill the shape, an empty tensor and a range beyond float32', () => {
    const refused = (values: Float32Array, shape: number[], message: RegExp): void => {
      assert.throws(
        () => fakeQuantize(values, shape, affineMinMax(8), 'w'),
        (error) => error instanceof QuantError && message.test(error.message),
      );
    };
    refused(new Float32Array(5), [2, 3], /w: values do not fill the shape; got 5 .*expected 6/);
    refused(new Float32Array(0), [0, 3], /w: tensor is empty/);
    refused(Float32Array.of(3.4e38, -3.4e38), [2], /w: range is too wide/);
  });
});
