import assert from 'node:assert/strict';
import { compensated, DAMPING } from '../../../src/quant/calibrated/compensate.js';
import { inverseFactor } from '../../../src/quant/calibrated/factor.js';
import { dequantize, quantize } from '../../../src/quant/quantizer/quantize.js';
import {
  groupingOf,
  PER_CHANNEL,
  PER_TENSOR,
  perGroup,
} from '../../../src/quant/scheme/granularity.js';
import { createScheme, type Scheme } from '../../../src/quant/scheme/scheme.js';
import { QuantError } from '../../../src/util/errors.js';
import { bell } from '../support.js';

const OUT = 6;
const IN = 20;
const SHAPE = [OUT, IN] as const;

/** Σ x xᵀ of inputs that go together: each is a mixture of few sources, as activations are. */
function momentsOf(inputs: number, seed: number, sources = 5): Float64Array {
  const rows = 3 * inputs;
  const mixing = bell(sources * inputs, seed);
  const source = bell(rows * sources, seed + 1);
  const noise = bell(rows * inputs, seed + 2);
  const moments = new Float64Array(inputs * inputs);
  for (let row = 0; row < rows; row++) {
    const x = Float64Array.from({ length: inputs }, (_, i) => {
      let sum = 0.02 * noise[row * inputs + i];
      for (let s = 0; s < sources; s++) sum += source[row * sources + s] * mixing[s * inputs + i];
      return 40 * sum;
    });
    for (let i = 0; i < inputs; i++)
      for (let j = 0; j < inputs; j++) moments[i * inputs + j] += x[i] * x[j];
  }
  return moments;
}

function damped(moments: Float64Array, n: number): number[][] {
  const trace = Array.from({ length: n }, (_, i) => moments[i * n + i]).reduce((a, b) => a + b);
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => moments[i * n + j] + (i === j ? (DAMPING * trace) / n : 0)),
  );
}

/** The inverse by Gauss and Jordan, with pivots. */
function inverse(matrix: readonly number[][]): number[][] {
  const n = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c; r < n; r++) if (Math.abs(work[r][c]) > Math.abs(work[pivot][c])) pivot = r;
    [work[c], work[pivot]] = [work[pivot], work[c]];
    work[c] = work[c].map((value) => value / work[c][c]);
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = work[r][c];
      work[r] = work[r].map((value, k) => value - factor * work[c][k]);
    }
  }
  return work.map((row) => row.slice(n));
}

function weighted(values: Float32Array, other: Float32Array, h: readonly number[][]): number {
  const n = h.length;
  let sum = 0;
  for (let row = 0; row < values.length / n; row++) {
    const d = Array.from({ length: n }, (_, i) => values[row * n + i] - other[row * n + i]);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sum += d[i] * h[i][j] * d[j];
  }
  return sum;
}

/**
 * Optimal brain quantization in a fixed order, as its paper has it: each input's error goes to the rest by the
 * inverse of what is left of H, from which the input is then eliminated. No factorization anywhere.
 */
function byElimination(values: Float32Array, scheme: Scheme, moments: Float64Array): number[] {
  const nearest = quantize(values, SHAPE, { ...scheme, range: { kind: 'mse' } });
  const groups = nearest.scales.length / OUT;
  const size = groupingOf(SHAPE, scheme.granularity).groupLength;
  const order = [...Array(IN).keys()].sort(
    (a, b) => moments[b * IN + b] - moments[a * IN + a] || a - b,
  );
  const [low, high] = [-(2 ** (scheme.bits - 1)), 2 ** (scheme.bits - 1) - 1];
  const found = new Array<number>(OUT * IN);
  for (let row = 0; row < OUT; row++) {
    const rest = Array.from({ length: IN }, (_, i) => values[row * IN + i]);
    const left = inverse(damped(moments, IN));
    for (const at of order) {
      const group = row * groups + Math.floor(at / size);
      const [scale, zero] = [nearest.scales[group], nearest.zeroPoints[group]];
      const integer = Math.min(Math.max(Math.round(rest[at] / scale) + zero, low), high);
      found[row * IN + at] = integer;
      const error = (rest[at] - Math.fround((integer - zero) * scale)) / left[at][at];
      const gone = [...left[at]];
      for (let j = 0; j < IN; j++) rest[j] -= error * gone[j];
      for (let i = 0; i < IN; i++)
        for (let j = 0; j < IN; j++) left[i][j] -= (gone[i] * gone[j]) / gone[at];
    }
  }
  return found;
}

const perChannel = (bits: number): Scheme =>
  createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'gptq' } });

describe('quant: error compensation', () => {
  it('factors the inverse of H', () => {
    const n = 12;
    const h = damped(momentsOf(n, 3), n);
    const u = inverseFactor(Float64Array.from(h.flat()), n, 'w');
    const expected = inverse(h);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += u[k * n + i] * u[k * n + j];
        assert.ok(Math.abs(sum - expected[i][j]) < 1e-9 * Math.abs(expected[i][i]));
        if (j < i) assert.equal(u[i * n + j], 0);
      }
  });

  for (const scheme of [
    perChannel(2),
    perChannel(4),
    createScheme({ bits: 3, granularity: perGroup(8), range: { kind: 'gptq' } }),
  ])
    it(`gives the integers of elimination one by one, ${scheme.bits} bits, ${scheme.granularity.kind}`, () => {
      const values = bell(OUT * IN, 7);
      const moments = momentsOf(IN, 11);
      const found = compensated(values, SHAPE, scheme, [{ moments }], 'w');
      assert.deepEqual([...found.integers], byElimination(values, scheme, moments));
      const nearest = quantize(values, SHAPE, { ...scheme, range: { kind: 'mse' } });
      assert.deepEqual(found.scales, nearest.scales);
      assert.notDeepEqual(found.integers, nearest.integers);
    });

  it('reports the error that is left, less than rounding to nearest leaves', () => {
    for (const bits of [2, 3, 4, 6]) {
      const values = bell(OUT * IN, bits);
      const moments = momentsOf(IN, 20 + bits);
      const h = damped(moments, IN);
      const found = compensated(values, SHAPE, perChannel(bits), [{ moments }], 'w');
      const left = weighted(values, dequantize(found), h);
      assert.ok(Math.abs(found.weightedError - left) < 1e-6 * left, `${bits} bits`);
      const nearest = quantize(values, SHAPE, {
        ...perChannel(bits),
        range: { kind: 'mse' },
      });
      assert.ok(left < 0.8 * weighted(values, dequantize(nearest), h), `${bits} bits`);
    }
  });

  it('weighs rows by moments of their own', () => {
    const values = bell(OUT * IN, 5);
    const [a, b] = [momentsOf(IN, 31), momentsOf(IN, 47)];
    const [odd, even] = [Int32Array.of(1, 3, 5), Int32Array.of(0, 2, 4)];
    const parts = [
      { moments: a, rows: odd },
      { moments: b, rows: even },
    ];
    const found = compensated(values, SHAPE, perChannel(3), parts, 'w');
    const [byA, byB] = [a, b].map((moments) =>
      compensated(values, SHAPE, perChannel(3), [{ moments }], 'w'),
    );
    for (let row = 0; row < OUT; row++) {
      const own = row % 2 === 1 ? byA : byB;
      const [from, to] = [row * IN, (row + 1) * IN];
      assert.deepEqual(found.integers.slice(from, to), own.integers.slice(from, to));
      assert.equal(found.scales[row], own.scales[row]);
    }
    assert.notDeepEqual(byA.integers, byB.integers);
  });

  it('rounds to nearest without inputs, and what no input reads', () => {
    const values = bell(OUT * IN, 9);
    for (const granularity of [PER_TENSOR, PER_CHANNEL, perGroup(7)]) {
      const scheme = createScheme({ bits: 3, granularity, range: { kind: 'gptq' } });
      const moments = new Float64Array(IN * IN);
      const found = compensated(values, SHAPE, scheme, [{ moments }], 'w');
      const nearest = quantize(values, SHAPE, { ...scheme, range: { kind: 'mse' } });
      assert.deepEqual(found.integers, nearest.integers);
      assert.deepEqual(found.zeroPoints, nearest.zeroPoints);
    }
  });

  it('keeps zeros, whatever the order', () => {
    const found = compensated(
      new Float32Array(OUT * IN),
      SHAPE,
      perChannel(2),
      [{ moments: momentsOf(IN, 2) }],
      'w',
    );
    assert.deepEqual(dequantize(found), new Float32Array(OUT * IN));
  });

  it('refuses moments that are not finite', () => {
    const moments = momentsOf(IN, 2);
    moments[3 * IN + 3] = NaN;
    const attempt = (): unknown =>
      compensated(bell(OUT * IN, 1), SHAPE, perChannel(2), [{ moments }], 'w');
    assert.throws(attempt, (error: unknown) => {
      assert.ok(error instanceof QuantError);
      assert.match(error.message, /inputs of w: second moments are not positive definite/);
      return true;
    });
  });
});
