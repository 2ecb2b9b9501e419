import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

interface Found {
  readonly id: string;
  readonly folder: string;
  readonly result: {
    readonly selected: { readonly metric: number; readonly bits: Readonly<Record<string, number>> };
    readonly heldOut: {
      readonly quantized: { readonly value: number };
      readonly comparison: { readonly pValue: number };
    };
  };
}

interface FoundSweep extends Pick<Found, 'id'> {
  readonly rows: readonly {
    readonly unit: string;
    readonly bits: number;
    readonly loss: number;
    readonly metric: number;
  }[];
}

/** The page as it is where no script runs. */
function withoutScripts(html: string): string {
  return html.replace(/<script>[\s\S]*?<\/script>/g, '');
}

function headingsOf(html: string): string[] {
  return [...withoutScripts(html).matchAll(/<h2>([^<]*)<\/h2>/g)].map(([, text]) => text);
}

describe('cli: report', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  let search: Found;
  let sweep: FoundSweep;
  before(async () => {
    toy = await toyCommands(at);
    const limits = ['--max-loss', '50', '--quantizer', 'best', '--random', '0'];
    search = json(
      await toy.study('search', '--bits', '8,4', ...limits, '--json'),
    ) as unknown as Found;
    const bits = ['--bits', '8,2', '--level', 'block', '--quantizer', 'best'];
    sweep = json(await toy.study('sweep', ...bits, '--json')) as unknown as FoundSweep;
  });

  it('joins the figures, the plan, the judgement and the cost of a search', async () => {
    const { path, title } = json(await toy.runs('report', search.id, '--json'));
    assert.equal(path, join(search.folder, 'report.html'));
    assert.equal(title, 'Searching bit widths for toy');
    const html = await readFile(path, 'utf8');
    assert.deepEqual(headingsOf(html), [
      'Findings',
      'toy: the searches, judged on held-out data',
      'toy: the search, plan by plan',
      'toy: the search, the selected plan',
      'toy: the search, step by step',
      'toy: modelled energy of the selected plans',
      'toy: the selected plans among published models',
      'What the evaluator did not have to compute',
      'What was run',
    ]);
    const { selected, heldOut } = search.result;
    const still = withoutScripts(html);
    assert.ok(still.includes(`${(100 * heldOut.quantized.value).toFixed(1)} %`));
    for (const [unit, width] of Object.entries(selected.bits))
      assert.ok(still.includes(`<th scope="row">${unit}</th><td class="number">${width}</td>`));
    assert.equal(selected.bits['input/embedding'], 1);
    assert.doesNotMatch(still, /NaN|undefined|Infinity|null/);
  });

  it('shows runs of one model on the same data together, offline, also without scripts', async () => {
    const out = at('both.html');
    json(await toy.runs('report', sweep.id, search.folder, '--out', out, '--json'));
    const html = await readFile(out, 'utf8');
    const headings = headingsOf(html);
    assert.deepEqual(headings.slice(0, 5), [
      'Findings',
      'toy: which blocks are sensitive',
      'toy: spikes flipped against quality lost',
      'toy: firing rates of the unquantized model',
      'toy: the searches, judged on held-out data',
    ]);
    const still = withoutScripts(html);
    assert.equal(still.match(/<img src="data:image\/svg\+xml;base64,/g)?.length, 10);
    assert.equal(html.match(/embedFigure\("figure-/g)?.length, 10);
    assert.match(still, /<th scope="row">input \(stored in 1 bit\)<\/th>/);
    const targets = [...still.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
    for (const target of targets) assert.match(target, /^(data:|#)/);
    assert.match(html, /@media print \{[^@]*figure, tr \{ break-inside: avoid; \}/);
  });

  it('opens with sentences computed from the numbers, before the contents', async () => {
    const out = at('findings.html');
    json(await toy.runs('report', sweep.id, search.id, '--out', out, '--json'));
    const html = withoutScripts(await readFile(out, 'utf8'));
    assert.ok(html.indexOf('<h2>Findings</h2>') < html.indexOf('<nav'));
    const [, list] = /<ul>([\s\S]*?)<\/ul>/.exec(html) ?? [];
    const found = list.match(/<li>.*<\/li>/g) ?? [];
    assert.equal(found.length, 2);
    // The input block is stored by its sign at either width: it is not at 2 bits.
    const narrow = sweep.rows.filter(({ unit, bits }) => bits === 2 && unit !== 'input');
    const losses = narrow.map(({ loss }) => loss);
    const said = (lost: number): string[] =>
      narrow
        .filter(({ loss }) => loss === lost)
        .map(({ unit, metric }) => `${unit} gives ${(100 * metric).toFixed(1)} %`);
    assert.ok(Math.max(...losses) > Math.min(...losses));
    assert.ok(found[0].includes(`at 2 bits, unquantized `), found[0]);
    const [, most, least] = /most sensitive, (.*?) \(95 %.*; the least, (.*?) \(95 %/.exec(
      found[0],
    )!;
    assert.ok(said(Math.max(...losses)).includes(most), found[0]);
    assert.ok(said(Math.min(...losses)).includes(least), found[0]);
    const { quantized, comparison } = search.result.heldOut;
    const value = `${(100 * quantized.value).toFixed(1)} %`;
    assert.ok(found[1].includes(`On held-out data it has accuracy ${value} (95 %: `), found[1]);
    const certain = comparison.pValue < 0.05 ? 'a clear change' : 'no clear change';
    assert.match(found[1], new RegExp(`points \\(McNemar p [=<].*\\), ${certain}\\.`));
  });

  it('is the same bytes when it is written again', async () => {
    const [first, second] = [at('first.html'), at('second.html')];
    for (const out of [first, second]) await toy.runs('report', search.id, '--out', out);
    assert.equal(await readFile(first, 'utf8'), await readFile(second, 'utf8'));
  });

  it('says so where nothing keeps the limits, and refuses what is no run', async () => {
    const flags = ['--bits', '5', '--max-loss', '0', '--max-memory', '46.95kB', '--json'];
    const unmet = json(await toy.study('search', ...flags), 5) as unknown as Found;
    const out = at('unmet.html');
    json(await toy.runs('report', unmet.id, '--out', out, '--json'));
    const html = withoutScripts(await readFile(out, 'utf8'));
    assert.ok(html.includes('no plan keeps both limits'));
    assert.ok(!html.includes('the selected plan'));
    const none = await toy.runs('report', search.id, 'nowhere');
    assert.equal(none.code, 3);
    assert.match(none.stderr, /nowhere: there is no such run/);
  });
});
