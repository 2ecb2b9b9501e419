import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  drawError,
  logCapitalAbove,
  logCapitalBelow,
  meanInterval,
  sideOf,
} from '../../../src/search/ladder/betting.js';
import { rungSizes } from '../../../src/search/ladder/rungs.js';
import { packagePath } from '../../../src/util/paths.js';
import { seededRandom, type Random } from '../../../src/util/random.js';

interface Kept {
  readonly losses: readonly number[];
}

/** Its note says what was measured. */
const KEPT = JSON.parse(
  readFileSync(packagePath('test', 'fixtures', 'ladder', 'paired-losses.json'), 'utf8'),
) as Readonly<Record<'perplexity' | 'accuracy', readonly Kept[]>>;

const POPULATIONS = {
  perplexity: KEPT.perplexity.map(({ losses }) => losses.map((loss) => loss / 1e5)),
  accuracy: KEPT.accuracy.map(({ losses }) => losses),
} as const;
const BOUNDS = { perplexity: undefined, accuracy: 1 } as const;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const SEARCHES = 1000;
const DECISIONS = 20;

/** What the decisions of a search come to at most, looking at every rung below the whole. */
interface Extremes {
  readonly below: number;
  readonly above: number;
  /** Standard errors from the limit, as one who does not correct for looks and decisions sees them. */
  readonly errors: number;
}

/** A search of plans that lie on the limit: whatever a decision tells, is not told by the data. */
function nullSearch(metric: keyof typeof POPULATIONS, random: Random): Extremes {
  const found = Array.from({ length: DECISIONS }, (): Extremes => {
    const population = random.shuffled(POPULATIONS[metric][random.integer(0, 3)]);
    const [mean, size] = [meanOf(population), population.length];
    const rungs = rungSizes(size).slice(0, -1);
    // What smaller rungs tell is in the largest capital on the way to the largest of them.
    const draw = { values: population.slice(0, rungs.at(-1)), size, bound: BOUNDS[metric] };
    const errors = rungs.slice(-2).map((rung) => {
      const seen = { values: population.slice(0, rung), size };
      return (mean - meanOf(seen.values)) / drawError(seen);
    });
    return {
      below: logCapitalBelow(draw, mean),
      above: logCapitalAbove(draw, mean),
      errors: Math.max(...errors),
    };
  });
  const most = (name: keyof Extremes): number => Math.max(...found.map((one) => one[name]));
  return { below: most('below'), above: most('above'), errors: most('errors') };
}

describe('ladder: bets', () => {
  for (const metric of ['perplexity', 'accuracy'] as const)
    it(`tell falsely in fewer of 1,000 null searches than the level, from kept ${metric} items`, () => {
      const random = seededRandom(12);
      const searches = Array.from({ length: SEARCHES }, () => nullSearch(metric, random));
      for (const [level, quantile] of [
        [0.05, 1.645],
        [0.001, 3.09],
      ]) {
        const needed = -Math.log(level / DECISIONS);
        const below = searches.filter((each) => each.below >= needed).length;
        const above = searches.filter((each) => each.above >= needed).length;
        assert.ok(below <= level * SEARCHES, `below, ${level}: ${below}`);
        assert.ok(above <= level * SEARCHES, `above, ${level}: ${above}`);
        // The simulation sees those who do not correct: at the one-sided normal quantile of the level.
        const naive = searches.filter(({ errors }) => errors > quantile).length;
        assert.ok(naive > level * SEARCHES, `uncorrected, ${level}: ${naive}`);
      }
    }).timeout(60_000);

  it('tells the side of a limit that is far away, from few items', () => {
    const random = seededRandom(3);
    const population = POPULATIONS.perplexity[1];
    const values = random.shuffled(population).slice(0, 153);
    const draw = { values, size: population.length };
    const level = 0.001 / 147;
    assert.equal(sideOf(draw, meanOf(population) + 0.05, level), 'below');
    assert.equal(sideOf(draw, meanOf(population) - 0.05, level), 'above');
    assert.equal(sideOf(draw, meanOf(population), level), undefined);
  });

  it('knows what the rest cannot make up for where values are bounded', () => {
    // 90 of 100 were drawn, all 0: the mean of all is 0.1 at most.
    const draw = { values: new Array<number>(90).fill(0), size: 100, bound: 1 };
    assert.equal(logCapitalBelow(draw, 0.11), Infinity);
    assert.ok(Number.isFinite(logCapitalBelow(draw, 0.09)));
  });

  it('loses a bet on an item beyond all that was seen, and keeps no capital of it', () => {
    const calm = Array.from({ length: 40 }, (_, index) => 0.001 * (index % 3));
    const size = 80;
    assert.equal(sideOf({ values: calm, size }, 0.05, 1e-5), 'below');
    const wild = [...calm.slice(0, 12), 8, ...calm.slice(13)];
    assert.equal(sideOf({ values: wild, size }, 0.05, 1e-5), undefined);
  });

  it('gives an interval whose ends are where the bets tell', () => {
    const random = seededRandom(4);
    const population = POPULATIONS.accuracy[1];
    const draw = { values: random.shuffled(population).slice(0, 250), size: 1000, bound: 1 };
    const { low, high } = meanInterval(draw, 0.025);
    assert.ok(low < meanOf(population) && meanOf(population) < high, `${low} to ${high}`);
    assert.equal(sideOf(draw, high, 0.025), 'below');
    assert.equal(sideOf(draw, low, 0.025), 'above');
    assert.equal(sideOf(draw, (low + high) / 2, 0.025), undefined);
  });
});
