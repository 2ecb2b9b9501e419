import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { byFisher, FISHER, fisherTable } from '../../src/experiment/observe/fisher-table.js';
import type { Study } from '../../src/experiment/open/study.js';
import { openRun } from '../../src/experiment/record/open-run.js';
import { runSearch } from '../../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type SearchSettings } from '../../src/experiment/runs/search-settings.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { orderBySensitivity } from '../../src/search/sensitivity.js';
import { groupsOf } from '../../src/search/space.js';
import { expectedIncrease, fisherInformation, FISHER_WINDOWS } from '../../src/training/fisher.js';
import { UsageError } from '../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy, type ToyStudy } from '../experiment/study-support.js';

const SPACE = { granularity: 'module', quantizer: 'min-max' } as const;

function withStudy(
  options: ToyStudy,
  work: (study: Study, folder: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const study = await toyStudy(folder, options);
    try {
      await work(study, folder);
    } finally {
      await closeStudy(study);
    }
  });
}

async function withModel(
  { options: { file } }: Study,
  work: (model: LoadedModel) => Promise<void>,
): Promise<void> {
  const model = await LoadedModel.load(file.checkpoint, { description: file });
  try {
    await work(model);
  } finally {
    model.dispose();
  }
}

/** The result as the run's folder has it. */
async function resultOf(folder: string): Promise<unknown> {
  const kept = JSON.parse(await readFile(`${folder}/run.json`, 'utf8')) as { result: unknown };
  assert.ok(kept.result !== undefined);
  return kept.result;
}

describe('Fisher information', () => {
  before(() => startBackend('cpu'));
  after(() => startBackend('wasm'));

  it('expects half the squared gradient times the squared error, a prediction', () => {
    const information = {
      squares: new Map([['w', Float32Array.of(4, 1, 9)]]),
      predictions: 10,
    };
    const [values, rounded] = [Float32Array.of(1, -1, 0), Float32Array.of(1.5, -1, -1)];
    const found = expectedIncrease(information, 'w', values, rounded, false);
    assert.ok(Math.abs(found - (4 * 0.25 + 9 * 1) / 20) < 1e-6);
    // By signs alone the last value counts: 0 spikes, -1 does not.
    const bySign = expectedIncrease(information, 'w', values, rounded, true);
    assert.ok(Math.abs(bySign - 9 / 20) < 1e-6);
    assert.equal(expectedIncrease(information, 'other', values, rounded, false), 0);
  });

  it('adds up squares of the gradients of single sequences, whatever they are batched with', () =>
    withStudy({}, (study) =>
      withModel(study, async (model) => {
        const name = 'blocks.0.att.value.weight';
        const { task } = study;
        const { squares, sequences, predictions } = await fisherInformation(model, task, [name]);
        assert.equal(sequences, 60);
        assert.equal(predictions, 60);
        assert.deepEqual([...squares.keys()], [name]);
        const expected = new Float64Array(squares.get(name)!.length);
        for (const [index, { inputs, lengths }] of task.batches.entries())
          for (let row = 0; row < inputs.batch; row++) {
            const loss = task.lossOf!(index);
            // Zero weights for all others: the same gradient from the whole batch.
            const weights = loss.weights.map((_, at) => (at === row ? 1 : 0));
            const { gradients } = await model.gradient(inputs, { ...loss, weights });
            gradients.get(name)!.forEach((value, at) => (expected[at] += value * value));
            assert.ok(lengths[row] > 0);
          }
        const largest = Math.max(...expected);
        assert.ok(largest > 0);
        squares.get(name)!.forEach((value, at) => {
          assert.ok(Math.abs(value - expected[at]) <= 1e-4 * largest);
        });
      }),
    ));

  it('counts the scored tokens of windows', () =>
    withStudy({ kind: 'wikitext2' }, (study) =>
      withModel(study, async (model) => {
        const found = await fisherInformation(model, study.task, ['head.weight']);
        assert.equal(found.sequences, Math.min(12, FISHER_WINDOWS));
        assert.equal(found.predictions, 12 * 16);
        assert.equal(found.tokens, 12 * 16);
      }),
    ));

  it('is refused for a task that nothing can be trained for', () =>
    withStudy({}, (study) =>
      withModel(study, async (model) => {
        const task = { ...study.task };
        delete task.lossOf;
        await assert.rejects(fisherInformation(model, task, []), UsageError);
      }),
    ));

  it('fills a table from one evaluation, in which fewer bits cost more', () =>
    withStudy({ kind: 'wikitext2' }, async (study) => {
      const space = study.space(SPACE);
      const bits = [12, 8, 4, 2];
      const { table, work } = await fisherTable(study, space, {
        bits,
        levels: ['block', 'module'],
      });
      assert.equal(study.evaluator.report().measured, 1);
      assert.ok(work.seconds > 0);
      const groups = [...groupsOf(space, 'block'), ...groupsOf(space, 'module')];
      assert.equal(table.rows.length, groups.length * bits.length);
      for (const { id } of groups.slice(1)) {
        const costs = table.rows
          .filter(({ unit }) => unit === id)
          .map((row) => row.extras![FISHER]);
        assert.ok(
          costs.every((cost, at) => at === 0 || cost >= costs[at - 1]),
          `${id}: ${costs.join(', ')}`,
        );
        assert.ok(costs.at(-1)! > 0, id);
      }
      // A block costs what its modules cost.
      const costOf = (unit: string): number =>
        table.rows.find((row) => row.unit === unit && row.bits === 4)!.extras![FISHER];
      const modules = groupsOf(space, 'module').filter(({ block }) => block === 'attention.0');
      const sum = modules.reduce((total, { id }) => total + costOf(id), 0);
      assert.ok(Math.abs(sum - costOf('attention.0')) < 1e-9 + 1e-6 * sum);
      const order = orderBySensitivity(groupsOf(space, 'block'), byFisher(table));
      assert.equal(order.length, groupsOf(space, 'block').length);
    }));

  const settings: SearchSettings = {
    ...DEFAULT_SEARCH,
    ...{ method: 'knapsack', predictor: 'fisher', bits: [8, 6, 4, 3], maxEvaluations: 8 },
    constraints: { loss: { kind: 'absolute', value: 0.3 }, memory: { kind: 'share', share: 0.3 } },
  };

  for (const kind of ['sst2', 'wikitext2'] as const)
    it(`leads a knapsack to plans that are measured, ${kind}`, () =>
      withStudy({ kind }, async (study, folder) => {
        const constraints =
          kind === 'sst2'
            ? settings.constraints
            : { ...settings.constraints, loss: { kind: 'absolute', value: 30 } as const };
        const runs = `${folder}/runs`;
        const run = await runSearch(study, { ...settings, constraints }, { runs });
        assert.equal(run.evaluations.table, 1);
        assert.ok(run.evaluations.search <= 8 + 1);
        assert.ok(run.selected && run.heldOut);
        assert.ok(run.gradients!.sequences > 0);
        const read = await openRun(run.folder);
        assert.ok('gradients' in read);
        assert.deepEqual(read.gradients, run.gradients);
        assert.deepEqual(read.gradientsWork, run.gradientsWork);
        assert.ok(run.gradientsWork!.seconds > 0);
        // The same result when it is repeated: what it cost is not in it.
        const again = await runSearch(study, { ...settings, constraints }, { runs });
        assert.deepEqual(await resultOf(again.folder), await resultOf(run.folder));
      }));

  it('orders a tiered search', () =>
    withStudy({}, async (study, folder) => {
      const order = 'least-sensitive-first';
      const change = { method: 'tiered', order, bits: [6, 4] } as const;
      const run = await runSearch(study, { ...settings, ...change }, { runs: `${folder}/runs` });
      assert.equal(run.evaluations.table, 1);
      assert.ok(run.outcome.trace.length > 0);
    }));
});
