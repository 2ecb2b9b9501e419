import assert from 'node:assert/strict';
import type { DataFrame } from 'danfojs-node';
import { stepFrame, toDataFrame } from '../../src/notebook/frames.js';
import { table } from '../../src/notebook/table.js';
import type { StepRecord } from '../../src/plots/records.js';
import { Assignment } from '../../src/search/space.js';
import {
  CASE_A1,
  CASE_B1,
  SST2_BASELINE,
  toySearch,
  WIKITEXT2_BASELINE,
} from '../plots/records.js';
import { inCell, textIn } from './tslab.js';

/** A frame as rows again. */
function toRows({ columns, values }: DataFrame): Record<string, unknown>[] {
  return (values as unknown[][]).map((row) =>
    Object.fromEntries(columns.map((name, place) => [name, row[place]])),
  );
}

const ROWS = [
  { plan: 'fp32', metric: 0.777, bytes: 14702592 },
  { plan: '8 <bits>', metric: -0.123456, bytes: 3716320, note: 'small' },
];

async function shown(...parameters: Parameters<typeof table>): Promise<[string, string]> {
  const sent = await inCell(() => {
    table(...parameters);
  });
  assert.equal(sent.length, 1);
  return [textIn(sent[0].data, 'text/html'), textIn(sent[0].data, 'text/plain')];
}

describe('table', () => {
  it('shows rows as HTML and as text', async () => {
    const [html, text] = await shown(ROWS, { caption: 'Plans' });
    assert.equal(
      text,
      'Plans\n' +
        'plan      metric   bytes       note\n' +
        'fp32      0.777    14,702,592\n' +
        '8 <bits>  −0.1235  3,716,320   small',
    );
    assert.match(html, /<caption>Plans<\/caption>/);
    assert.match(html, /<th scope="row">8 &lt;bits&gt;<\/th>/);
    assert.match(html, /<td class="number">14,702,592<\/td>/);
  });

  it('shows a DataFrame like the rows it was made of', async () => {
    const rows = ROWS.map(({ plan, metric }) => ({ plan, metric }));
    assert.deepEqual(await shown(await toDataFrame(rows)), await shown(rows));
  });

  it('takes columns and digits, and cuts a long table', async () => {
    const [, picked] = await shown(ROWS, { columns: ['metric', 'plan'], digits: 2 });
    assert.equal(picked, 'metric  plan\n0.78    fp32\n−0.12   8 <bits>');
    const [, long] = await shown(Array.from({ length: 130 }, (_, row) => ({ row })));
    assert.match(long, /\(30 more rows\)/);
    assert.equal(long.split('\n').length, 102);
  });
});

describe('a table of plans', () => {
  const assignment = Assignment.of({ 'input/embedding': 8, 'attention.0/SRWKV': 4 });
  const candidate = {
    ...{ assignment, metric: 0.772, bytes: 2_280_000, stage: 'block' as const, step: 6 },
    extras: { low: 0.71, high: 0.82 },
  };

  it('shows candidates and selections in the units of the metric', async () => {
    const [, front] = await shown([candidate]);
    assert.equal(
      front,
      'step  tier   accuracy  95 % interval  MB    bits\n7     block  77.2 %    71.0–82.0 %    2.28  4–8',
    );
    const [, selected] = await shown([{ lambda: 0.5, candidate }]);
    assert.match(selected, /^λ +step +tier +accuracy.*\n0\.5 +7 +block +77\.2 %/);
    assert.doesNotMatch(front + selected, /[{}]/);
  });

  it('shows the bound of a step that stopped early as a bound', async () => {
    const base = {
      assignment,
      index: 3,
      stage: 'module' as const,
      unit: 'attention.0',
      bytes: 1e6,
    };
    const step = { ...base, accepted: false, candidate: false, reason: 'loses too much' as const };
    const evaluation = { kind: 'verdict' as const, passes: false, bound: 80.25 };
    const [, text] = await shown([{ ...step, evaluation }]);
    assert.match(text, /^4 +module +attention\.0 +at least 80\.25 +1 +4–8 +loses too much$/m);
  });
});

describe('a data frame of steps', () => {
  const searches = [toySearch(SST2_BASELINE, CASE_A1), toySearch(WIKITEXT2_BASELINE, CASE_B1)];

  /** All that a bound says: a refused accuracy is at most this, a refused perplexity at least; kept, the reverse. */
  function known({ task, accepted, metric: bound }: StepRecord): [number, number] {
    if (task === 'sst2') return accepted ? [bound, 1] : [0, bound];
    return accepted ? [1, bound] : [bound, Infinity];
  }

  for (const steps of searches) {
    const [{ task }] = steps;
    it(`has the metric of a plan measured to the end, and never a bound in its place: ${task}`, async () => {
      const frame = await stepFrame(steps);
      const rows = toRows(frame);
      assert.equal(rows.length, steps.length);
      assert.ok(steps.some(({ exact }) => exact) && steps.some(({ exact }) => !exact));
      for (const [place, step] of steps.entries()) {
        const { exact, metric, low, high } = rows[place];
        if (step.exact) {
          assert.deepEqual([exact, metric, low, high], ['yes', step.metric, step.low, step.high]);
          continue;
        }
        assert.deepEqual([exact, metric], ['no', NaN]);
        assert.deepEqual([low, high], known(step));
      }
    });
  }
});

describe('data frames', () => {
  it('hold NaN where a row lacks a number', async () => {
    const frame = await toDataFrame([{ a: 1 }, { a: 2, b: 3 }]);
    assert.deepEqual(frame.columns, ['a', 'b']);
    assert.deepEqual(frame.values, [
      [1, NaN],
      [2, 3],
    ]);
  });
});
