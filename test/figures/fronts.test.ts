import assert from 'node:assert/strict';
import { frontsFigure, type DrawnFront } from '../../src/figures/fronts.js';
import { frontsChart, type FrontsSearch } from '../../src/plots/fronts/chart.js';
import type { ChartSpec } from '../../src/plots/parts/spec.js';
import type { StepRecord } from '../../src/plots/records.js';
import { Assignment } from '../../src/search/space.js';
import { PlotError } from '../../src/util/errors.js';
import {
  CASE_A1,
  CASE_B1,
  SST2_BASELINE,
  toySearch,
  WIKITEXT2_BASELINE,
} from '../plots/records.js';
import { assertGoodChart, assertNoTextOverlaps, drawnTexts, withView } from '../plots/support.js';

const SENTENCES = toySearch(SST2_BASELINE, CASE_A1);
const ARTICLES = toySearch(WIKITEXT2_BASELINE, CASE_B1);

type Row = Readonly<Record<string, unknown>>;

interface Panel {
  readonly title: { readonly text: string };
  readonly data: { readonly values: readonly Row[] };
}

function panelsOf(spec: ChartSpec): readonly Panel[] {
  return spec.vconcat as unknown as readonly Panel[];
}

function stepOf(place: Partial<StepRecord>): StepRecord {
  return { ...SENTENCES[0], exact: true, ...place };
}

/** The plans drawn as lines, by search: metric and bytes. */
function frontsOf(panel: Panel): Map<unknown, unknown[]> {
  const fronts = new Map<unknown, unknown[]>();
  for (const { search, metric, bytes, onFront } of panel.data.values)
    if (onFront === true) fronts.set(search, [...(fronts.get(search) ?? []), [metric, bytes]]);
  return fronts;
}

const search = (name: string, steps: readonly StepRecord[], selected?: number): FrontsSearch => ({
  ...{ name, steps, limits: CASE_A1 },
  ...(selected !== undefined && { selected }),
});

describe('figures: fronts', () => {
  it('draw several searches over one another, a panel for each model on its data', async () => {
    const spec = frontsChart([
      {
        baseline: SST2_BASELINE,
        searches: [search('tiered, best', SENTENCES, 4), search('knapsack, best', SENTENCES, 9)],
      },
      {
        baseline: WIKITEXT2_BASELINE,
        searches: [{ ...search('tiered, best', ARTICLES), limits: CASE_B1 }],
      },
    ]);
    await assertGoodChart(spec);
    assert.deepEqual(
      panelsOf(spec).map(({ title }) => title.text),
      ['SST-2, spikegpt-mini-sst2', 'WikiText-2, spikegpt-mini'],
    );
    await withView(spec, (view) => {
      assertNoTextOverlaps(view);
      const texts = drawnTexts(view).map(({ text }) => text);
      // The limits of both panels, and a legend for all.
      for (const text of ['75.7 %', '6.82 MB', '37.32', '8.28 MB'])
        assert.ok(texts.includes(text), text);
      assert.equal(texts.filter((text) => text === 'tiered, best').length, 1);
    });
  });

  it('take what no plan of the same search beats, of those measured to the end, and the plan selected', () => {
    const steps = [
      stepOf({ step: 0, metric: 0.78, bytes: 9e6 }),
      stepOf({ step: 1, metric: 0.77, bytes: 8e6 }),
      stepOf({ step: 2, metric: 0.79, bytes: 1e6, exact: false }),
      stepOf({ step: 3, metric: 0.77, bytes: 6e6, pairedLow: 0.76, pairedHigh: 0.775 }),
      stepOf({ step: 4, metric: NaN, bytes: 2e6 }),
      stepOf({ step: 5, metric: 0.76, bytes: 6.5e6 }),
    ];
    // With a third objective step 5 would be on a front: it takes least energy.
    const weighed = steps.map((each) => ({ ...each, energy: 10 - each.step }));
    for (const [tried, selected] of [
      [steps, 3],
      [weighed, 5],
    ] as const) {
      const spec = frontsChart([
        { baseline: SST2_BASELINE, searches: [search('one', tried, selected)] },
      ]);
      const [panel] = panelsOf(spec);
      assert.deepEqual(
        [...frontsOf(panel)],
        [
          [
            'one',
            [
              [0.77, 6e6],
              [0.78, 9e6],
            ],
          ],
        ],
      );
      const starred = panel.data.values.filter((row) => row.selected === true);
      assert.deepEqual(
        starred.map(({ bytes }) => bytes),
        [selected === 3 ? 6e6 : 6.5e6],
      );
      if (selected === 3) assert.equal(starred[0].barHigh, 0.775);
    }
  });

  it('name searches by method and quantizer, and tell apart those that are alike', () => {
    const run = (
      settings: Partial<DrawnFront['settings']>,
      bytes: number,
      fp32Bytes = 32_000,
    ): DrawnFront => ({
      outcome: {
        baseline: { kind: 'exact', metric: 0.78, extras: {} },
        fp32Bytes,
        limits: {
          quality: { metric: 'accuracy', baseline: 0.78, allowedLoss: 0.02 },
          maxBytes: Infinity,
        },
        trace: [
          {
            ...{ index: 0, stage: 'global', unit: 'model', bits: 8, bytes },
            ...{
              accepted: true,
              candidate: true,
              reason: 'meets both limits',
              assignment: Assignment.unquantized,
            },
            evaluation: { kind: 'exact', metric: 0.77 },
          },
        ],
      },
      space: { units: [] },
      settings: { method: 'tiered', pace: 'exact', quantizer: 'best', ...settings },
    });
    const study = {
      task: { name: 'sst2', title: 'reviews' },
      options: { file: { name: 'toy' } },
    } as const;
    const spec = frontsFigure([
      {
        study,
        runs: [
          run({ case: 'a1', quantizer: 'min-max', pace: 'bisection' }, 9000),
          run({ case: 'a1' }, 8000),
          run({ case: 'a2' }, 7000),
          run({ method: 'knapsack', predictor: 'fisher', quantizer: 'gptq' }, 6000),
          run({ method: 'knapsack', predictor: 'fisher', quantizer: 'gptq' }, 5000),
          run({ accounting: 'all' }, 10_000, 40_000),
        ],
      },
    ]);
    const names = panelsOf(spec).map((panel) => [...frontsOf(panel).keys()]);
    assert.deepEqual(names, [
      [
        'tiered by bisection, min-max',
        'a1, tiered, best',
        'a2, tiered, best',
        'knapsack by fisher, gptq (4)',
        'knapsack by fisher, gptq (5)',
      ],
      ['tiered, best'],
    ]);
    const [, all] = panelsOf(spec);
    assert.equal(all.title.text, 'reviews, toy, memory of all parameters in the file');
  });

  it('refuse nothing, two of one name, and searches that measured nothing', () => {
    const refused = (searches: readonly FrontsSearch[], message: RegExp): void => {
      const attempt = (): unknown => frontsChart([{ baseline: SST2_BASELINE, searches }]);
      assert.throws(attempt, (error: unknown) => {
        assert.ok(error instanceof PlotError);
        assert.match(error.message, message);
        return true;
      });
    };
    refused([], /no search to draw/);
    refused(
      [search('one', SENTENCES), search('one', SENTENCES)],
      /SST-2: two searches of one name/,
    );
    const bounds = SENTENCES.map((step) => ({ ...step, exact: false }));
    refused([search('one', bounds)], /no plan that was measured to the end/);
  });
});
