import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { ChartSpec } from '../../src/plots/parts/spec.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { assertGoodChart } from '../plots/support.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

interface Found {
  readonly id: string;
  readonly folder: string;
  readonly result: { readonly selected: { readonly step: number; readonly bits: object } };
}

interface Written {
  readonly figures: readonly { figure: string; format: string; path: string }[];
}

describe('cli: plot', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  let search: Found;
  let sweep: Found;
  before(async () => {
    toy = await toyCommands(at);
    const limits = ['--max-loss', '50', '--quantizer', 'best', '--random', '0'];
    search = json(
      await toy.study('search', '--bits', '8,4', ...limits, '--json'),
    ) as unknown as Found;
    const bits = ['--bits', '8,2', '--level', 'block', '--quantizer', 'best'];
    sweep = json(await toy.study('sweep', ...bits, '--json')) as unknown as Found;
  });

  const plot = async (run: string, ...more: readonly string[]): Promise<Written> =>
    json(await toy.runs('plot', run, ...more, '--json')) as unknown as Written;
  const specsOf = async (run: string, out: string): Promise<Map<string, ChartSpec>> => {
    const { figures } = await plot(run, '--format', 'json', '--out', out);
    const entries = figures.map(
      async ({ figure, path }) =>
        [figure, JSON.parse(await readFile(path, 'utf8')) as ChartSpec] as const,
    );
    return new Map(await Promise.all(entries));
  };

  it('writes every figure that a run can give, each a sound specification', async () => {
    const found = await specsOf(search.id, at('search-specs'));
    assert.deepEqual(
      [...found.keys()],
      ['pareto', 'lambda', 'trace', 'hierarchy', 'uniform', 'savings'],
    );
    const swept = await specsOf(sweep.folder, at('sweep-specs'));
    assert.deepEqual(
      [...swept.keys()],
      ['hierarchy', 'sensitivity', 'flips', 'firing-rates', 'savings'],
    );
    for (const spec of [...found.values(), ...swept.values()]) await assertGoodChart(spec);
  });

  it('shows the bits that are stored: one for the sign of the embedding, in every figure', async () => {
    const found = await specsOf(search.id, at('stored'));
    const bits = search.result.selected.bits as Readonly<Record<string, number>>;
    assert.equal(bits['input/embedding'], 1);
    interface Cells {
      readonly cells?: readonly { readonly block: string; readonly bits: number }[];
    }
    for (const name of ['pareto', 'trace']) {
      const { values } = found.get(name)!.data as unknown as { readonly values: readonly Cells[] };
      const input = values.flatMap(({ cells = [] }) => cells.filter(({ block }) => block === 'in'));
      assert.ok(input.length > 1, name);
      assert.ok(
        input.every((cell) => cell.bits === 1),
        name,
      );
    }
    const hierarchy = found.get('hierarchy')!.data as unknown as {
      readonly values: readonly { readonly path: string; readonly bits: number }[];
    };
    const [cell] = hierarchy.values.filter(({ path }) => path === 'input');
    assert.equal(cell.bits, 1);
    const csv = await readFile(join(search.folder, 'candidates.csv'), 'utf8');
    const [titles, ...rows] = csv
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    const column = titles.indexOf('input/embedding');
    assert.deepEqual(new Set(rows.map((row) => row[column])), new Set(['1']));
    const selected = await toy.runs('select', search.id, '--lambda', '1');
    assert.match(selected.stdout, /^input +embedding +1$/m);
    const swept = await specsOf(sweep.id, at('stored-sweep'));
    const note = JSON.stringify(swept.get('sensitivity')!.title);
    assert.match(note, /input: stored in 1 bit at any width/);
  });

  it('writes svg, png and html, by default beside the run', async () => {
    const { figures } = await plot(sweep.id, '--figure', 'sensitivity', '--format', 'svg', 'png');
    const folder = join(sweep.folder, 'figures');
    assert.deepEqual(
      figures.map(({ path }) => path),
      [join(folder, 'sensitivity.svg'), join(folder, 'sensitivity.png')],
    );
    // No neighbour of an unfinished write is left.
    assert.deepEqual((await readdir(folder)).sort(), ['sensitivity.png', 'sensitivity.svg']);
    const [svg, png] = await Promise.all(figures.map(({ path }) => readFile(path)));
    const width = Number(/ width="(\d+)"/.exec(svg.toString())?.[1]);
    assert.equal(PNG.sync.read(png).width, 2 * width);
    const html = at('one.html');
    await plot(search.folder, '--figure', 'pareto', '--out', html);
    const page = await readFile(html, 'utf8');
    assert.match(page, /<title>Film reviews \(bundled\), quality against memory<\/title>/);
    assert.equal(page.match(/<figure/g)?.length, 1);
  });

  it('starts at the plan that the search selected', async () => {
    const { step } = search.result.selected;
    const { figures } = await plot(search.id, '--figure', 'pareto', '--out', at('start.svg'));
    const svg = await readFile(figures[0].path, 'utf8');
    assert.match(svg, new RegExp(`selects step ${step},`));
  });

  it('draws the fronts of several searches over one another, calibrated ones too', async () => {
    const calibrated = [
      '--bits',
      '8,4',
      '--max-loss',
      '50',
      '--quantizer',
      'gptq',
      '--random',
      '0',
    ];
    const home = process.env.QSLM_HOME;
    process.env.QSLM_HOME = at('home');
    const found: Found[] = [];
    try {
      for (const method of ['tiered', 'knapsack'])
        found.push(
          json(
            await toy.study('search', ...calibrated, '--method', method, '--json'),
          ) as unknown as Found,
        );
    } finally {
      if (home === undefined) delete process.env.QSLM_HOME;
      else process.env.QSLM_HOME = home;
    }
    const runs = [search.id, ...found.map(({ id }) => id)];
    const out = at('fronts.json');
    const told = json(await toy.runs('plot', ...runs, '--out', out, '--json'));
    assert.deepEqual(told, { runs, figures: [{ figure: 'fronts', format: 'json', path: out }] });
    const spec = JSON.parse(await readFile(out, 'utf8')) as ChartSpec;
    await assertGoodChart(spec);
    const [panel] = spec.vconcat as unknown as readonly {
      readonly data: { readonly values: readonly { search: string; selected: boolean }[] };
    }[];
    assert.deepEqual(
      panel.data.values.filter(({ selected }) => selected).map((row) => row.search),
      ['tiered, best', 'tiered, gptq', 'knapsack, gptq'],
    );
    const others = await toy.runs('plot', ...runs, '--figure', 'lambda');
    assert.equal(others.code, 2);
    assert.match(others.stderr, /no such figure; got lambda; expected fronts/);
    const mixed = await toy.runs('plot', search.id, sweep.id);
    assert.equal(mixed.code, 3);
    assert.match(mixed.stderr, /not a search; got a sweep/);
  });

  it('names what is possible where a run, a figure or a path is not', async () => {
    const nowhere = await toy.runs('plot', 'nowhere');
    assert.equal(nowhere.code, 3);
    assert.match(nowhere.stderr, /nowhere: there is no such run/);
    const other = await toy.runs('plot', search.id, '--figure', 'flips');
    assert.equal(other.code, 2);
    assert.match(
      other.stderr,
      /no such figure; got flips; expected pareto, lambda, trace, hierarchy, uniform, savings/,
    );
    const unknown = await toy.runs('plot', search.id, '--figure', 'pie');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /Allowed choices are pareto, lambda, trace/);
    const two = await toy.runs('plot', search.id, '--out', at('all.svg'));
    assert.equal(two.code, 2);
    assert.match(two.stderr, /one file for one figure/);
    await writeFile(at('taken'), '');
    const taken = await toy.runs('plot', search.id, '--out', at('taken'));
    assert.equal(taken.code, 4);
    assert.match(taken.stderr, /a file of that name/);
  });

  it('refuses a run that did not finish, and damaged files', async () => {
    const copy = at('copy');
    await mkdir(copy);
    for (const name of await readdir(search.folder))
      if (name.endsWith('.json'))
        await writeFile(join(copy, name), await readFile(join(search.folder, name)));
    const run = JSON.parse(await readFile(join(copy, 'run.json'), 'utf8')) as object;
    await writeFile(join(copy, 'run.json'), JSON.stringify({ ...run, state: 'interrupted' }));
    const unfinished = await toy.runs('plot', copy);
    assert.equal(unfinished.code, 3);
    assert.match(unfinished.stderr, /no result; got a search that is interrupted/);
    await writeFile(join(copy, 'run.json'), JSON.stringify(run));
    await writeFile(join(copy, 'trace.json'), '{');
    const damaged = await toy.runs('plot', copy);
    assert.equal(damaged.code, 3);
    assert.match(damaged.stderr, /trace\.json: cannot be read/);
  });
});
