import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { startBackend } from '../../../src/backend/start.js';
import { describeSearch } from '../../../src/cli/format/search-text.js';
import type { Study } from '../../../src/experiment/open/study.js';
import { readRun, locateRun, readCandidates } from '../../../src/experiment/record/folder.js';
import { openRun } from '../../../src/experiment/record/open-run.js';
import {
  RUN_FILE,
  CANDIDATES_CSV,
  CANDIDATES_JSON,
  SELECTED_PLAN,
  TRACE_JSON,
} from '../../../src/experiment/record/schema.js';
import { selectSaved, planOfKept } from '../../../src/experiment/record/select-saved.js';
import { type SearchRun } from '../../../src/experiment/runs/search-result.js';
import { runSearch } from '../../../src/experiment/runs/search-run.js';
import {
  casesFor,
  DEFAULT_SEARCH,
  type SearchSettings,
} from '../../../src/experiment/runs/search-settings.js';
import { runSweep } from '../../../src/experiment/runs/sweep-run.js';
import { Evaluator } from '../../../src/experiment/scoring/evaluator.js';
import { NO_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import { modelledPlans } from '../../../src/experiment/selection/energy-objective.js';
import { select } from '../../../src/experiment/selection/select-run.js';
import { searchRecords } from '../../../src/figures/study-figures.js';
import { parsePlan } from '../../../src/quant/plan-json.js';
import { planId, resolvePlan } from '../../../src/quant/plan.js';
import type { LossAgainst } from '../../../src/search/differences.js';
import { evaluateExactly } from '../../../src/search/evaluation.js';
import { merit } from '../../../src/search/score.js';
import { Assignment } from '../../../src/search/space.js';
import { tieredSearch } from '../../../src/search/tiers/tiers.js';
import type { Candidate, SearchStep } from '../../../src/search/trace.js';
import { memoryStore } from '../../../src/store/index.js';
import { metricOf, type Measurement } from '../../../src/tasks/metrics/metrics.js';
import { pairedLoss } from '../../../src/tasks/metrics/paired.js';
import { AbortedError, DataError, SearchError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy, type ToyStudy } from '../study-support.js';

const SETTINGS: SearchSettings = {
  ...DEFAULT_SEARCH,
  bits: [8, 6, 4, 3, 2],
  constraints: {
    loss: { kind: 'absolute', value: 0.1 },
    memory: { kind: 'share', share: 0.3 },
  },
};

/** A study in a folder of its own, and where its runs go. */
function withStudy(
  work: (study: Study, runs: string, folder: string) => Promise<void>,
  options: ToyStudy = {},
): Promise<void> {
  return inFolder(async (folder) => {
    const study = await toyStudy(folder, options);
    try {
      await work(study, join(folder, 'runs'), folder);
    } finally {
      await closeStudy(study);
    }
  });
}

function withoutEnergy({ energy, ...candidate }: Candidate): Omit<Candidate, 'energy'> {
  assert.ok(energy !== undefined && energy > 0);
  return candidate;
}

/** What must not differ between two equal runs: every file but run.json, and its result. */
async function lastingFiles(folder: string): Promise<Record<string, unknown>> {
  const names = (await readdir(folder)).filter((name) => name !== RUN_FILE);
  const files: Record<string, unknown> = {};
  for (const name of names) files[name] = await readFile(join(folder, name), 'utf8');
  return { ...files, result: (await readRun(folder)).result };
}

describe('experiment/search-run', () => {
  before(() => startBackend('cpu'));

  it('walks the path that the search itself walks with every acceleration off', () =>
    withStudy(async (study, runs) => {
      const run = await runSearch(study, SETTINGS, { runs });
      const { file, search } = study.options;
      const plain = Evaluator.open({
        checkpoint: file.checkpoint.path,
        checkpointHash: study.sha256,
        model: file,
        backend: 'cpu',
        task: search.task,
        split: 'search',
        accelerations: NO_ACCELERATIONS,
      });
      const space = study.space(SETTINGS);
      const expected = await tieredSearch(space, plain.evaluateIn(space), {
        metric: 'accuracy',
        constraints: SETTINGS.constraints,
        bits: SETTINGS.bits,
      });
      await plain.close();
      const path = ({ trace }: Pick<typeof expected, 'trace'>): unknown =>
        trace.map(({ unit, bits, bytes, accepted, candidate }) => [
          unit,
          bits,
          bytes,
          accepted,
          candidate,
        ]);
      assert.deepEqual(path(run.outcome), path(expected));
      assert.deepEqual(run.outcome.candidates, expected.candidates);
      assert.ok(expected.candidates.length > 3);
      assert.ok(expected.trace.some(({ accepted }) => !accepted));
      assert.equal(run.evaluations.search, expected.evaluations);
    }));

  it('keeps what it found, and enough to select and to repeat', () =>
    withStudy(async (study, runs) => {
      const run = await runSearch(study, SETTINGS, { runs, command: ['search', 'toy'] });
      assert.deepEqual((await readdir(run.folder)).sort(), [
        CANDIDATES_CSV,
        CANDIDATES_JSON,
        RUN_FILE,
        SELECTED_PLAN,
        TRACE_JSON,
      ]);
      const json = await readRun(await locateRun(run.id, runs));
      assert.equal(json.state, 'finished');
      assert.deepEqual(json.command, ['search', 'toy']);
      assert.equal(json.versions.node, process.versions.node);
      assert.match(JSON.stringify(json.config), new RegExp(study.sha256));
      const config = json.config as unknown as { settings: SearchSettings };
      assert.deepEqual(config.settings, SETTINGS);
      const { hierarchy } = study.options.file;
      const text = await readFile(join(run.folder, SELECTED_PLAN), 'utf8');
      const resolved = resolvePlan(parsePlan(text), hierarchy);
      assert.equal(planId(resolved), run.selected?.planId);
      const logged = study.store.runs.show(run.id);
      assert.equal(logged?.state, 'finished');
      const csv = await readFile(join(run.folder, CANDIDATES_CSV), 'utf8');
      const lines = csv.trim().split('\n');
      assert.equal(lines.length, run.outcome.candidates.length + 1);
      const columns = 9 + run.space.units.length;
      for (const line of lines) assert.equal(line.split(',').length, columns);
    }));

  it('measures the selected plan on the held-out split, paired with the baseline', () =>
    withStudy(async (study, runs) => {
      const run = await runSearch(study, SETTINGS, { runs });
      const { baseline, quantized, comparison } = run.heldOut!;
      assert.equal(baseline.taskId, study.options.heldOut!.task.id);
      assert.notEqual(baseline.taskId, study.task.id);
      assert.ok(baseline.metric === 'accuracy' && quantized.metric === 'accuracy');
      const lost = baseline.correct.filter((right, i) => right > quantized.correct[i]).length;
      assert.ok(comparison.metric === 'accuracy');
      assert.equal(comparison.onlyBaseline, lost);
      assert.ok(lost > 0);
      const other = await runSearch(study, { ...SETTINGS, lambda: 0 }, { runs });
      assert.notEqual(other.selected?.planId, run.selected?.planId);
      assert.equal(
        study.store.list({ split: 'held-out' }).length,
        3,
        'the baseline was measured twice, or plans that were not selected',
      );
    }));

  it('does without held-out data', () =>
    withStudy(
      async (study, runs) => {
        const run = await runSearch(study, SETTINGS, { runs });
        assert.ok(run.selected);
        assert.equal(run.heldOut, undefined);
      },
      { judged: false },
    ));

  it('repeated, measures nothing and finds the same', () =>
    withStudy(async (study, runs, folder) => {
      const first = await runSearch(study, SETTINGS, { runs });
      assert.ok(first.report.measured > 0 && first.report.stopped > 0);
      const again = await toyStudy(folder, { store: study.store });
      try {
        const second = await runSearch(again, SETTINGS, { runs });
        assert.notEqual(second.id, first.id);
        const { measured, stopped, remembered, work } = second.report;
        assert.deepEqual([measured, stopped, work.done], [0, 0, 0]);
        assert.ok(remembered >= second.outcome.trace.length);
        assert.deepEqual(await lastingFiles(second.folder), await lastingFiles(first.folder));
      } finally {
        await closeStudy(again);
      }
    }));

  it('says the same whatever the store knew, and has the metric of each plan that could be on the front', () =>
    withStudy(async (study, runs, folder) => {
      const memory = { kind: 'share', share: 0.22 } as const;
      const tight = { ...SETTINGS, constraints: { ...SETTINGS.constraints, memory } };
      const cold = await runSearch(study, tight, { runs });
      const { trace } = cold.outcome;
      const accepted = trace.filter((step) => step.accepted);
      const smallest = Math.min(...accepted.map(({ bytes }) => bytes));
      for (const { evaluation, accepted: kept, bytes } of trace)
        assert.equal(evaluation.kind, kept || bytes < smallest ? 'exact' : 'verdict');
      assert.ok(trace.some(({ reason }) => reason === 'too large yet'));
      assert.ok(trace.some(({ evaluation }) => evaluation.kind === 'verdict'));
      // A store that knows every plan to the end, as one of other searches may.
      const store = memoryStore();
      const warm = await toyStudy(folder, { store });
      try {
        const evaluate = warm.evaluator.evaluateIn(cold.space);
        for (const { assignment } of trace) await evaluateExactly(evaluate, assignment);
        const again = await runSearch(warm, tight, { runs });
        assert.deepEqual(await lastingFiles(again.folder), await lastingFiles(cold.folder));
        const records = [searchRecords(study, cold), searchRecords(warm, again)];
        assert.deepEqual(records[1], records[0]);
      } finally {
        await closeStudy(warm);
      }
    }));

  it('keeps how any two of its plans differ, item by item, and how the uniform ones do from fp32', () =>
    withStudy(async (study, runs) => {
      const run = await runSearch(study, SETTINGS, { runs });
      const { differences = new Map<number, readonly LossAgainst[]>(), outcome, space } = run;
      const measured = outcome.trace.filter(({ evaluation }) => evaluation.kind === 'exact');
      assert.deepEqual(
        [...differences.keys()],
        measured.map(({ index }) => index),
      );
      const recall = ({ assignment }: Pick<SearchStep, 'assignment'>): Measurement =>
        study.evaluator.recall(space.resolve(assignment))!;
      for (const [place, step] of measured.entries()) {
        const against = differences.get(step.index)!;
        assert.equal(against.length, place);
        for (const { step: other, low, high } of against) {
          const [one, two] = [recall(outcome.trace[other]), recall(step)];
          const metric = metricOf(one.metric);
          const whole = metric.lossInterval(one, two, pairedLoss(one, two))!;
          assert.ok(Math.abs(low - whole.low) < 1e-4 && Math.abs(high - whole.high) < 1e-4);
          const loss = metric.lossOf(one.value, two.value);
          assert.ok(low <= loss && loss <= high);
        }
      }
      const saved = await openRun(run.folder);
      assert.ok(saved.kind === 'search');
      assert.deepEqual(searchRecords(saved.study, saved), searchRecords(study, run));
      const uniform = run.yardsticks.filter(({ kind }) => kind === 'uniform');
      assert.ok(uniform.length > 0);
      for (const { metric, pairedLow = NaN, pairedHigh = NaN } of uniform)
        assert.ok(pairedLow <= metric && metric <= pairedHigh);
      assert.deepEqual(saved.yardsticks, run.yardsticks);
    }));

  it('stopped on request, keeps its trace and goes on under its own name', () =>
    withStudy(async (study, runs) => {
      const abort = new AbortController();
      let steps = 0;
      const stopped = runSearch(study, SETTINGS, {
        runs,
        signal: abort.signal,
        onStep: () => {
          if (++steps === 4) abort.abort();
        },
      });
      await assert.rejects(stopped, AbortedError);
      const [logged] = study.store.runs.list();
      assert.equal(logged.state, 'interrupted');
      const folder = await locateRun(logged.id, runs);
      assert.equal((await readRun(folder)).state, 'interrupted');
      const trace = JSON.parse(await readFile(join(folder, TRACE_JSON), 'utf8')) as {
        steps: unknown[];
      };
      assert.equal(trace.steps.length, 4);
      await assert.rejects(readCandidates(folder), /a search that is interrupted/);
      // Another search does not take it for its own.
      const other = await runSearch(study, { ...SETTINGS, lambda: 1 }, { runs });
      assert.equal(other.resumed, false);
      const resumed = await runSearch(study, SETTINGS, { runs });
      assert.equal(resumed.resumed, true);
      assert.equal(resumed.id, logged.id);
      assert.equal((await readRun(folder)).starts.length, 2);
      assert.equal(study.store.runs.list().length, 2);
    }));

  it('tells what it is doing: tier, unit, bits, the best so far, evaluations left', () =>
    withStudy(async (study, runs) => {
      const phases: string[] = [];
      const notes: (string | undefined)[] = [];
      let best = 0;
      await runSearch(study, SETTINGS, {
        runs,
        onProgress: (event) => {
          if (!phases.includes(event.phase)) phases.push(event.phase);
          if (event.phase === 'compare') notes.push(event.note);
          assert.ok(event.done <= event.total);
          if ('best' in event) best = event.best.bytes;
        },
      });
      assert.deepEqual(phases.slice(0, 2), ['estimate', 'global: model at 8 bits']);
      assert.ok(notes.includes('8 bits'));
      assert.ok(phases.includes('search done'));
      assert.ok(best > 0);
    }));

  describe('that nothing meets', () => {
    const impossible: SearchSettings = {
      ...SETTINGS,
      bits: [8, 4],
      constraints: {
        loss: { kind: 'absolute', value: 0 },
        memory: { kind: 'absolute', value: 100 },
      },
    };

    it('gives the nearest plan and what it misses by, and keeps all it measured', () =>
      withStudy(async (study, runs) => {
        const run = await runSearch(study, impossible, { runs });
        const { nearest } = run.outcome;
        assert.ok(nearest);
        assert.equal(run.selected, undefined);
        assert.deepEqual(run.selections, []);
        assert.equal(run.heldOut, undefined);
        assert.equal(nearest.misses.bytes, nearest.bytes - 100);
        assert.equal(study.store.runs.show(run.id)?.state, 'finished');
        const kept = await readCandidates(run.folder);
        assert.equal(selectSaved(kept, 0.5, study.options.file), undefined);
        const again = await runSearch(study, impossible, { runs });
        assert.equal(again.report.measured + again.report.stopped, 0);
        assert.deepEqual(again.outcome.nearest, nearest);
      }));
  });

  describe('of unusual shape', () => {
    const shapes: readonly [string, Partial<SearchSettings>, ToyStudy?][] = [
      ['without limits', { constraints: {} }],
      [
        'with limits that everything meets',
        { constraints: { loss: { kind: 'absolute', value: 1 } } },
      ],
      ['with one bit width', { bits: [6] }],
      ['of a model with one block', {}, { config: { layers: 1 } }],
      ['matrix by matrix', { granularity: 'matrix', bits: [8, 4] }],
      ['least sensitive first', { order: 'least-sensitive-first', bits: [6, 3] }],
      ['by bisection', { pace: 'bisection' }],
      ['by knapsack', { method: 'knapsack', bits: [8, 6, 4] }],
      ['by knapsack on divergences', { method: 'knapsack', predictor: 'kl', bits: [8, 6, 4] }],
      ['with the best quantizer', { quantizer: 'best', bits: [8, 4] }],
    ];
    for (const [name, change, options] of shapes)
      it(`${name} ends in candidates and a judged plan`, () =>
        withStudy(async (study, runs) => {
          const run = await runSearch(study, { ...SETTINGS, ...change }, { runs });
          assert.ok(run.outcome.candidates.length > 0);
          assert.ok(run.heldOut);
          assert.ok(run.smallest);
          for (const { bytes } of run.outcome.candidates) assert.ok(bytes >= run.smallest.bytes);
        }, options));

    it('with unsorted, repeated bit widths is the search with sorted ones', () =>
      withStudy(async (study, runs) => {
        const one = await runSearch(study, SETTINGS, { runs });
        const bits = [3, 8, 2, 4, 6, 8, 3];
        const other = await runSearch(study, { ...SETTINGS, bits }, { runs });
        const found = ({ outcome }: SearchRun): unknown => outcome.candidates;
        assert.deepEqual(found(other), found(one));
      }));

    it('with settings that make no sense fails by name', () =>
      withStudy(async (study, runs) => {
        for (const change of [
          { bits: [] },
          { bits: [0] },
          { lambda: -2 },
          { lambda: 2, score: 'balanced' },
          { lambdas: [0, -1] },
          { constraints: { loss: { kind: 'absolute', value: -1 } } },
        ] as const)
          await assert.rejects(
            runSearch(study, { ...SETTINGS, ...change }, { runs }),
            SearchError,
            JSON.stringify(change),
          );
        assert.deepEqual(study.store.runs.list(), [], 'a run was begun');
      }));
  });

  it('stores a spike embedding by its sign at no loss: 31/32 of its bytes gone', () =>
    withStudy(async (study) => {
      const space = study.space({ granularity: 'module', quantizer: 'best' });
      const evaluate = study.evaluator.evaluateIn(space);
      const sign = Assignment.of({ 'input/embedding': 8 });
      const [before, after] = [
        await evaluateExactly(evaluate, Assignment.unquantized),
        await evaluateExactly(evaluate, sign),
      ];
      assert.equal(after.metric, before.metric);
      const fp32 = 4 * 61 * 16;
      assert.equal(space.bytes(Assignment.unquantized) - space.bytes(sign), (31 / 32) * fp32);
    }));

  it('keeps the speed of each plan with the work, not with the result, and says what is remembered', () =>
    withStudy(async (study, runs) => {
      const first = await runSearch(study, SETTINGS, { runs });
      const { work, result, machine } = await readRun(first.folder);
      const speeds = work!.speeds!;
      for (const { assignment } of first.outcome.candidates) {
        const own = speeds[planId(first.space.resolve(assignment))];
        assert.ok(own.tokensPerSecond > 0 && !own.remembered);
        assert.equal(own.machine, machine);
      }
      assert.doesNotMatch(JSON.stringify(result), /tokensPerSecond|remembered/);
      // Again with the same store: nothing is measured, and the speeds are those of before.
      const again = await runSearch(study, SETTINGS, { runs });
      const later = (await readRun(again.folder)).work!.speeds!;
      assert.deepEqual(
        Object.entries(later).map(([id, speed]) => [id, speed.tokensPerSecond, speed.remembered]),
        Object.keys(later).map((id) => [id, speeds[id].tokensPerSecond, true]),
      );
      const back = await openRun(again.id, runs);
      assert.match(describeSearch({ ...again, report: back.report }, 'accuracy'), /\(remembered\)/);
    }));

  describe('modelled energy as an objective', () => {
    const WEIGHED: SearchSettings = { ...SETTINGS, energyWeight: 0.5 };

    it('is in the files as modelled, selects there as in the run, and is read back', () =>
      withStudy(async (study, runs) => {
        const run = await runSearch(study, WEIGHED, { runs });
        const kept = await readCandidates(run.folder);
        const { file } = study.options;
        const modelled = modelledPlans(file)!;
        assert.deepEqual(kept.modelledEnergy, {
          ...{ weight: 0.5, unquantizedMicrojoules: modelled.unquantized },
          ...{ accounting: 'as built', memory: 'DRAM', tokensPerRead: 1 },
        });
        for (const candidate of kept.candidates) {
          const plan = resolvePlan(planOfKept(kept, candidate, file.hierarchy), file.hierarchy);
          assert.equal(candidate.modelledMicrojoules, modelled.ofPlan(plan));
          assert.ok(candidate.modelledMicrojoules < modelled.unquantized);
        }
        const [head, ...lines] = (await readFile(join(run.folder, CANDIDATES_CSV), 'utf8'))
          .trim()
          .split('\n')
          .map((line) => line.split(','));
        const column = head.indexOf('modelled µJ/token');
        assert.deepEqual(
          lines.map((cells) => Number(cells[column])),
          kept.candidates.map((candidate) => candidate.modelledMicrojoules),
        );
        // The front of three, of the run and of its table.
        assert.equal(
          lines.filter((cells) => cells[head.indexOf('on front')] === 'true').length,
          run.front.length,
        );
        const back = await openRun(run.id, runs);
        assert.ok(back.kind === 'search');
        for (const lambda of [0, 0.01, 0.5, 5])
          for (const energyWeight of [undefined, 0, 0.5, 40]) {
            const { step } = select(run, lambda, { energyWeight }).candidate;
            assert.equal(select(back, lambda, { energyWeight }).candidate.step, step);
            const by = { energyWeight: energyWeight ?? 0.5 };
            assert.equal(selectSaved(kept, lambda, file, by)!.candidate.step, step);
          }
      }));

    it('changes neither a file nor a selection where it has no weight, and can be weighed afterwards', () =>
      withStudy(async (study, runs) => {
        const plain = await runSearch(study, SETTINGS, { runs });
        const weighed = await runSearch(study, WEIGHED, { runs });
        for (const text of Object.values(await lastingFiles(plain.folder)))
          assert.doesNotMatch(JSON.stringify(text), /modelled|energy/i);
        assert.deepEqual(plain.outcome.candidates, weighed.outcome.candidates.map(withoutEnergy));
        const kept = await readCandidates(plain.folder);
        for (const lambda of [0, 0.1, 1])
          for (const energyWeight of [0.5, 40]) {
            const own = select(plain, lambda, { energyWeight }).candidate;
            assert.equal(own.step, select(weighed, lambda, { energyWeight }).candidate.step);
            const saved = selectSaved(kept, lambda, study.options.file, { energyWeight });
            assert.equal(saved!.candidate.step, own.step);
          }
      }));

    it('is refused before anything is measured where a family is not modelled', () =>
      withStudy(async (study, runs) => {
        const { file } = study.options;
        const family = { ...file.family, operations: undefined };
        const options = { ...study.options, file: { ...file, family } };
        const other = Object.create(study, { options: { value: options } }) as Study;
        await assert.rejects(runSearch(other, WEIGHED, { runs }), /energy can be no objective/);
        assert.equal(study.evaluator.report().measured, 0);
      }));
  });

  describe('selection from what was kept', () => {
    it('is the selection of the run, for any λ', () =>
      withStudy(async (study, runs) => {
        const run = await runSearch(study, SETTINGS, { runs });
        const kept = await readCandidates(run.folder);
        const { hierarchy } = study.options.file;
        for (const { lambda, candidate } of run.selections) {
          const saved = selectSaved(kept, lambda, study.options.file)!;
          assert.equal(saved.candidate.step, candidate.step);
          const plan = planOfKept(kept, saved.candidate, hierarchy);
          const resolved = resolvePlan(plan, hierarchy);
          assert.equal(planId(resolved), saved.candidate.plan);
          assert.equal(planId(resolved), planId(run.space.resolve(candidate.assignment)));
        }
        fc.assert(
          fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (lambda) => {
            const best = selectSaved(kept, lambda, study.options.file)!.candidate;
            for (const other of kept.candidates)
              assert.ok(merit(best, lambda, kept) >= merit(other, lambda, kept));
          }),
        );
        assert.throws(() => selectSaved(kept, -1, study.options.file), SearchError);
        assert.throws(
          () => selectSaved(kept, 1.5, study.options.file, { score: 'balanced' }),
          SearchError,
        );
      }));

    it('says what is no run, and what has no candidates', () =>
      withStudy(async (study, runs, folder) => {
        await assert.rejects(locateRun('nowhere', runs), DataError);
        const sweep = await runSweep(
          study,
          { bits: [4], levels: ['block'], quantizer: 'min-max', observables: false },
          { runs },
        );
        await assert.rejects(readCandidates(sweep.folder), DataError);
        await assert.rejects(readRun(folder), DataError);
      }));
  });

  it('names the cases of a metric', () => {
    assert.deepEqual(casesFor('accuracy'), ['a1', 'a2', 'a3']);
    assert.deepEqual(casesFor('perplexity'), ['b1', 'b2', 'b3']);
  });

  it('keeps a text model’s search as well', () =>
    withStudy(
      async (study, runs) => {
        const constraints = { loss: { kind: 'absolute', value: 20 } } as const;
        const run = await runSearch(study, { ...SETTINGS, constraints, bits: [8, 4] }, { runs });
        assert.equal(run.heldOut?.comparison.metric, 'perplexity');
        const again = await runSearch(study, { ...SETTINGS, constraints, bits: [8, 4] }, { runs });
        assert.deepEqual(await lastingFiles(again.folder), await lastingFiles(run.folder));
      },
      { kind: 'wikitext2', store: memoryStore() },
    ));
});
