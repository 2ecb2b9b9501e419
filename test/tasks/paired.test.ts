import assert from 'node:assert/strict';
import type { AccuracyMeasurement } from '../../src/tasks/metrics/accuracy.js';
import { meanLossBound, pairedLossBound } from '../../src/tasks/metrics/loss-bounds.js';
import type { Measurement } from '../../src/tasks/metrics/metrics.js';
import { certifyLoss, pairedLoss } from '../../src/tasks/metrics/paired.js';
import type { PerplexityMeasurement } from '../../src/tasks/metrics/perplexity.js';
import { DataError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';

const common = { taskId: 'same', seconds: 0, interval: { low: 0, high: 1, level: 0.95 } };

function accuracy(correct: readonly (0 | 1)[]): AccuracyMeasurement {
  const items = correct.length;
  const value = correct.reduce<number>((sum, one) => sum + one, 0) / items;
  return { ...common, metric: 'accuracy', value, items, tokens: items, correct };
}

function perplexity(windowNll: number[], windowTokens: number[]): PerplexityMeasurement {
  const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
  const meanNll = sum(windowNll) / sum(windowTokens);
  const counts = { items: windowNll.length, tokens: sum(windowTokens), bitsPerByte: 1 };
  const value = Math.exp(meanNll);
  return { ...common, metric: 'perplexity', value, meanNll, ...counts, windowNll, windowTokens };
}

/** How the difference varies when one item is left out: the jackknife, which knows no derivative. */
function jackknife(values: readonly number[]): number {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const squares = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return Math.sqrt(((values.length - 1) / values.length) * squares);
}

describe('tasks/paired loss', () => {
  const without = <T>(all: readonly T[], index: number): T[] => all.filter((_, i) => i !== index);

  it('has of accuracy the jackknife’s standard error', () => {
    const random = seededRandom(3);
    const draw = (share: number): (0 | 1)[] =>
      Array.from({ length: 400 }, () => (random.integer(0, 999) < 1000 * share ? 1 : 0));
    const [one, other] = [draw(0.8), draw(0.75)];
    const { loss, standardError } = pairedLoss(accuracy(one), accuracy(other));
    assert.equal(loss, accuracy(one).value - accuracy(other).value);
    const left = one.map(
      (_, i) => accuracy(without(one, i)).value - accuracy(without(other, i)).value,
    );
    assert.ok(Math.abs(standardError! / jackknife(left) - 1) < 1e-6);
  });

  it('has of perplexity the jackknife’s standard error, the baseline’s own spread included', () => {
    const random = seededRandom(4);
    const noise = (): number => random.integer(-1000, 1000) / 1000;
    const tokens = Array.from({ length: 60 }, () => 200 + random.integer(0, 100));
    const base = tokens.map((count) => count * (4 + 0.3 * noise()));
    const other = base.map((nll, i) => nll + tokens[i] * (0.02 + 0.02 * noise()));
    const { loss, standardError } = pairedLoss(perplexity(base, tokens), perplexity(other, tokens));
    assert.ok(loss > 0);
    const left = base.map((_, i) => {
      const rest = without(tokens, i);
      return perplexity(without(other, i), rest).value - perplexity(without(base, i), rest).value;
    });
    assert.ok(Math.abs(standardError! / jackknife(left) - 1) < 0.02);
    assert.equal(pairedLoss(perplexity([5], [1]), perplexity([6], [1])).standardError, undefined);
  });

  it('refuses other items', () => {
    assert.throws(() => pairedLoss(accuracy([1, 0]), accuracy([1])), DataError);
    const mixed = [accuracy([1]), perplexity([1], [1])] as const;
    assert.throws(() => certifyLoss(...(mixed as readonly [Measurement, Measurement])), DataError);
  });
});

/** Tango's bound from the definition: the likelihood is maximised on thirds, the bound by halves. */
function slowBound(b: number, c: number, n: number): number {
  const rest = n - b - c;
  const logLikelihood = (p12: number, p21: number): number => {
    const term = (count: number, p: number): number => (count === 0 ? 0 : count * Math.log(p));
    return term(b, p12) + term(c, p21) + term(rest, 1 - p12 - p21);
  };
  const likeliest = (loss: number): number => {
    let [low, high] = [Math.max(0, -loss), (1 - loss) / 2];
    for (let step = 0; step < 200; step++) {
      const [one, two] = [low + (high - low) / 3, high - (high - low) / 3];
      if (logLikelihood(one + loss, one) < logLikelihood(two + loss, two)) low = one;
      else high = two;
    }
    return (low + high) / 2;
  };
  let [inside, outside] = [(b - c) / n, 1];
  while (outside - inside > 1e-9) {
    const loss = (inside + outside) / 2;
    const q = likeliest(loss);
    const deviation = Math.sqrt((2 * q + loss * (1 - loss)) / n);
    if (((b - c) / n - loss) / deviation < -1.6448536269514722) outside = loss;
    else inside = loss;
  }
  return outside;
}

describe('tasks/loss bounds', () => {
  it('of paired answers are Tango’s, worked out the slow way', () => {
    for (const [b, c, n] of [
      [12, 2, 50],
      [0, 0, 100],
      [9, 5, 500],
      [3, 0, 40],
      [0, 4, 60],
      [1, 1, 30],
    ])
      assert.ok(Math.abs(pairedLossBound(b, c, n) - slowBound(b, c, n)) < 1e-6, `${b}, ${c}, ${n}`);
  });

  it('are no certainty where no answer differs', () => {
    // z²/(n + z²)
    assert.ok(Math.abs(pairedLossBound(0, 0, 500) - 2.705543 / 502.705543) < 1e-6);
    assert.equal(certifyLoss(accuracy([1, 1, 0]), accuracy([1, 1, 0]))!.level, 0.95);
  });

  it('of paired answers hold in 95 % of samples, within a point', () => {
    const random = seededRandom(11);
    for (const [onlyFirst, onlySecond, n] of [
      [0.03, 0.02, 500],
      [0.05, 0.05, 200],
      [0.02, 0.005, 500],
    ]) {
      const [trials, scale] = [4000, 1e6];
      let holds = 0;
      for (let trial = 0; trial < trials; trial++) {
        let [b, c] = [0, 0];
        for (let item = 0; item < n; item++) {
          const draw = random.integer(0, scale - 1) / scale;
          if (draw < onlyFirst) b++;
          else if (draw < onlyFirst + onlySecond) c++;
        }
        if (pairedLossBound(b, c, n) >= onlyFirst - onlySecond) holds++;
      }
      const share = holds / trials;
      assert.ok(share > 0.935 && share < 0.97, `${onlyFirst}, ${onlySecond}, ${n}: ${share}`);
    }
  });

  it('of a mean use Student’s quantile, and say nothing of fewer than five units', () => {
    // 0.95 quantiles for 4, 9, 15 and 63 degrees of freedom, python3: the density
    // integrated by Simpson's rule, the quantile by bisection.
    for (const [units, quantile] of [
      [5, 2.13184679],
      [10, 1.83311293],
      [16, 1.75305036],
      [64, 1.66940222],
    ])
      assert.ok(Math.abs(meanLossBound(0, 1, units)! - quantile) < (units < 10 ? 2e-3 : 2e-5));
    assert.equal(meanLossBound(0, 1, 4), undefined);
    const few = perplexity([4, 5, 6, 7], [1, 1, 1, 1]);
    assert.equal(certifyLoss(few, few), undefined);
    const tokens = Array.from({ length: 40 }, () => 100);
    const base = perplexity(
      tokens.map((_, i) => 400 + i),
      tokens,
    );
    const other = perplexity(
      tokens.map((_, i) => 401 + 1.01 * i),
      tokens,
    );
    const { loss, standardError } = pairedLoss(base, other);
    const certificate = certifyLoss(base, other)!;
    assert.ok(
      Math.abs(certificate.loss - loss - 1.6849 * standardError!) < 1e-4 * certificate.loss,
    );
  });
});
