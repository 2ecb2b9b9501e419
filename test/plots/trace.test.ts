import assert from 'node:assert/strict';
import { traceChart, type TraceInput } from '../../src/plots/figures/trace.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { CASE_A1, CASE_B1, SST2_BASELINE, toySearch, WIKITEXT2_BASELINE } from './records.js';
import { assertGoodChart, rowsWith, textsOf, withView } from './support.js';

const INPUT: TraceInput = {
  steps: toySearch(SST2_BASELINE, CASE_A1),
  baseline: SST2_BASELINE,
  limits: CASE_A1,
  name: 'a1',
};

describe('plots/trace', () => {
  it('is valid and draws without a warning', async () => {
    await assertGoodChart(traceChart(INPUT));
    const steps = toySearch(WIKITEXT2_BASELINE, CASE_B1);
    await assertGoodChart(traceChart({ steps, baseline: WIKITEXT2_BASELINE, limits: CASE_B1 }));
    await assertGoodChart(traceChart({ ...INPUT, limits: { loss: Infinity, bytes: Infinity } }));
    const bare = INPUT.steps.map((step) => ({ ...step, exact: false }));
    await assertGoodChart(traceChart({ ...INPUT, steps: bare }));
  });

  it('shows the step that the slider is on: its words and its bits', async () => {
    await withView(traceChart(INPUT), async (view) => {
      for (const index of [0, 9, INPUT.steps.length - 1]) {
        view.signal('step', index);
        await view.runAsync();
        const svg = await view.toSVG();
        const { unit, bits, units } = INPUT.steps[index];
        const status = textsOf(svg).filter((text) =>
          text.startsWith(`step ${index}, ${unit} at ${bits} bits`),
        );
        assert.equal(status.length, 1);
        const cells = [...svg.matchAll(/aria-label="[^"]*Part: [^;]+; Bits a weight: (\d+)"/g)];
        assert.deepEqual(
          cells.map((match) => Number(match[1])),
          units.map((each) => each.bits),
        );
      }
    });
  });

  it('tells candidates from plans that are kept but too large, and from refused ones', async () => {
    await withView(traceChart(INPUT), (view) => {
      const rows = rowsWith(view, 'verdict', 'step') as { step: number; verdict: string }[];
      for (const { step, verdict } of rows) {
        const expected = {
          'meets both limits': 'candidate',
          'too large yet': 'kept, too large yet',
          'loses too much': 'refused',
        }[INPUT.steps[step].reason];
        assert.equal(verdict, expected);
      }
      assert.equal(new Set(rows.map((row) => row.verdict)).size, 3);
    });
  });

  it('keeps a plan that is broken beyond measure from flattening the rest', async () => {
    const steps = toySearch(WIKITEXT2_BASELINE, CASE_B1);
    const broken = { ...steps[5], metric: 5000, exact: true, low: 4800, high: 5200 };
    const chart = traceChart({
      steps: steps.map((step) => (step.step === 5 ? broken : step)),
      baseline: WIKITEXT2_BASELINE,
      limits: CASE_B1,
    });
    await withView(chart, async (view) => {
      const texts = textsOf(await view.toSVG());
      const ticks = texts.map(Number).filter((value) => value > 60);
      assert.deepEqual(ticks, []);
    });
  });

  it('lists a plan that broke the model without drawing it', async () => {
    const steps = INPUT.steps.map((step) => (step.step === 3 ? { ...step, metric: NaN } : step));
    await assertGoodChart(traceChart({ ...INPUT, steps }));
    await withView(traceChart({ ...INPUT, steps }), async (view) => {
      view.signal('step', 3);
      await view.runAsync();
      const texts = textsOf(await view.toSVG());
      assert.ok(texts.some((text) => text.includes('no number')));
    });
  });

  it('draws a line and a name where a tier begins, in both panels', async () => {
    const svg = await renderSvg(traceChart(INPUT));
    const tiers = new Set(INPUT.steps.map(({ stage }) => stage));
    assert.equal(tiers.size, 3);
    // None before the first tier.
    assert.equal(svg.split('stroke-dasharray="1,3"').length - 1, 2 * (tiers.size - 1));
    for (const tier of ['block tier', 'module tier']) assert.ok(textsOf(svg).includes(tier), tier);
  });

  it('says in the title how many plans meet both limits', () => {
    const titleOf = (input: TraceInput): string =>
      (traceChart(input).title as { text: string }).text;
    const meeting = INPUT.steps.filter(({ reason }) => reason === 'meets both limits');
    const least = Math.min(...meeting.map(({ bytes }) => bytes)) / 1e6;
    const counted = `${meeting.length} of ${INPUT.steps.length} plans meet both limits`;
    assert.ok(
      titleOf(INPUT).startsWith(`Case a1: ${counted}, the smallest ${least.toFixed(2)} MB (−`),
    );
    const tight = { ...INPUT, limits: { ...CASE_A1, bytes: 1 } };
    assert.equal(titleOf(tight), `Case a1: none of ${INPUT.steps.length} plans meets both limits`);
  });

  it('refuses an empty trace', () => {
    assert.throws(() => traceChart({ ...INPUT, steps: [] }), /no step to draw/);
  });
});
