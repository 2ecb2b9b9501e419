import assert from 'node:assert/strict';
import { trainingChart } from '../../src/plots/training/training-curve.js';
import { PlotError } from '../../src/util/errors.js';
import { assertGoodChart, rowsWith, withView } from '../plots/support.js';

const losses = Array.from({ length: 700 }, (_, i) => ({ step: i + 1, loss: 0.7 - i / 2000 }));
const common = { model: 'spikegpt-mini', steps: 1000 } as const;

describe('plots/training-curve', () => {
  it('is valid and draws without a warning, from the first step on', async () => {
    const marks = [100, 200, 300].map((step) => ({ step, metric: 0.5 + step / 2000 }));
    await assertGoodChart(trainingChart({ ...common, task: 'sst2', losses, marks }));
    const one = losses.slice(0, 1);
    await assertGoodChart(trainingChart({ ...common, task: 'wikitext2', losses: one, marks: [] }));
  });

  it('draws means of neighbours of many steps, and fills the best mark of either metric', async () => {
    const marks = [
      { step: 100, metric: 40 },
      { step: 200, metric: 30 },
      { step: 300, metric: 35 },
    ];
    for (const [task, best] of [
      ['sst2', 100],
      ['wikitext2', 200],
    ] as const)
      await withView(trainingChart({ ...common, task, losses, marks }), (view) => {
        const drawn = rowsWith(view, 'step', 'loss') as { step: number; loss: number }[];
        const steps = new Set(drawn.map(({ step }) => step));
        assert.equal(steps.size, Math.ceil(700 / 3));
        assert.ok(Math.abs(drawn.find(({ step }) => step === 3)!.loss - (0.7 - 1 / 2000)) < 1e-12);
        const filled = (rowsWith(view, 'step', 'best') as { step: number; best: boolean }[]).filter(
          (row) => row.best,
        );
        assert.ok(filled.length > 0 && filled.every(({ step }) => step === best));
        return Promise.resolve();
      });
  });

  it('refuses to draw nothing', () => {
    assert.throws(
      () => trainingChart({ ...common, task: 'sst2', losses: [], marks: [] }),
      PlotError,
    );
  });
});
