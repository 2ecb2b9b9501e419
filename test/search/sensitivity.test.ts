import assert from 'node:assert/strict';
import {
  measureSensitivity,
  orderBySensitivity,
  type SensitivityRow,
} from '../../src/search/sensitivity.js';
import { Assignment, groupsOf } from '../../src/search/space.js';
import { AbortedError } from '../../src/util/errors.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { additiveLoss, exactly, toySpace, toyUnits } from './toy.js';

const units = toyUnits(2);
const space = toySpace(units, 100);
const loss = additiveLoss(units, [4, 0.2, 0.1, 0.2, 0.3, 0.05]);
const perplexity = (plan: Assignment): number => 36 + loss(plan);

describe('search/sensitivity', () => {
  it('measures each group and bit width alone', async () => {
    const { evaluate, asked } = exactly(perplexity);
    const rows: SensitivityRow[] = [];
    const events: ProgressEvent[] = [];
    const table = await measureSensitivity(space, evaluate, {
      metric: 'perplexity',
      bits: [4, 8, 8],
      onRow: (row) => rows.push(row),
      onProgress: (event) => events.push(event),
    });
    // 4 blocks and 6 modules, at 8 and 4 bits.
    assert.equal(table.rows.length, 20);
    assert.deepEqual(rows, table.rows);
    assert.equal(asked.length, 21);
    assert.ok(asked.every(({ context }) => context.need === 'exact'));
    assert.deepEqual(
      events.map((event) => event.done),
      Array.from({ length: 22 }, (_, index) => index),
    );
    const block = table.rows.find((row) => row.unit === 'attention.1' && row.bits === 4)!;
    assert.equal(block.level, 'block');
    // (0.2 + 0.3) / 16
    assert.ok(Math.abs(block.loss - 0.03125) < 1e-12);
    assert.ok(Math.abs(block.metric - 36.03125) < 1e-12);
    const plan = Assignment.of({ 'attention.1/SRWKV': 4, 'attention.1/SRFFN': 4 });
    assert.equal(block.bytes, space.bytes(plan));
    assert.equal(asked.filter(({ assignment }) => assignment.key === plan.key).length, 1);
  });

  it('passes further figures through', async () => {
    const table = await measureSensitivity(
      space,
      (assignment) =>
        Promise.resolve({
          kind: 'exact',
          metric: 0.8,
          ...(assignment.key !== 'fp32' && { extras: { kl: 0.1, spikeFlipRate: 0.02, sqnr: 30 } }),
        }),
      { metric: 'accuracy', bits: [8], levels: ['block'] },
    );
    assert.deepEqual(table.rows[0].extras, { kl: 0.1, spikeFlipRate: 0.02, sqnr: 30 });
    assert.ok(!('extras' in table.baseline));
  });

  it('orders groups from the least to the most sensitive, NaN last, equals as given', async () => {
    const { evaluate } = exactly((plan) =>
      plan.bitsOf('attention.0/SRWKV') < 8 ? NaN : perplexity(plan),
    );
    const table = await measureSensitivity(space, evaluate, { metric: 'perplexity', bits: [8, 4] });
    const blocks = groupsOf(space, 'block');
    const ids = (groups: readonly { id: string }[]): string[] => groups.map((group) => group.id);
    assert.deepEqual(ids(orderBySensitivity(blocks, table)), [
      'output',
      'attention.1',
      'input',
      'attention.0',
    ]);
    const equal = { ...table, rows: table.rows.map((row) => ({ ...row, loss: 1 })) };
    assert.deepEqual(ids(orderBySensitivity(blocks, equal)), ids(blocks));
    const blocksOnly = { ...table, rows: table.rows.filter((row) => row.level === 'block') };
    // Modules without rows of their own follow their block.
    const modules = groupsOf(space, 'module').filter((group) => group.inModuleTier);
    assert.deepEqual(ids(orderBySensitivity(modules, blocksOnly)), [
      'attention.1/SRWKV',
      'attention.1/SRFFN',
      'attention.0/SRWKV',
      'attention.0/SRFFN',
    ]);
  });

  it('stops on request', async () => {
    const { evaluate, asked } = exactly(perplexity);
    const signal = AbortSignal.abort();
    const options = { metric: 'perplexity', bits: [8], signal } as const;
    await assert.rejects(measureSensitivity(space, evaluate, options), AbortedError);
    assert.equal(asked.length, 0);
  });
});
