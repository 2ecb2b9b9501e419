import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AccuracyMeasurement } from '../../src/tasks/metrics/accuracy.js';
import {
  perplexityInterval,
  ratioEstimate,
  wilsonInterval,
} from '../../src/tasks/metrics/intervals.js';
import { comparePaired, metricOf } from '../../src/tasks/metrics/metrics.js';
import { formatComparison } from '../../src/tasks/metrics/noise.js';
import type { PerplexityMeasurement } from '../../src/tasks/metrics/perplexity.js';
import { DataError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';

function near(actual: number | undefined, expected: number, tolerance = 1e-12): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= tolerance * Math.abs(expected) + 1e-300,
    `${actual} is not ${expected}`,
  );
}

const common = { taskId: 'same', seconds: 0, interval: { low: 0, high: 1, level: 0.95 } };

function accuracy(correct: (0 | 1)[], taskId = 'same'): AccuracyMeasurement {
  const value = correct.reduce<number>((total, one) => total + one, 0) / correct.length;
  const items = correct.length;
  return { ...common, taskId, metric: 'accuracy', value, items, tokens: items, correct };
}

/** b sentences only the first gets right, c only the second, and some that both get right or wrong. */
function discordant(b: number, c: number): [AccuracyMeasurement, AccuracyMeasurement] {
  const rows = (first: 0 | 1, second: 0 | 1, times: number): [0 | 1, 0 | 1][] =>
    Array.from({ length: times }, () => [first, second]);
  const pairs = [...rows(1, 1, 7), ...rows(1, 0, b), ...rows(0, 0, 3), ...rows(0, 1, c)];
  return [accuracy(pairs.map(([one]) => one)), accuracy(pairs.map(([, two]) => two))];
}

function perplexity(windowNll: number[], windowTokens: number[]): PerplexityMeasurement {
  const tokens = windowTokens.reduce((total, one) => total + one, 0);
  const meanNll = windowNll.reduce((total, one) => total + one, 0) / tokens;
  const value = Math.exp(meanNll);
  const counts = { items: windowNll.length, tokens, bitsPerByte: 1 };
  return { ...common, metric: 'perplexity', value, meanNll, ...counts, windowNll, windowTokens };
}

describe('Wilson interval', () => {
  // python3, 40 digits: the two roots of (p̂ − p)² = z²·p(1 − p)/n found by bisection.
  const expected = [
    [672, 872, 0.7415867093754162, 0.7973236096628491],
    [777, 1000, 0.7501681060278989, 0.8017118697711035],
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371107, 1],
    [1, 3, 0.06149194472039623, 0.7923403991979523],
    [5, 10, 0.23659309051256397, 0.7634069094874361],
  ];
  for (const [successes, trials, low, high] of expected) {
    it(`${successes} of ${trials}`, () => {
      const interval = wilsonInterval(successes, trials);
      near(interval.low, low);
      near(interval.high, high);
      assert.equal(interval.level, 0.95);
    });
  }

  it('lies within [0, 1] and holds the proportion', () => {
    const counts = fc.nat(5000).chain((n) => fc.tuple(fc.nat(n + 1), fc.constant(n + 1)));
    fc.assert(
      fc.property(counts, ([successes, trials]) => {
        const { low, high } = wilsonInterval(successes, trials);
        assert.ok(low >= 0 && high <= 1 && low < high);
        assert.ok(low <= successes / trials && successes / trials <= high);
      }),
    );
  });
});

describe('perplexity interval', () => {
  // python3 with exact fractions: R = 9/4, SE² = n/(n−1)·Σ(y − Rx)²/(Σx)² = 185/1536.
  it('windows of unequal length', () => {
    const { ratio, standardError } = ratioEstimate([7, 11, 5, 13], [4, 5, 3, 4]);
    assert.equal(ratio, 2.25);
    near(standardError, Math.sqrt(185 / 1536));
    const { low, high } = perplexityInterval([7, 11, 5, 13], [4, 5, 3, 4]);
    near(low, 4.805674015912769);
    near(high, 18.731426851353827);
  });

  it('windows of equal length: the textbook standard error of a mean', () => {
    // Means 1, 2, 3: sample variance 1, SE √(1/3).
    const { ratio, standardError } = ratioEstimate([10, 20, 30], [10, 10, 10]);
    assert.equal(ratio, 2);
    near(standardError, Math.sqrt(1 / 3));
  });

  it('covers the true mean in about 95 of 100 repetitions', () => {
    const random = seededRandom(20260101);
    const [repetitions, windows] = [2000, 60];
    let covered = 0;
    for (let i = 0; i < repetitions; i++) {
      const sizes = Array.from({ length: windows }, () => random.integer(20, 40));
      // True mean NLL 2: uniform in [1, 3] for each window.
      const totals = sizes.map((size) => size * (1 + 2 * random.float()));
      const { low, high } = perplexityInterval(totals, sizes);
      if (low <= Math.exp(2) && Math.exp(2) <= high) covered++;
    }
    // 95 % ± 4 standard errors of a proportion in 2,000, and normal instead of t costs up to 0.5 %.
    assert.ok(covered > 0.926 * repetitions && covered < 0.97 * repetitions, `${covered}`);
  });

  it('stays a finite number for a hopeless model', () => {
    assert.equal(perplexityInterval([9000, 9100], [10, 10]).high, Number.MAX_VALUE);
  });
});

describe('McNemar', () => {
  // python3: 2·Σ_{k ≤ min} C(n, k)/2ⁿ as exact fractions, at most 1.
  const exact: [number, number, number][] = [
    [1, 5, 7 / 32],
    [5, 1, 7 / 32],
    [0, 8, 1 / 128],
    [9, 15, 1289565 / 4194304],
    [2, 22, 301 / 8388608],
    [12, 12, 1],
    [3, 3, 1],
    [0, 1, 1],
    [0, 0, 1],
  ];
  for (const [b, c, pValue] of exact) {
    it(`exact for ${b} against ${c}`, () => {
      const result = comparePaired(...discordant(b, c));
      assert.equal(result.test, 'exact binomial');
      assert.deepEqual([result.onlyBaseline, result.onlyOther], [b, c]);
      near(result.difference, (c - b) / (10 + b + c));
      near(result.pValue, pValue, 1e-11);
    });
  }

  // python3: erfc(√(x/2)) with x = (|b − c| − 1)²/(b + c).
  const approximate: [number, number, number][] = [
    [86, 150, 4.1145622813459415e-5],
    [150, 86, 4.1145622813459415e-5],
    [10, 15, 0.4237107971667934],
    [25, 0, 1.5866563039511896e-6],
    [13, 12, 1],
    [40, 40, 1],
  ];
  for (const [b, c, pValue] of approximate) {
    it(`chi-square for ${b} against ${c}`, () => {
      const result = comparePaired(...discordant(b, c));
      assert.equal(result.test, 'chi-square with continuity correction');
      assert.deepEqual([result.onlyBaseline, result.onlyOther], [b, c]);
      near(result.pValue, pValue, 2e-7);
      assert.ok(result.pValue <= 1);
    });
  }
});

describe('paired perplexity', () => {
  it('mean difference, standard error, interval and ratio', () => {
    const sizes = [4, 5, 3, 4];
    const result = comparePaired(
      perplexity([7, 11, 5, 13], sizes),
      perplexity([8, 10, 7, 16], sizes),
    );
    // python3, exact fractions: difference 5/16, SE² 1385/24576.
    near(result.difference, 5 / 16);
    near(result.standardError, Math.sqrt(1385 / 24576));
    near(result.interval?.low, -0.15278320730380568);
    near(result.interval?.high, 0.7777832073038057);
    near(result.ratio, 1.3668379411737963);
    near(result.ratioInterval?.low, 0.8583157782345778);
    near(result.ratioInterval?.high, 2.176641749817199);
  });

  it('is sharper than two separate intervals where windows differ more than models', () => {
    const windows = Array.from({ length: 50 }, (_, i) => 100 + 10 * (i % 7));
    const worse = windows.map((nll, i) => nll + 1 + 0.01 * (i % 3));
    const sizes = windows.map(() => 50);
    const result = comparePaired(perplexity(windows, sizes), perplexity(worse, sizes));
    assert.ok(result.interval!.low > 0);
    const separate = perplexityInterval(windows, sizes);
    assert.ok(Math.log(separate.high) - Math.log(separate.low) > 10 * result.standardError!);
  });

  it('gives no interval for a single window', () => {
    const result = comparePaired(perplexity([8], [4]), perplexity([9], [4]));
    assert.equal(result.difference, 0.25);
    assert.equal(result.interval, undefined);
    assert.equal(result.standardError, undefined);
  });
});

describe('pairing', () => {
  const refused = (text: RegExp, run: () => unknown): void => {
    assert.throws(run, (error) => error instanceof DataError && text.test(error.message));
  };

  it('refuses measurements of different data', () => {
    const one = accuracy([1, 0, 1]);
    refused(/different data.*: task/, () => comparePaired(one, accuracy([1, 0, 1], 'other')));
    refused(/number of sentences/, () => comparePaired(one, accuracy([1, 0])));
    refused(/windows/, () => comparePaired(perplexity([1, 2], [3, 4]), perplexity([1, 2], [4, 3])));
  });

  it('refuses to mix metrics', () => {
    const both: (AccuracyMeasurement | PerplexityMeasurement)[] = [
      accuracy([1, 0, 1]),
      perplexity([1, 2], [3, 4]),
    ];
    refused(/metric.*perplexity.*accuracy/, () => comparePaired(both[0], both[1]));
  });
});

describe('a comparison as a sentence says it', () => {
  it('gives points and p for accuracy, and whether chance would do', () => {
    const even = comparePaired(...discordant(3, 2));
    assert.match(formatComparison(even), /^−\d\.\d points \(McNemar p = 1\.00\)$/);
    assert.equal(metricOf('accuracy').stated(even).clear, false);
    const uneven = comparePaired(...discordant(40, 2));
    assert.match(formatComparison(uneven), /^−\d+\.\d points \(McNemar p < 0\.001\)$/);
    assert.equal(metricOf('accuracy').stated(uneven).clear, true);
  });

  it('gives the change of perplexity and its interval, and nothing of the kind for one window', () => {
    const windows = [10, 10, 10, 10];
    const worse = comparePaired(
      perplexity([20, 30, 25, 28], windows),
      perplexity([21, 31.1, 25.9, 29], windows),
    );
    assert.match(formatComparison(worse), /^\+\d+\.\d % \(95 %: \+\d+\.\d % to \+\d+\.\d %\)$/);
    assert.equal(metricOf('perplexity').stated(worse).clear, true);
    const single = comparePaired(perplexity([20], [10]), perplexity([21], [10]));
    assert.equal(formatComparison(single), '+10.5 % (no interval: a single window)');
    assert.equal(metricOf('perplexity').stated(single).clear, undefined);
  });
});
