import assert from 'node:assert/strict';
import { toDataFrame } from '../../src/notebook/frames.js';
import { table } from '../../src/notebook/table.js';
import { inCell, textIn } from './tslab.js';

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
