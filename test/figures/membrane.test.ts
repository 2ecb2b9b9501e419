import assert from 'node:assert/strict';
import { membraneChart } from '../../src/plots/figures/membrane.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { MEMBRANE } from '../plots/records.js';
import { assertGoodChart, assertNoTextOverlaps, textsOf, withView } from '../plots/support.js';

describe('plots/membrane', () => {
  it('is valid and draws without a warning, for one plan and for two', async () => {
    await assertGoodChart(membraneChart(MEMBRANE, 'one neuron'));
    await assertGoodChart(membraneChart(MEMBRANE.slice(0, 5), 'one neuron'));
  });

  it('shows the reset: after each spike the line goes to 0 at the same token', () => {
    const { values } = membraneChart(MEMBRANE, 'one neuron').data as unknown as {
      values: { plan: string; token: number; place: number; value: number; mark: string }[];
    };
    const spikes = MEMBRANE.filter(({ spike }) => spike);
    assert.ok(spikes.length > 1);
    for (const { plan, token, potential } of spikes) {
      const here = values.filter((row) => row.plan === plan && row.token === token);
      assert.deepEqual(
        here.map(({ place, value, mark }) => [place, value, mark]),
        [
          [2 * token, potential, 'spike'],
          [2 * token + 1, 0, 'reset to 0'],
        ],
      );
    }
    assert.equal(values.length, MEMBRANE.length + spikes.length);
  });

  it('lays plans over each other with a legend, and counts in the title what differs', async () => {
    const chart = membraneChart(MEMBRANE, 'one neuron');
    const texts = textsOf(await renderSvg(chart));
    for (const text of ['fp32', '4 bits', 'spike', 'reset to 0', 'castle'])
      assert.ok(texts.includes(text), text);
    const [fp32, four] = [MEMBRANE.slice(0, 5), MEMBRANE.slice(5)];
    const differing = four.filter(({ spike }, token) => spike !== fp32[token].spike).length;
    assert.ok(texts.includes(`one neuron. 4 bits: another outcome at ${differing} of 5 tokens`));
    assert.ok(differing > 0 && differing < 5);
    await withView(chart, assertNoTextOverlaps);
  });

  it('refuses no records, and plans of different sequences', () => {
    assert.throws(() => membraneChart([], 'one neuron'), /nothing to draw/);
    assert.throws(() => membraneChart(MEMBRANE.slice(1), 'one neuron'), /different sequences/);
  });
});
