import assert from 'node:assert/strict';
import type { UniformPoint } from '../../src/experiment/runs/uniform.js';
import {
  hierarchyFigure,
  paretoFigure,
  searchRecords,
  sensitivityFigure,
  traceFigure,
  uniformFigure,
  uniformRecords,
  type DrawnSearch,
} from '../../src/figures/study-figures.js';
import { hierarchyOf } from '../../src/layout/hierarchy.js';
import type { ChartSpec } from '../../src/plots/parts/spec.js';
import { uniformPlan } from '../../src/quant/plan.js';
import { CASES, resolveLimits } from '../../src/search/constraints.js';
import { Assignment } from '../../src/search/space.js';
import type { SearchStep } from '../../src/search/trace.js';
import { titleOf as titleOfSource, type Task } from '../../src/tasks/task.js';
import { assertValid } from '../plots/support.js';
import { parametersOf } from '../support/spikegpt.js';
import { TOY } from '../support/toy.js';

type Study = Parameters<typeof paretoFigure>[0];

const UNITS = [
  { id: 'input/embedding', block: 'input', module: 'input/embedding', inModuleTier: false },
  {
    id: 'attention.0/SRWKV',
    block: 'attention.0',
    module: 'attention.0/SRWKV',
    inModuleTier: true,
  },
];

function task(source: string): Task {
  const title = source.includes('bundled') ? 'Film reviews (bundled)' : titleOfSource(source);
  return { name: 'sst2', metric: 'accuracy', source, title } as Task;
}

function study(source: string): Study {
  return { task: task(source), options: { file: { name: 'toy' } } };
}

function step(index: number, bits: number, metric: number): SearchStep {
  return {
    index,
    stage: 'global',
    unit: 'model',
    bits,
    assignment: Assignment.unquantized.with(
      UNITS.map(({ id }) => id),
      bits,
    ),
    bytes: 1000 * bits,
    evaluation: { kind: 'exact', metric, extras: { low: metric - 0.03, high: metric + 0.03 } },
    accepted: metric >= 0.76,
    candidate: metric >= 0.76 && bits < 15,
    reason: metric < 0.76 ? 'loses too much' : bits < 15 ? 'meets both limits' : 'too large yet',
  };
}

const RUN: DrawnSearch = {
  outcome: {
    trace: [step(0, 16, 0.78), step(1, 12, 0.77), step(2, 8, 0.74)],
    baseline: { kind: 'exact', metric: 0.78, extras: { low: 0.75, high: 0.81 } },
    fp32Bytes: 32_000,
    limits: resolveLimits(CASES.a1.constraints, 'accuracy', 0.78, 32_000),
  },
  space: { units: UNITS },
  settings: { case: 'a1' },
  yardsticks: [
    { kind: 'uniform', name: '8 bits', plan: 'x', metric: 0.74, bytes: 8000, bits: { a: 8 } },
    { kind: 'uniform', name: '4 bits', plan: 'y', metric: NaN, bytes: 4000, bits: {} },
    { kind: 'random', name: 'random 1', plan: 'z', metric: 0.7, bytes: 8000, bits: {} },
  ],
};

function titleOf(spec: ChartSpec): string {
  return JSON.stringify(spec.title);
}

function rowsOf(spec: ChartSpec): readonly Record<string, unknown>[] {
  return (spec.data as { values: Record<string, unknown>[] }).values;
}

describe('figures of results', () => {
  it('show a search with its case, its baseline and the uniform plans', () => {
    const spec = paretoFigure(study('reviews (bundled, search part)'), RUN, { lambda: 0.25 });
    assertValid(spec);
    assert.match(titleOf(spec), /Case a1: Film reviews \(bundled\)/);
    const rows = rowsOf(spec);
    assert.deepEqual(
      rows.map(({ series, metric, bytes }) => [series, metric, bytes]),
      [
        ['global tier', 0.78, 16000],
        ['global tier', 0.77, 12000],
        ['global tier', 0.74, 8000],
        ['uniform', 0.74, 8000],
        ['fp32', 0.78, 32000],
      ],
    );
    const params = spec.params as { name: string; value: unknown }[];
    const valueOf = (name: string): unknown => params.find((each) => each.name === name)!.value;
    // The slider stands at the place of the λ that was asked for.
    const { paper } = valueOf('lambdaStops') as { paper: number[] };
    assert.equal(paper[valueOf('place') as number], 0.25);
  });

  it('take a search that a cell has put together', () => {
    const { outcome, space } = RUN;
    const spec = traceFigure(study('mine.tsv, brought into style'), { outcome, space });
    assertValid(spec);
    assert.match(titleOf(spec), /"text":"1 of 3 plans meets both limits, the smallest 0\.01 MB/);
    assert.match(titleOf(spec), /"mine\.tsv, the search step by step"/);
    const [first] = searchRecords(study('x'), { outcome, space });
    assert.deepEqual(first.units, [
      { block: 'input', part: 'embedding', bits: 16 },
      { block: 'attention.0', part: 'SRWKV', bits: 16 },
    ]);
  });

  it('show a sensitivity table with its baseline', () => {
    const spec = sensitivityFigure(study('folder/dev.tsv'), {
      metric: 'accuracy',
      baseline: { kind: 'exact', metric: 0.8 },
      fp32Bytes: 100,
      rows: [
        { level: 'block', unit: 'input', bits: 4, metric: 0.7, loss: 0.1, bytes: 50 },
        { level: 'module', unit: 'input/embedding', bits: 4, metric: 0.7, loss: 0.1, bytes: 50 },
      ],
    });
    assertValid(spec);
    assert.deepEqual(
      rowsOf(spec).map(({ unit }) => unit),
      ['input'],
    );
  });

  it('leave out a uniform width that broke the model', () => {
    const interval = { low: 0.7, high: 0.8, level: 0.95 };
    const measured = { value: 0.77, interval } as UniformPoint['measurement'];
    const point = { name: '', plan: '', bytes: 10, saving: 0.5 };
    const points = [
      { ...point, bits: 32, measurement: measured },
      { ...point, bits: 8, measurement: measured },
      { ...point, bits: 2, failure: 'not finite' },
    ] as UniformPoint[];
    const records = uniformRecords({ name: 'toy' }, task('dev.tsv'), points);
    assert.deepEqual(
      records.map(({ bits }) => bits),
      [32, 8],
    );
    assertValid(uniformFigure({ name: 'toy' }, task('dev.tsv'), points));
  });

  it('compare uniform widths with fp32 item by item', () => {
    const correct = Array.from({ length: 100 }, (_, item): 0 | 1 => (item < 80 ? 1 : 0));
    const worse = correct.map((right, item): 0 | 1 => (item < 3 ? 0 : right));
    const measured = (answers: readonly (0 | 1)[]): NonNullable<UniformPoint['measurement']> => ({
      metric: 'accuracy',
      taskId: 'toy',
      value: answers.filter(Boolean).length / 100,
      interval: { low: 0.7, high: 0.9, level: 0.95 },
      items: 100,
      tokens: 100,
      seconds: 1,
      correct: answers,
    });
    const point = { name: '', plan: '', bytes: 10, saving: 0.5 };
    const [fp32, eight] = uniformRecords({ name: 'toy' }, task('dev.tsv'), [
      { ...point, bits: 32, measurement: measured(correct) },
      { ...point, bits: 8, measurement: measured(worse) },
    ]);
    assert.equal(fp32.pairedLow, undefined);
    // Three of a hundred lost: far sharper than the interval of the accuracy alone, and not below it.
    assert.ok(eight.pairedLow! > 0.7 && eight.pairedLow! < 0.77);
    assert.ok(eight.pairedHigh! >= 0.77 && eight.pairedHigh! < 0.82);
  });

  it('colour the hierarchy by a plan, where there is one', () => {
    const names = ['emb.weight', 'blocks.0.att.key.weight', 'head.weight'];
    const all = parametersOf({ ...TOY, vocabSize: 8, width: 4, layers: 1, classes: 0 });
    const hierarchy = hierarchyOf(all.filter(({ name }) => names.includes(name)));
    const plain = hierarchyFigure({ name: 'toy', hierarchy });
    const planned = hierarchyFigure({ name: 'toy', hierarchy }, uniformPlan(4));
    for (const spec of [plain, planned]) assertValid(spec);
    assert.doesNotMatch(JSON.stringify(plain.data), /"bits":4/);
    assert.match(JSON.stringify(planned.data), /"bits":4/);
  });
});
