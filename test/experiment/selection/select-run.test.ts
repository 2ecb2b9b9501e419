import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openRun } from '../../../src/experiment/record/open-run.js';
import type { SavedSearch } from '../../../src/experiment/record/saved-search.js';
import type { SearchRun } from '../../../src/experiment/runs/search-result.js';
import { runSearch } from '../../../src/experiment/runs/search-run.js';
import {
  DEFAULT_SEARCH,
  paceRemark,
  type SearchSettings,
} from '../../../src/experiment/runs/search-settings.js';
import type { Evaluator } from '../../../src/experiment/scoring/evaluator.js';
import { lambdaIntervals, select } from '../../../src/experiment/selection/select-run.js';
import { planId, resolvePlan } from '../../../src/quant/plan.js';
import { lossUnder } from '../../../src/search/constraints.js';
import type { Candidate } from '../../../src/search/trace.js';
import type { Measurement } from '../../../src/tasks/metrics/metrics.js';
import { pairedLoss } from '../../../src/tasks/metrics/paired.js';
import { SearchError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy } from '../study-support.js';

const SETTINGS: SearchSettings = {
  ...DEFAULT_SEARCH,
  bits: [8, 6, 4, 3, 2],
  constraints: {
    loss: { kind: 'absolute', value: 0.1 },
    memory: { kind: 'share', share: 0.3 },
  },
  lambdas: [0, 1],
  lambda: 0.3,
};

describe('experiment/selection', () => {
  before(() => startBackend('cpu'));

  it('selects from a run and from its folder alike, at each breakpoint of either score', () =>
    inFolder(async (folder) => {
      const study = await toyStudy(folder, {});
      try {
        const run = await runSearch(study, SETTINGS, { runs: join(folder, 'runs') });
        assert.deepEqual(
          run.selections.map(({ lambda }) => lambda),
          [0, 0.3, 1],
        );
        const saved = (await openRun(run.folder, join(folder, 'runs'))) as SavedSearch;
        for (const score of ['paper', 'balanced'] as const) {
          const intervals = lambdaIntervals(run, { score });
          assert.ok(intervals.length > 1);
          for (const tie of ['none', 'one-se'] as const)
            for (const { from } of intervals) {
              const [one, other] = [run, saved].map((each) => select(each, from, { score, tie }));
              assert.equal(one.candidate.step, other.candidate.step);
              assert.equal(one.planId, other.planId);
              const { hierarchy } = study.options.file;
              assert.equal(planId(resolvePlan(one.plan, hierarchy)), one.planId);
            }
        }
        assert.equal(select(run, 0.3).planId, run.selected!.planId);
        assert.deepEqual([...saved.ties!], [...run.ties!]);
        assert.deepEqual(saved.decisions, run.decisions);
        assert.deepEqual(saved.heldOut?.certificate, run.heldOut?.certificate);
        checkNoise(run, study.evaluator);
      } finally {
        await closeStudy(study);
      }
    }));

  it('says what has no candidates, and what knows no ties', () => {
    const outcome = {
      candidates: [],
      fp32Bytes: 1,
      limits: { quality: { metric: 'accuracy', baseline: 1, allowedLoss: 1 }, maxBytes: 1 },
    };
    const run = { settings: SETTINGS, outcome } as unknown as SearchRun;
    assert.throws(() => select(run, 0.5), /no plan of this search keeps its limits/);
    assert.throws(() => select(run, 0.5, { tie: 'one-se' }), /a run of an earlier version/);
    assert.throws(() => select(run, -1), SearchError);
  });

  it('remarks on a pace that skips candidates alone', () => {
    assert.equal(paceRemark(SETTINGS), undefined);
    assert.match(paceRemark({ ...SETTINGS, pace: 'bracketing' })!, /pace bracketing: .*skipped/);
    assert.equal(paceRemark({ ...SETTINGS, pace: 'bracketing', method: 'knapsack' }), undefined);
  });
});

/** Ties and close decisions, worked out again from measurements asked for one by one. */
function checkNoise(
  { outcome, space, ties, decisions, heldOut }: SearchRun,
  evaluator: Evaluator,
): void {
  const measured = ({ assignment }: Candidate): Measurement =>
    evaluator.recall(space.resolve(assignment))!;
  let tied = 0;
  for (const one of outcome.candidates) {
    const expected = outcome.candidates.filter((other) => {
      if (other.bytes >= one.bytes) return false;
      const { loss, standardError } = pairedLoss(measured(one), measured(other));
      return loss <= standardError!;
    });
    assert.deepEqual(
      ties!.get(one.step),
      expected.map(({ step }) => step),
    );
    tied += expected.length;
  }
  assert.ok(tied > 0, 'no ties show nothing');
  assert.equal(decisions!.total, outcome.trace.length);
  assert.equal(decisions!.measured + decisions!.stopped, decisions!.total);
  assert.ok(decisions!.close <= decisions!.measured);
  const observed = lossUnder(
    { ...outcome.limits.quality, baseline: heldOut!.baseline.value },
    heldOut!.quantized.value,
  );
  assert.ok(heldOut!.certificate!.loss > observed);
}
