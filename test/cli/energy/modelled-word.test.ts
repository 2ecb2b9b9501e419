import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChartSpec } from '../../../src/plots/parts/spec.js';
import { packagePath } from '../../../src/util/paths.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import {
  assertFigureSays,
  assertOriginsSaid,
  blocksOf,
  ENERGY,
  partsOf,
} from '../../support/energy-words.js';
import { json, toyCommands, type ToyCommands } from '../support/study.js';

/**
 * The sources below these folders that know a unit or a record of energy. One that comes new has to be looked at by a
 * test of this file or of test/figures/modelled-word.test.ts before it is added here.
 */
const FOLDERS = ['src/plots', 'src/figures', 'src/cli', 'src/notebook'];
const UNITS =
  /µJ|mJ\/token|\bpJ\b|microjoules|joulesPer|\bwatts\b|energyText|energyChange|powerChange/i;
const KNOWN = [
  'src/cli/commands/energy/columns.ts',
  'src/cli/commands/energy/energy.ts',
  'src/cli/commands/energy/text.ts',
  'src/cli/commands/select/select.ts',
  'src/cli/format/run-tables.ts',
  'src/cli/format/search-text.ts',
  'src/cli/format/selection-text.ts',
  'src/cli/report/energy-section.ts',
  'src/figures/energy-figures.ts',
  'src/plots/energy/quality-energy.ts',
  'src/plots/figures/energy-change.ts',
  'src/plots/figures/energy-panels.ts',
  'src/plots/figures/energy.ts',
  'src/plots/figures/landscape.ts',
  'src/plots/figures/pareto-layers.ts',
  'src/plots/figures/pareto-rows.ts',
  'src/plots/figures/pareto.ts',
  'src/plots/lambda/pieces.ts',
  'src/plots/records.ts',
];

describe('no modelled number without the word: what commands write', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  let run: string;
  const printed = async (name: string, ...more: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await toy.runs(name, run, ...more);
    assert.equal(code, 0, stderr);
    assert.match(stdout, ENERGY, name);
    assertOriginsSaid(blocksOf(stdout), name);
  };

  before(async () => {
    toy = await toyCommands(at);
    const limits = ['--max-loss', '50', '--random', '0', '--bits', '8,2'];
    const { code, stdout, stderr } = await toy.study('search', ...limits, '--energy-weight', '0.4');
    assert.equal(code, 0, stderr);
    assert.match(stdout, ENERGY);
    assertOriginsSaid(blocksOf(stdout), 'search');
    run = /^run +(\S+)/m.exec(stdout)![1];
  });

  it('a sentence with a number of energy and no origin is found', () => {
    const [bare] = blocksOf('plan   µJ/token\n-----\n8 bits   12.5');
    assert.throws(() => {
      assertOriginsSaid([bare], 'a table');
    });
    const [table] = partsOf('<table><caption>Energy a token</caption><tr><td>3</td></tr></table>');
    assert.throws(() => {
      assertOriginsSaid([table], 'a page');
    });
  });

  it('tables of search, select and energy', async () => {
    await printed('select', '--lambda', '0,1');
    const { stdout } = await toy.study('energy', '--bits', '8');
    assertOriginsSaid(blocksOf(stdout), 'energy');
  });

  it('every figure that a search gives, drawn and pointed at', async () => {
    const { figures } = json(
      await toy.runs('plot', run, '--format', 'json', '--out', at('figures'), '--json'),
    ) as unknown as { readonly figures: readonly { figure: string; path: string }[] };
    assert.ok(figures.length > 4);
    for (const { figure, path } of figures)
      await assertFigureSays(JSON.parse(readFileSync(path, 'utf8')) as ChartSpec, figure);
  });

  it('the report, with Fig. 1 and the plans of the search in it', async () => {
    const { path } = json(await toy.runs('report', run, '--json'));
    const html = readFileSync(path as string, 'utf8');
    const parts = partsOf(html);
    assert.ok(parts.some((part) => /modelled energy of the selected plans/.test(part)));
    assert.ok(parts.some((part) => /selected plans among published models/.test(part)));
    assertOriginsSaid(parts, 'report');
    assert.match(html, /toy, selected plan \*/);
    assert.match(html, /µJ a token \(modelled\)/);
  });

  it('the committed notebooks: figures and tables', async () => {
    for (const file of readdirSync(packagePath('notebooks')).filter((each) => /ipynb$/.test(each)))
      for (const { data = {} } of outputsOf(file)) {
        const { 'text/html': html = '', 'text/plain': plain = '' } = data;
        assertOriginsSaid(partsOf([html].flat().join('')), file);
        assertOriginsSaid([[plain].flat().join('')], file);
        const spec = Object.entries(data).find(([type]) => type.includes('vegalite'))?.[1];
        if (spec !== undefined) await assertFigureSays(spec as unknown as ChartSpec, file);
      }
  });

  it('no source draws or writes energies that no test here has looked at', () => {
    const found = FOLDERS.flatMap((folder) =>
      readdirSync(packagePath(folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(folder, file).replaceAll('\\', '/')),
    ).filter((file) => UNITS.test(readFileSync(packagePath(file), 'utf8')));
    assert.deepEqual(found.sort(), KNOWN);
  });
});

type Text = string | readonly string[];

function outputsOf(file: string): { readonly data?: Readonly<Record<string, Text>> }[] {
  const { cells } = JSON.parse(readFileSync(packagePath('notebooks', file), 'utf8')) as {
    readonly cells: readonly {
      readonly outputs?: readonly { readonly data?: Readonly<Record<string, Text>> }[];
    }[];
  };
  return cells.flatMap(({ outputs = [] }) => outputs);
}
