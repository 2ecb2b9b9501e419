import assert from 'node:assert/strict';
import { measureWindows } from '../../src/energy/measured/procedure.js';
import {
  changeEstimate,
  driftOf,
  meanEstimate,
  tQuantile,
  type Estimate,
} from '../../src/energy/measured/statistics.js';
import { summariseWindows, type MeasuredSummary } from '../../src/energy/measured/summary.js';
import { EnergyError } from '../../src/util/errors.js';
import { simulatedMachine } from './simulated-meter.js';

/** 100 W above an idle of 50 W, the same again, and 2 % less of what is above. */
const WATTS = { fp32: 150, same: 150, less: 148 };

async function measured(
  machine: Parameters<typeof simulatedMachine>[0],
  repeat = 10,
): Promise<MeasuredSummary> {
  const { meter, plans, options } = simulatedMachine(machine);
  return summariseWindows(await measureWindows([meter], plans, { ...options, repeat }));
}

describe('measured energy: statistics', () => {
  it('has Student’s quantiles', () => {
    // From tables: 30 and 31, on both sides of the seam, 60 and 120 degrees.
    for (const [degrees, quantile] of [
      [1, 12.7062],
      [9, 2.2622],
      [30, 2.0423],
      [31, 2.0395],
      [60, 2.0003],
      [120, 1.9799],
    ])
      assert.ok(Math.abs(tQuantile(degrees) - quantile) < 1e-4, String(degrees));
    // The 0.9875 quantile for two comparisons, the 0.995 for five, the 0.9995 for fifty.
    for (const [degrees, comparisons, quantile] of [
      [1, 5, 63.6567],
      [2, 5, 9.9248],
      [9, 2, 2.685],
      [9, 5, 3.2498],
      [10, 50, 4.5869],
    ])
      assert.ok(Math.abs(tQuantile(degrees, comparisons) - quantile) < 1e-4, String(comparisons));
  });

  it('gives a mean its interval, and none to a single value', () => {
    const found = meanEstimate([1, 2, 3])!;
    assert.equal(found.value, 2);
    assert.ok(Math.abs(found.high - (2 + 4.302652729911275 / Math.sqrt(3))) < 1e-9);
    assert.equal(meanEstimate([1]), undefined);
  });

  it('pairs repeats: what both share is not in the interval', () => {
    const base = [100, 150, 120, 180];
    const found = changeEstimate(
      base.map((each) => 0.98 * each),
      base,
    )!;
    assert.ok(Math.abs(found.value + 0.02) < 1e-12 && found.high - found.low < 1e-9);
    assert.equal(changeEstimate([1, 1], [0, 0]), undefined);
  });

  it('tells drift from noise', () => {
    assert.ok(Math.abs(driftOf([100, 101, 102, 103, 104])! - 4 / 102) < 1e-9);
    assert.equal(driftOf([100, 104, 99, 103, 100, 102]), undefined);
  });
});

describe('measured energy: the procedure', () => {
  it('interleaves plans in an order that only the seed decides, idle before and after', async () => {
    const orderOf = async (seed: number): Promise<string[]> => {
      const { meter, plans, options } = simulatedMachine({ watts: WATTS, seed: 1 });
      const found = await measureWindows([meter], plans, { ...options, repeat: 6, seed });
      assert.equal(found.passes, 3);
      const { windows } = found;
      assert.equal(windows[0].kind, 'idle');
      assert.equal(windows.at(-1)!.kind, 'idle');
      for (let repeat = 0; repeat < 6; repeat++) {
        const idle = windows.filter((window) => window.kind === 'idle' && window.repeat === repeat);
        assert.deepEqual(
          idle.map(({ place, seconds }) => [place, seconds]),
          [
            [0, 2.5],
            [3, 2.5],
          ],
        );
        const own = windows.filter((window) => window.kind === 'plan' && window.repeat === repeat);
        assert.deepEqual(own.map(({ plan }) => plan).sort(), ['fp32', 'less', 'same']);
        assert.ok(own.every(({ tokens }) => tokens === 3000));
      }
      return windows.flatMap(({ plan }) => plan ?? []);
    };
    assert.deepEqual(await orderOf(5), await orderOf(5));
    assert.notDeepEqual(await orderOf(5), await orderOf(6));
    const order = await orderOf(5);
    const firsts = new Set(order.filter((_, at) => at % 3 === 0));
    assert.ok(firsts.size > 1, 'no plan is always the first');
  });

  it('subtracts idle power, and says joules a token and watts as they are without noise', async () => {
    const { rows, idle, remarks } = await measured({ watts: WATTS, seed: 1, noise: 0, jitter: 0 });
    const [fp32, same, less] = rows;
    // 100 W above idle for 2 s, over 1000 tokens.
    assert.ok(Math.abs(fp32.joulesPerToken!.value - 0.2) < 1e-9);
    assert.ok(Math.abs(fp32.watts!.value - 150) < 1e-9);
    assert.ok(Math.abs(fp32.tokensPerSecond!.value - 500) < 1e-9);
    assert.ok(Math.abs(less.energyChange!.value + 0.02) < 1e-9);
    assert.ok(Math.abs(less.powerChange!.value + 2 / 150) < 1e-9);
    assert.ok(Math.abs(idle[0].watts!.value - 50) < 1e-9);
    assert.deepEqual(
      [fp32.verdict, same.verdict, less.verdict],
      ['baseline', 'no difference', 'lower'],
    );
    assert.deepEqual(remarks, []);
  });

  /*
   * An interval of 95 % has to hold the truth 19 times of 20, no less (then it claims too much) and not much
   * more (then it claims too little). 3 standard errors of a share of 0.95 among so many runs are 0.0146.
   */
  const RUNS = 2000;
  const MARGIN = 3 * Math.sqrt((0.95 * 0.05) / RUNS);
  const holds = ({ low, high }: Estimate, truth: number): boolean => low <= truth && truth <= high;
  const times = async (
    machine: Omit<Parameters<typeof simulatedMachine>[0], 'seed'>,
    tell: (rows: MeasuredSummary['rows']) => readonly boolean[],
  ): Promise<number[]> => {
    const counts: number[] = [];
    for (let seed = 1; seed <= RUNS; seed++)
      for (const [at, true_] of tell((await measured({ ...machine, seed })).rows).entries())
        counts[at] = (counts[at] ?? 0) + Number(true_);
    return counts;
  };

  for (const drift of [0, 0.1])
    it(`recovers 2 % and finds equal plans equal in 19 of 20 runs, power drifting by ${100 * drift} % an hour`, async () => {
      const [held, equal, both, seen] = await times({ watts: WATTS, drift }, ([, same, less]) => {
        const held = holds(less.energyChange!, -0.02);
        const equal = same.verdict === 'no difference';
        return [held, equal, held && equal, less.verdict === 'lower'];
      });
      const told = `held ${held}, equal ${equal}, both ${both}, seen ${seen} of ${RUNS}`;
      for (const count of [held, equal, seen]) assert.ok(count / RUNS >= 0.95, told);
      // Both at once in as many: a run with more plans finds no more differences that are not there.
      assert.ok(both / RUNS > 0.95 - MARGIN, told);
    });

  it('holds a single change in 95 % of runs, no more, also by a counter with steps of 5 J', async () => {
    const watts = { fp32: 150, less: 148 };
    const [held] = await times({ watts, step: 5 }, ([, less]) => [
      holds(less.energyChange!, -0.02),
    ]);
    assert.ok(Math.abs(held / RUNS - 0.95) < MARGIN, `held ${held} of ${RUNS}`);
  });

  it('holds joules a token in 95 % of runs, no more, where most of the noise is idle power’s', async () => {
    // 5 W above 50: what is wrong with an idle window weighs as much as what is with a plan's.
    const [held] = await times({ watts: { fp32: 55 } }, ([fp32]) => [
      holds(fp32.joulesPerToken!, 0.01),
    ]);
    assert.ok(Math.abs(held / RUNS - 0.95) < MARGIN, `held ${held} of ${RUNS}`);
  });

  it('says drift, other load, slow windows and missing ones', async () => {
    const drifting = await measured({ watts: WATTS, seed: 1, drift: 1 });
    assert.match(drifting.remarks.join('; '), /drifted by \d/);
    const { meter, plans, options } = simulatedMachine({ watts: WATTS, seed: 1 });
    const busy = await measureWindows([meter], plans, { ...options, load: () => () => 0.4 });
    assert.match(summariseWindows(busy).remarks.join('; '), /other load: 40\.0 %/);
    const slow = {
      ...busy,
      windows: busy.windows.map((window, at) => (at === 6 ? { ...window, seconds: 60 } : window)),
    };
    assert.match(summariseWindows(slow).remarks.join('; '), /1 of 30 windows took over 1.2 times/);
  });

  it('pairs what is left where windows are missing, and says "not measured" where too little is', async () => {
    const some = await measured({ watts: WATTS, seed: 3, missing: (window) => window % 4 === 1 });
    assert.match(some.remarks.join('; '), /13 of 50 windows missing: simulated/);
    assert.ok(some.rows.every(({ watts }) => watts !== undefined && watts.repeats < 10));
    const none = await measured({ watts: WATTS, seed: 3, missing: () => true });
    for (const { joulesPerToken, watts, energyChange } of none.rows)
      assert.deepEqual([joulesPerToken, watts, energyChange], [undefined, undefined, undefined]);
    assert.equal(none.rows[2].verdict, 'not measured');
  });

  it('refuses no meter, twins and a single repeat, and stops between windows when asked', async () => {
    const { meter, plans, options } = simulatedMachine({ watts: WATTS, seed: 1 });
    await assert.rejects(measureWindows([], plans, options), EnergyError);
    await assert.rejects(measureWindows([meter], [plans[0], plans[0]], options), EnergyError);
    await assert.rejects(measureWindows([meter], plans, { ...options, repeat: 1 }), EnergyError);
    const abort = new AbortController();
    let windows = 0;
    const onProgress = (): void => {
      if (++windows === 7) abort.abort();
    };
    const stopped = { ...options, onProgress, signal: abort.signal };
    await assert.rejects(measureWindows([meter], plans, stopped), /stopped on request/);
    assert.equal(windows, 7);
  });
});
