import assert from 'node:assert/strict';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import { logTicks, metricAxis, symlogTicks } from '../../src/plots/parts/metric-axis.js';
import { taskView } from '../../src/plots/parts/task-view.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { UNIFORM } from './records.js';
import { textsOf } from './support.js';

const PERPLEXITY = taskView('wikitext2');

interface Axis {
  readonly scale: { readonly type?: string; readonly domain: readonly [number, number] };
  readonly axis: { readonly values?: readonly number[] };
}

describe('plots/metric-axis', () => {
  for (const [low, high] of [
    [35, 152],
    [36, 3352],
    [30, 1e6],
    [20, 4e30],
  ] as const)
    it(`fills a logarithmic axis from ${low} to ${high}, with ticks from end to end`, () => {
      const { scale, axis } = metricAxis(low, high, PERPLEXITY) as unknown as Axis;
      assert.equal(scale.type, 'log');
      const [from, to] = scale.domain.map(Math.log);
      assert.ok(from <= Math.log(low) && to >= Math.log(high));
      const used = (Math.log(high) - Math.log(low)) / (to - from);
      assert.ok(used > 0.9, `data on ${used} of the axis`);
      const ticks = axis.values ?? [];
      assert.ok(ticks.length >= 3 && ticks.length <= 8, ticks.join(' '));
      const places = ticks.map((tick) => (Math.log(tick) - from) / (to - from));
      assert.ok(places[0] >= 0 && places.at(-1)! <= 1);
      const gaps = [...places, 1].map(
        (place, index) => place - (index === 0 ? 0 : places[index - 1]),
      );
      assert.ok(Math.max(...gaps) < 0.5, `a gap without a tick: ${places.join(' ')}`);
    });

  it('shows every tick that was chosen', async () => {
    const [first] = UNIFORM.filter(({ task }) => task === 'wikitext2');
    const wide = { ...first, bits: 3, metric: 140, low: 134, high: 152 };
    const texts = textsOf(await renderSvg(uniformChart([first, wide])));
    for (const tick of ['40', '60', '100', '150']) assert.ok(texts.includes(tick), tick);
  });

  it('stays linear for a ratio of four, and for accuracy at any', () => {
    for (const axis of [metricAxis(30, 120, PERPLEXITY), metricAxis(0.1, 0.9, taskView('sst2'))])
      assert.equal((axis as unknown as Axis).scale.type, undefined);
  });

  it('labels with numbers as people write them', () => {
    assert.deepEqual(logTicks(35, 152), [40, 50, 60, 70, 80, 90, 100, 150]);
    assert.deepEqual(logTicks(30, 1e6), [100, 1000, 10_000, 100_000, 1_000_000]);
    assert.deepEqual(symlogTicks(-0.6, 20, 0.3), [-0.5, 0, 0.5, 1, 2, 5, 10, 20]);
    assert.deepEqual(symlogTicks(0, 0.0001, 0.3), [0]);
  });
});
