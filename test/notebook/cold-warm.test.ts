import assert from 'node:assert/strict';
import { join } from 'node:path';
import ts from 'typescript';
import { readNotebook, textOf } from '../../scripts/notebooks-file.js';
import * as qslm from '../../src/index.js';
import { packagePath } from '../../src/util/paths.js';
import { inFolder } from '../experiment/study-support.js';
import { inCell } from './tslab.js';

/** Sentences of the sample: enough that plans differ and some are refused early. */
const SENTENCES = 60;

/** The code cells of a notebook as one function of the package and a console. */
async function cellsOf(name: string, folder: string): Promise<(...given: unknown[]) => unknown> {
  const { cells } = await readNotebook(packagePath('notebooks', name));
  const code = cells
    .filter(({ cell_type: type }) => type === 'code')
    .map(({ source }) => textOf(source))
    .join('\n')
    .replace(/import \{([^}]*)\} from 'qslm';/, 'const {$1} = qslm;')
    .replaceAll('../out/', `${folder}/`);
  assert.doesNotMatch(code, /^import /m);
  const target = ts.ScriptTarget.ES2022;
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target, module: ts.ModuleKind.ESNext },
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the notebook's own code, as tslab runs it
  return new Function('qslm', 'console', `return (async () => {${outputText}})()`) as (
    ...given: unknown[]
  ) => unknown;
}

/** All that the cells show: what is printed, and each output in all its forms but a figure's random id. */
async function shown(name: string, folder: string): Promise<string[]> {
  const run = await cellsOf(name, folder);
  const printed: string[] = [];
  // The notebook's call on fewer sentences: the whole sample takes minutes.
  const openStudy: typeof qslm.openStudy = (model, options) =>
    qslm.openStudy(model, { ...options, limit: SENTENCES });
  const sent = await inCell(async () => {
    const log = (...words: unknown[]): number => printed.push(words.map(String).join(' '));
    await run({ ...qslm, openStudy }, { log });
  });
  const outputs = sent
    // The bar of progress says seconds, and a warm one has fewer steps to tell of.
    .filter(({ id }) => id === undefined)
    .map(({ data }) =>
      JSON.stringify(data).replace(/qslm-[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}/g, 'id'),
    );
  return [...printed, ...outputs];
}

describe('notebook 01, cell by cell on a cold and on a warm store', function () {
  this.timeout(240_000);

  it('shows the same front, tables and pictures, byte for byte', () =>
    inFolder(async (folder) => {
      const name = '01-quick-start.ipynb';
      const cold = await shown(name, folder);
      const { report } = await warmReport(folder);
      assert.ok(cold.length >= 5 && cold.some((output) => output.includes('image/png')));
      assert.ok(cold.some((output) => output.includes('"name":"differences"')));
      const warm = await shown(name, folder);
      assert.deepEqual(
        warm.map((output) => output.length),
        cold.map((output) => output.length),
      );
      warm.forEach((output, place) => {
        assert.ok(output === cold[place], `output ${place + 1} differs`);
      });
      assert.deepEqual([report.measured, report.stopped], [0, 0]);
    }));
});

/** That the store of a run is warm: what its search measures when it is asked for again. */
async function warmReport(folder: string): Promise<Pick<qslm.SearchRun, 'report'>> {
  const study = await qslm.openStudy('spikegpt-mini-sst2', {
    store: join(folder, 'measurements.sqlite'),
    limit: SENTENCES,
  });
  try {
    const settings = {
      ...qslm.DEFAULT_SEARCH,
      case: 'a1' as const,
      constraints: qslm.CASES.a1.constraints,
    };
    return await qslm.runSearch(study, settings, { runs: join(folder, 'other-runs') });
  } finally {
    await study.close();
  }
}
