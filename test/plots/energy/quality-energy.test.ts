import assert from 'node:assert/strict';
import { paretoChart, type ParetoInput } from '../../../src/plots/figures/pareto.js';
import { lambdaChart } from '../../../src/plots/lambda/chart.js';
import type { HeadlessView } from '../../../src/plots/render/headless.js';
import { paretoFront } from '../../../src/search/pareto.js';
import { lambdaIntervals, type ScoreName } from '../../../src/search/score.js';
import { selectWithin } from '../../../src/search/ties.js';
import { assertGoodChart, rowsWith, textsOf, withView } from '../support.js';
import { ENERGY_INPUTS, energyCandidates, energyContext } from './input.js';

const SCORES = ['paper', 'balanced'] as const;

async function set(view: HeadlessView, signals: Record<string, number | string>): Promise<void> {
  for (const [name, value] of Object.entries(signals)) view.signal(name, value as number);
  await view.runAsync();
}

function selected(view: HeadlessView): number | undefined {
  const rows = rowsWith(view, 'selected', 'tieWorse', 'step').filter((row) => row.selected);
  const steps = new Set(rows.map(({ step }) => step as number));
  assert.ok(steps.size <= 1);
  return [...steps].at(0);
}

describe('plots/pareto with modelled energy', () => {
  for (const [metric, input] of Object.entries(ENERGY_INPUTS)) {
    it(`selects by ${metric} what the search selects, for each weight and λ, by either score`, async () => {
      const candidates = energyCandidates(input);
      const seen = new Set<number>();
      await withView(paretoChart(input), async (view) => {
        const weights = view.signal('energyStops') as number[];
        assert.ok(weights.includes(0) && weights.includes(input.energy!.weight));
        for (const score of SCORES) {
          const stops = (view.signal('lambdaStops') as Record<ScoreName, number[]>)[score];
          for (const [energyPlace, weight] of weights.entries()) {
            if (![0, input.energy!.weight, 1, 5].includes(weight)) continue;
            const context = energyContext(input, score, weight);
            for (const { from } of lambdaIntervals(candidates, context)) {
              assert.ok(stops.includes(from), `no stop at ${from} of ε ${weight}`);
              for (const place of [stops.indexOf(from), stops.indexOf(from) + 1]) {
                await set(view, { score, energyPlace, place });
                const expected = selectWithin(candidates, stops[place], context, undefined);
                const told = `${score}, ε ${weight}, λ ${stops[place]}`;
                assert.equal(selected(view), expected?.step, told);
                seen.add(expected!.step);
              }
            }
          }
        }
      });
      const without = SCORES.flatMap((score) =>
        lambdaIntervals(candidates, energyContext(input, score, 0)),
      ).map(({ candidate }) => candidate.step);
      assert.ok(
        [...seen].some((step) => !without.includes(step)),
        'energy never matters',
      );
    });

    it(`draws by ${metric} the plan of each λ as the search has it, for each weight`, async () => {
      await withView(paretoChart(input), async (view) => {
        const weights = view.signal('energyStops') as number[];
        for (const score of SCORES)
          for (const [energyPlace, weight] of weights.entries()) {
            if (![0, input.energy!.weight, 1, 5].includes(weight)) continue;
            await set(view, { score, energyPlace });
            const shown = (
              rowsWith(view, 'range', 'left', 'right') as unknown as {
                readonly step: number;
                readonly from: number;
              }[]
            ).toSorted((one, other) => one.from - other.from);
            const context = energyContext(input, score, weight);
            const expected = lambdaIntervals(energyCandidates(input), context);
            assert.deepEqual(
              shown.map(({ step }) => step),
              expected.map(({ candidate }) => candidate.step),
              `${score}, ε ${weight}`,
            );
            for (const [index, { from }] of expected.entries())
              assert.ok(Math.abs(shown[index].from - from) <= 1e-9 * Math.max(1, from));
          }
      });
    });
  }

  it('has two panels that share a brush and a pin, and rings the front of three', async () => {
    const input = ENERGY_INPUTS.accuracy;
    const chart = paretoChart(input);
    await assertGoodChart(chart);
    const { params } = chart as unknown as {
      readonly params: readonly { readonly name: string; readonly views?: readonly string[] }[];
    };
    for (const name of ['brush', 'pinned'])
      assert.deepEqual(params.find((each) => each.name === name)?.views, [
        'by memory',
        'by modelled energy',
      ]);
    const exact = input.steps.filter((step) => step.exact);
    const front = paretoFront(exact, 'accuracy').map(({ step }) => step);
    assert.ok(front.length > paretoFront(exact.map(bare), 'accuracy').length);
    await withView(chart, (view) => {
      const ringed = rowsWith(view, 'front', 'energy', 'step').filter((row) => row.front);
      assert.deepEqual(
        [...new Set(ringed.map(({ step }) => step as number))].sort((a, b) => a - b),
        front.sort((a, b) => a - b),
      );
    });
  });

  it('says "modelled" beside every energy, and that no meter was read', async () => {
    for (const input of Object.values(ENERGY_INPUTS))
      await withView(paretoChart(input), async (view) => {
        const texts = textsOf(await view.toSVG());
        const about = texts.filter(
          (text) => /energy|µJ/i.test(text) && !/at that energy/.test(text),
        );
        assert.ok(about.length >= 3, texts.join('\n'));
        for (const text of about) assert.match(text, /modelled/i);
        assert.ok(texts.some((text) => /no meter was read/.test(text)));
      });
  });

  it('is the figure that it was where energy is no objective', () => {
    for (const { energy, ...input } of Object.values(ENERGY_INPUTS) as Required<ParetoInput>[]) {
      assert.ok(energy.weight > 0);
      const steps = input.steps.map(bare);
      const [plain, without] = [paretoChart({ ...input, steps }), paretoChart(input)];
      assert.doesNotMatch(JSON.stringify(plain), /energy/i);
      assert.doesNotMatch(JSON.stringify(without.params), /energy/i);
    }
  });

  it('stars in the λ chart what the search selects, each search by its own weight', async () => {
    for (const input of Object.values(ENERGY_INPUTS)) {
      const candidates = energyCandidates(input).map(({ step, metric, bytes, energy }) => ({
        ...{ step, metric, bytes, plan: `step ${step}`, energy: energy! },
      }));
      const { limits, baseline, energy } = input;
      const searches = [0.2, 5].map((weight) => ({
        ...{ name: `ε ${weight}`, limits, candidates, energy: { ...energy!, weight } },
      }));
      const chart = lambdaChart({ baseline, searches });
      await assertGoodChart(chart);
      await withView(chart, async (view) => {
        assert.match(textsOf(await view.toSVG()).join('\n'), /weighs modelled energy too/);
        for (const score of SCORES) {
          const stops = (view.signal('lambdaStops') as Record<ScoreName, number[]>)[score];
          for (let place = 0; place < stops.length; place += 5) {
            await set(view, { score, place });
            const rows = rowsWith(view, 'selected', 'unitLoss').filter((row) => row.selected);
            const starred = new Map(rows.map((row) => [row.case, row.step]));
            for (const { name, energy: own } of searches) {
              const context = energyContext(input, score, own.weight);
              const expected = selectWithin(candidates, stops[place], context, undefined);
              assert.equal(starred.get(name), expected?.step, `${name}, λ = ${stops[place]}`);
            }
          }
        }
      });
    }
  });
});

const bare = <T extends { readonly energy?: number }>({
  energy,
  ...step
}: T): Omit<T, 'energy'> => {
  assert.ok(energy === undefined || energy > 0);
  return step;
};
