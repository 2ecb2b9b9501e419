import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { Study } from '../../../src/experiment/open/study.js';
import { readTrace } from '../../../src/experiment/record/folder.js';
import { openRun } from '../../../src/experiment/record/open-run.js';
import { openLadder } from '../../../src/experiment/runs/ladder-run.js';
import { runSearch } from '../../../src/experiment/runs/search-run.js';
import {
  DEFAULT_SEARCH,
  type SearchSettings,
} from '../../../src/experiment/runs/search-settings.js';
import { stepRecords } from '../../../src/figures/records.js';
import { isUnquantized } from '../../../src/quant/plan.js';
import { DEFAULT_LADDER } from '../../../src/search/ladder/rungs.js';
import { takenText } from '../../../src/search/ladder/words.js';
import { Assignment } from '../../../src/search/space.js';
import { memoryStore, type MeasurementStore } from '../../../src/store/index.js';
import { SearchError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, sentencesOf, toyStudy, toyText } from '../study-support.js';

const SETTINGS: SearchSettings = {
  ...DEFAULT_SEARCH,
  bits: [8, 6, 4, 3, 2],
  constraints: {
    loss: { kind: 'absolute', value: 0.1 },
    memory: { kind: 'share', share: 0.3 },
  },
  yardsticks: { uniform: true, random: 0, seed: 1 },
};
const ON_LADDER: SearchSettings = { ...SETTINGS, ladder: DEFAULT_LADDER };

/** A study of 400 toy sentences or 200 windows: enough for several rungs. */
function withStudy(
  kind: 'sst2' | 'wikitext2',
  work: (open: (store?: MeasurementStore) => Promise<Study>, runs: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const toy = await toyStudy(folder, { kind });
    const checkpoint = await openCheckpoint(toy.options.file.checkpoint.path);
    const task = kind === 'sst2' ? await sentencesOf(checkpoint, 400, 7) : toyText(16 * 200, 7);
    const options = { ...toy.options, search: { ...toy.options.search, task } };
    const opened: Study[] = [];
    try {
      await work(
        async (store = memoryStore()) => {
          const study = await Study.open({ ...options, store });
          opened.push(study);
          return study;
        },
        join(folder, 'runs'),
      );
    } finally {
      for (const study of opened) await study.close();
      await checkpoint.close();
      await closeStudy(toy);
    }
  });
}

describe('ladder: searches', () => {
  before(() => startBackend('cpu'));

  for (const kind of ['sst2', 'wikitext2'] as const)
    it(`decide as all items do on ${kind}, from fewer, and measure what they select on all`, () =>
      withStudy(kind, async (open, runs) => {
        const constraints =
          kind === 'sst2'
            ? SETTINGS.constraints
            : { ...SETTINGS.constraints, loss: { kind: 'share', share: 0.3 } as const };
        const study = await open();
        const exact = await runSearch(study, { ...SETTINGS, constraints }, { runs });
        const sampled = await open();
        const run = await runSearch(sampled, { ...ON_LADDER, constraints }, { runs });
        const way = ({ outcome }: typeof run): unknown =>
          outcome.trace.map(({ assignment, accepted }) => [assignment.key, accepted]);
        assert.deepEqual(way(run), way(exact));
        const rungs = run.outcome.trace.map(({ rung }) => rung!);
        assert.ok(
          rungs.some(({ items, of }) => items < of),
          'no sample decided',
        );
        assert.ok(run.report.tokens < exact.report.tokens, 'nothing was saved');
        const kept = new Map(exact.outcome.trace.map((step) => [step.assignment.key, step]));
        assert.ok(run.outcome.candidates.length > 0);
        for (const { assignment, metric } of run.outcome.candidates) {
          const same = kept.get(assignment.key)!.evaluation;
          assert.equal(metric, same.kind === 'exact' && same.metric);
        }
        assert.match(run.yardsticks[0].name, /\(on \d+ of \d+\)/);
        const { steps } = await readTrace(run.folder);
        assert.deepEqual(steps[0].rung?.items, rungs[0].items);
        const saved = await openRun(run.folder);
        assert.ok(saved.kind === 'search');
        assert.deepEqual(saved.ladder, run.ladder);
        assert.deepEqual(saved.decisions, run.decisions);
      })).timeout(60_000);

  it('find everything in the store when they are repeated, and take the same steps', () =>
    withStudy('sst2', async (open, runs) => {
      const store = memoryStore();
      const first = await runSearch(await open(store), ON_LADDER, { runs });
      const again = await runSearch(await open(store), ON_LADDER, { runs });
      assert.ok(first.report.tokens > 0);
      assert.equal(again.report.tokens, 0);
      const files = await Promise.all([first, again].map(({ folder }) => readTrace(folder)));
      assert.deepEqual(files[1], files[0]);
      // What a search of all items measured decides as well as what samples did.
      const whole = memoryStore();
      await runSearch(await open(whole), SETTINGS, { runs });
      const after = await runSearch(await open(whole), ON_LADDER, { runs });
      assert.deepEqual(await readTrace(after.folder), files[0]);
    })).timeout(60_000);

  it('measure on all items what all items in one go do, to the bit', () =>
    withStudy('wikitext2', async (open) => {
      const study = await open();
      const space = study.space(SETTINGS);
      const plan = Assignment.unquantized.with(
        space.units.map(({ id }) => id),
        4,
      );
      const whole = await study.evaluator.measure(space.resolve(plan), 1);
      const other = await open();
      const { evaluate } = openLadder(other, space, SETTINGS, DEFAULT_LADDER);
      await evaluate(plan, { need: 'exact' });
      const found = other.evaluator.recall(space.resolve(plan))!;
      assert.deepEqual({ ...found, seconds: 0 }, { ...whole, seconds: 0 });
    }));

  it('say of what the largest rung does not tell that it was taken so', () =>
    withStudy('sst2', async (open) => {
      const study = await open();
      const space = study.space(SETTINGS);
      const { evaluate, used } = openLadder(study, space, SETTINGS, DEFAULT_LADDER, 2);
      assert.equal(used.rungs.length, 2);
      const baseline = await evaluate(Assignment.unquantized, { need: 'exact' });
      assert.ok(baseline.kind === 'exact' && isUnquantized(space.resolve(Assignment.unquantized)));
      const units = space.units.map(({ id }) => id);
      const plan = Assignment.unquantized.with(units, 4);
      const { metric } = (await evaluate(plan, { need: 'exact' })) as typeof baseline;
      const allowedLoss = baseline.metric - metric;
      const limit = { metric: 'accuracy', baseline: baseline.metric, allowedLoss } as const;
      const found = await evaluate(plan, { need: 'verdict', limit });
      assert.ok(found.kind === 'verdict' && found.rung);
      assert.equal(found.rung.clear, false);
      const step = { rung: found.rung, accepted: found.passes };
      const taken = `undecided, taken as ${found.passes ? 'kept' : 'refused'}`;
      assert.equal(takenText(step), taken);
      const [record] = stepRecords(
        [
          {
            ...step,
            index: 0,
            stage: 'global',
            unit: 'model',
            assignment: plan,
            bytes: 1,
            evaluation: found,
            candidate: false,
            reason: 'too large yet',
          },
        ],
        space.units,
        { task: 'sst2', model: 'toy' },
      );
      assert.ok(record.reason.includes(taken), record.reason);
      assert.equal(record.exact, false);
    }));

  it('are refused with a knapsack, and at a level that is none', () =>
    withStudy('sst2', async (open, runs) => {
      const study = await open();
      for (const settings of [
        { ...ON_LADDER, method: 'knapsack' as const },
        { ...ON_LADDER, ladder: { ...DEFAULT_LADDER, level: 0 } },
      ])
        await assert.rejects(runSearch(study, settings, { runs }), SearchError);
    }));
});
