import assert from 'node:assert/strict';
import {
  limitsRecord,
  matrixRecords,
  sensitivityRecords,
  stepRecords,
} from '../../src/figures/records.js';
import { hierarchyOf } from '../../src/layout/hierarchy.js';
import { hierarchyChart } from '../../src/plots/figures/hierarchy.js';
import { paretoChart } from '../../src/plots/figures/pareto.js';
import { sensitivityChart } from '../../src/plots/figures/sensitivity.js';
import { traceChart } from '../../src/plots/figures/trace.js';
import type { Evaluate } from '../../src/search/evaluation.js';
import { measureSensitivity } from '../../src/search/sensitivity.js';
import type { Assignment, SearchSpace } from '../../src/search/space.js';
import { tieredSearch } from '../../src/search/tiers/tiers.js';
import { assertGoodChart } from '../plots/support.js';
import { parametersOf } from '../support/spikegpt.js';
import { TOY } from '../support/toy.js';

const ORIGIN = { task: 'sst2', model: 'toy' } as const;
const IDS = ['input/embedding', 'attention.0/SRWKV', 'attention.0/SRFFN', 'output/head'];

const SPACE: SearchSpace = {
  units: IDS.map((id) => ({
    id,
    block: id.split('/')[0],
    module: id,
    inModuleTier: id.startsWith('attention'),
  })),
  bytes: (assignment) => IDS.reduce((sum, id) => sum + 1000 * assignment.bitsOf(id), 0),
};

function accuracyOf(assignment: Assignment): number {
  return 0.8 - IDS.reduce((sum, id) => sum + 0.4 * 2 ** -assignment.bitsOf(id), 0);
}

/** Answers with a verdict where it may, so that records of both kinds occur. */
const evaluate: Evaluate = (assignment, { need }) => {
  const metric = accuracyOf(assignment);
  const passes = metric >= 0.78;
  if (need === 'exact' || (need === 'exact-if-passes' && passes))
    return Promise.resolve({
      kind: 'exact',
      metric,
      extras: { low: metric - 0.02, high: metric + 0.02, flipRate: 0.1 },
    });
  return Promise.resolve({ kind: 'verdict', passes, bound: metric });
};

describe('plots/from-search', () => {
  it('turns a search into records that the figures draw', async () => {
    const outcome = await tieredSearch(SPACE, evaluate, {
      metric: 'accuracy',
      constraints: {
        loss: { kind: 'absolute', value: 0.02 },
        memory: { kind: 'share', share: 0.4 },
      },
      bits: [16, 12, 8, 6, 4],
    });
    const steps = stepRecords(outcome.trace, SPACE.units, ORIGIN);
    assert.equal(steps.length, outcome.trace.length);
    steps.forEach((step, index) => {
      const { evaluation, assignment, candidate } = outcome.trace[index];
      assert.equal(step.exact, evaluation.kind === 'exact');
      if (candidate) assert.ok(step.low !== undefined && step.low < step.metric);
      assert.deepEqual(
        step.units.map(({ block, part, bits }) => [`${block}/${part}`, bits]),
        IDS.map((id) => [id, assignment.bitsOf(id)]),
      );
    });
    assert.ok(steps.some((step) => step.exact) && steps.some((step) => !step.exact));
    const limits = limitsRecord(outcome.limits);
    assert.deepEqual(limits, { loss: 0.02, bytes: 0.4 * 128_000 });
    const { metric } = outcome.baseline;
    const baseline = { ...ORIGIN, metric, low: metric - 0.02, high: metric + 0.02, bytes: 128_000 };
    await assertGoodChart(paretoChart({ steps, baseline, limits }));
    await assertGoodChart(traceChart({ steps, baseline, limits }));
  });

  it('takes one level of a sensitivity table, with its extras', async () => {
    const table = await measureSensitivity(SPACE, evaluate, { metric: 'accuracy', bits: [8, 4] });
    const blocks = sensitivityRecords(table, 'block', ORIGIN);
    assert.deepEqual(
      [...new Set(blocks.map(({ unit }) => unit))],
      ['input', 'attention.0', 'output'],
    );
    const modules = sensitivityRecords(table, 'module', ORIGIN);
    assert.equal(modules.length, 2 * IDS.length);
    assert.equal(modules[0].flipRate, 0.1);
    assert.equal(modules[0].sqnr, undefined);
    const baseline = { ...ORIGIN, metric: 0.8, low: 0.78, high: 0.82, bytes: 128_000 };
    await assertGoodChart(sensitivityChart(modules, [baseline]));
  });

  it('lists every parameter of a hierarchy once, vectors together and at 32 bits', async () => {
    const names = [
      'emb.weight',
      'blocks.0.ln1.weight',
      'blocks.0.att.key.weight',
      'blocks.0.att.time_decay',
      'blocks.0.ffn.key.weight',
      'ln_out.weight',
      'head.weight',
    ];
    const sizes = { vocabSize: 10, width: 4, hiddenWidth: 16, layers: 1, classes: 0 };
    const all = parametersOf({ ...TOY, ...sizes });
    const hierarchy = hierarchyOf(all.filter(({ name }) => names.includes(name)));
    const records = matrixRecords(hierarchy, (path) => (path.startsWith('input') ? 8 : 4));
    assert.deepEqual(
      records.map(({ block, module, matrix, parameters, bits }) => [
        `${block}/${module}/${matrix}`,
        parameters,
        bits,
      ]),
      [
        ['input/embedding/emb', 40, 8],
        ['attention.0/SRWKV/key', 16, 4],
        ['attention.0/SRWKV/vectors', 4, 32],
        ['attention.0/SRFFN/key', 64, 4],
        ['attention.0/norms/norms', 4, 32],
        ['output/head/head', 40, 4],
        ['output/norms/norms', 4, 32],
      ],
    );
    await assertGoodChart(hierarchyChart(records, 'toy'));
    await assertGoodChart(hierarchyChart(matrixRecords(hierarchy), 'toy'));
  });
});
