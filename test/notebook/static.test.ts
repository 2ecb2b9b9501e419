import assert from 'node:assert/strict';
import { findDrift, findFailures, findRejections } from '../../scripts/notebooks-check.js';
import type { Cell, Notebook, Output } from '../../scripts/notebooks-file.js';
import { linkedPages, withoutNetwork } from '../../scripts/notebooks-offline.js';
import { withoutScripts } from '../../scripts/notebooks-static.js';
import { chartScriptsHtml, figureOutputHtml } from '../../src/notebook/figure-html.js';
import { chart } from '../../src/plots/parts/spec.js';

function notebook(outputs: Output[], tags: string[] = []): Notebook {
  const cell: Cell = {
    cell_type: 'code',
    source: 'x',
    metadata: { tags, execution: { 'iopub.status.busy': 'now' } },
    execution_count: null,
    outputs,
  };
  return { cells: [cell], metadata: {} };
}

function stream(text: string, name: 'stdout' | 'stderr' = 'stdout'): Output {
  return { output_type: 'stream', name, text: [text] };
}

describe('executed notebooks', () => {
  it('lead from page to page once they are pages, and link other files as they are', () => {
    const next = '<a href="02-inside-spikegpt.ipynb">02</a>';
    assert.equal(linkedPages(next), '<a href="02-inside-spikegpt.html">02</a>');
    const others = '<a href="https://example.org/01-a.ipynb">x</a> 02-inside-spikegpt.ipynb';
    assert.equal(linkedPages(others), others);
  });

  it('fail on anything that a cell wrote to its standard error', () => {
    const bad = notebook([stream('UnhandledPromiseRejection: Error: x\n', 'stderr')]);
    assert.deepEqual(findFailures(bad), ['cell 1: UnhandledPromiseRejection: Error: x']);
    assert.deepEqual(findFailures(notebook([stream('fine')])), []);
  });

  it('fail on a rejection that came when its cell had ended', () => {
    const log =
      '[NbConvertApp] Converting\nUnhandledPromiseRejection: DataError: cannot be read\n' +
      '  where:    a.tsv\n[NbConvertApp] Writing\n';
    assert.deepEqual(findRejections(log), [
      'UnhandledPromiseRejection: DataError: cannot be read\n  where:    a.tsv',
    ]);
    assert.deepEqual(findRejections('[NbConvertApp] Converting\n'), []);
  });

  it('may differ in headline numbers by rounding only', () => {
    const committed = notebook([stream('accuracy 77.4 % at 2.28 MB (−84.5 %)\n')], ['headline']);
    const drift = (text: string): number =>
      findDrift(notebook([stream(text)], ['headline']), committed).length;
    assert.equal(drift('accuracy 77.4 % at 2.28 MB (−84.5 %)\n'), 0);
    assert.equal(drift('accuracy 77.5 % at 2.28 MB (−84.5 %)\n'), 0);
    assert.equal(drift('accuracy 79.0 % at 2.28 MB (−84.5 %)\n'), 1);
    assert.equal(drift('accuracy 77.4 % at 2.28 MB (84.5 %)\n'), 1);
    assert.equal(drift('perplexity 77.4 % at 2.28 MB (−84.5 %)\n'), 1);
    assert.equal(findDrift(notebook([]), committed).length, 1);
  });

  it('are committed with pictures and without scripts', () => {
    const spec = chart('a chart', { mark: 'bar' });
    const vega = { vega: 'var vega = 1;', vegaLite: 'var lite = 1;', vegaEmbed: 'var embed = 1;' };
    const committed = withoutScripts(
      notebook([
        {
          output_type: 'display_data',
          data: { 'text/html': chartScriptsHtml(vega), 'text/plain': '' },
        },
        {
          output_type: 'display_data',
          data: {
            'application/vnd.vegalite.v5+json': { mark: 'bar' },
            'text/html': figureOutputHtml('qslm-0a1b', spec, '<svg/>').split(/(?<=\n)/),
            'image/svg+xml': '<svg/>',
            'text/plain': 'a chart',
          },
        },
      ]),
    );
    const [{ outputs = [], metadata, execution_count: count }] = committed.cells;
    assert.equal(outputs.length, 1);
    assert.deepEqual(metadata, { tags: [] });
    assert.equal(count, 1);
    assert.deepEqual((outputs[0] as { data: unknown }).data, {
      'application/vnd.vegalite.v5+json': { mark: 'bar' },
      'text/html':
        '<div class="qslm-figure">\n' +
        '<div class="static"><img src="data:image/svg+xml;base64,PHN2Zy8+" alt="a chart"></div>\n' +
        '</div>',
      'text/plain': 'a chart',
    });
  });

  it('are exported as HTML that asks nothing of the network', () => {
    const page =
      '<html><head><script src="https://a.example/require.js"></script>' +
      '<link href="https://a.example/x.css" rel="stylesheet"><script>keep()</script></head></html>';
    const offline = withoutNetwork(page);
    assert.doesNotMatch(offline, /a\.example/);
    assert.match(offline, /<script>keep\(\)<\/script>/);
    assert.match(offline, /default-src 'none'/);
  });
});
