import assert from 'node:assert/strict';
import { formatFacts, formatTable } from '../../src/cli/format/table.js';
import { BarDisplay, LineDisplay } from '../../src/cli/progress.js';
import { formatMetric, formatInterval } from '../../src/tasks/metrics/metrics.js';
import {
  formatCounted,
  formatDuration,
  formatFixed,
  formatPercent,
  formatProbability,
  formatRate,
  formatSigned,
} from '../../src/util/format.js';
import { Collector } from './support/run.js';

describe('cli: numbers', () => {
  it('have the digits they deserve', () => {
    assert.deepEqual([0.04, 9.9, 45.2, 83, 7509].map(formatDuration), [
      '0.0 s',
      '9.9 s',
      '45 s',
      '1:23 min',
      '2:05:09 h',
    ]);
    assert.deepEqual([0.4512, 12.4, 7234.5].map(formatRate), ['0.45', '12', '7,200']);
    assert.deepEqual(
      [-0.04, 0, 0.04, -1.26].map((value) => formatSigned(value, 1)),
      ['0.0', '0.0', '0.0', '−1.3'],
    );
    assert.equal(formatSigned(1.26, 1), '+1.3');
    assert.equal(formatFixed(-0.0004, 2), '0.00');
    assert.deepEqual(
      [0.1756, -0.002].map((share) => formatPercent(share)),
      ['17.6 %', '−0.2 %'],
    );
    assert.deepEqual(
      [formatCounted(1, 'token'), formatCounted(1000, 'token')],
      ['1 token', '1,000 tokens'],
    );
    assert.deepEqual([0.43, 0.0123, 0.0002].map(formatProbability), ['0.43', '0.012', '< 0.001']);
  });

  it('of a metric stay readable where the model broke', () => {
    assert.equal(formatMetric('accuracy', 0.7764), '77.6 %');
    assert.equal(formatMetric('perplexity', 39.1255), '39.13');
    assert.equal(formatMetric('perplexity', 3352.4), '3352');
    assert.equal(formatMetric('perplexity', Number.MAX_VALUE), '1.8e+308');
    const interval = { low: 38.52, high: 1039.75, level: 0.95 };
    assert.equal(formatInterval('perplexity', interval), '38.5–1040');
  });
});

describe('cli: tables', () => {
  it('are aligned, without spaces at the end', () => {
    const columns = [{ title: 'unit' }, { title: 'bits', align: 'right' as const }, { title: '' }];
    const rows = [
      ['a', '4', ''],
      ['block', '16', 'x'],
    ];
    assert.equal(
      formatTable(columns, rows),
      ['unit   bits', '-----  ----  -', 'a         4', 'block    16  x'].join('\n'),
    );
    assert.equal(
      formatFacts([
        ['a', '1'],
        ['bcd', '2'],
      ]),
      'a    1\nbcd  2',
    );
  });
});

describe('cli: progress', () => {
  const event = (done: number, phase = 'fp32', note?: string) => ({
    ...{ phase, done, total: 1000, unit: 'tokens' },
    ...(note !== undefined && { note }),
  });

  it('writes a line at most every five seconds, with rate and time left', () => {
    const [log, clock] = [new Collector(), { now: 0 }];
    const display = new LineDisplay(log, () => clock.now);
    for (let second = 0; second <= 10; second++) {
      clock.now = 1000 * second;
      display.onProgress(event(100 * second, 'fp32', 'perplexity 40.1'));
    }
    assert.equal(
      log.text,
      'fp32: 50 %, 500 of 1,000 tokens, 100 tokens/s, 5.0 s left, perplexity 40.1\n' +
        'fp32: 100 %, 1,000 of 1,000 tokens, 100 tokens/s, 0.0 s left, perplexity 40.1\n',
    );
  });

  it('counts the pace of a phase from its own beginning', () => {
    const [log, clock] = [new Collector(), { now: 0 }];
    const display = new LineDisplay(log, () => clock.now);
    display.onProgress(event(0, 'slow'));
    clock.now = 4000;
    display.onProgress(event(1000, 'slow'));
    display.onProgress(event(200, 'fast'));
    clock.now = 6000;
    display.onProgress(event(600, 'fast'));
    assert.equal(log.text, 'fast: 60 %, 600 of 1,000 tokens, 200 tokens/s, 2.0 s left\n');
  });

  it('draws a bar on a terminal, and takes it away when the work is done', () => {
    const terminal = Object.assign(new Collector(), { isTTY: true, columns: 80 });
    const clock = { now: 0 };
    const display = new BarDisplay(terminal, () => clock.now);
    display.onProgress(event(0));
    clock.now = 2000;
    display.onProgress(event(500));
    assert.match(terminal.text, /fp32 ░{20} 0 % {2}0 of 1,000 tokens/);
    display.clear();
    // The last thing on the stream: the line is cleared and the cursor shown again.
    const rest = terminal.text.slice(terminal.text.lastIndexOf('tokens'));
    assert.match(rest, /\u001b\[(?:0K|2K|K|0J|1K)/);
    assert.match(rest, /\u001b\[\?25h/);
    const before = terminal.text.length;
    display.clear();
    assert.equal(terminal.text.length, before, 'clearing twice is harmless');
  });
});
