import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findRejections } from '../../scripts/notebooks-check.js';
import { plainText, readNotebook, writeNotebook, type Cell } from '../../scripts/notebooks-file.js';
import { findJupyter } from '../../scripts/notebooks-jupyter.js';
import { makeWorkspace, type Workspace } from './support/jupyter.js';
import { describeWith } from './support/needs.js';

const METADATA = {
  kernelspec: { name: 'qslm', display_name: 'TypeScript (qslm)', language: 'typescript' },
};

/** What a researcher may get wrong, a cell each; the first and the last are right. */
const CELLS = {
  start: `
import { Constraints, DEFAULT_SEARCH, openModel, openStudy, runSearch } from 'qslm';
const study = await openStudy('spikegpt-mini-sst2', { store: 'm.sqlite', limit: 24 });
const search = (constraints: Constraints) =>
  runSearch(study, { ...DEFAULT_SEARCH, bits: [8, 4], constraints }, { runs: 'runs' });
console.log('ready');`,
  misspelled: "await openModul('spikegpt-mini');",
  misspelledOption: 'await search({ memery: { kind: "share", share: 0.5 } });',
  missingModel: "await openModel('weights/no-such.pth');",
  missingData: "await openStudy('spikegpt-mini-sst2', { data: 'no-such.tsv' });",
  noLimit: "await search({ memory: { kind: 'share', share: -0.1 } });",
  noAwait: "openModel('weights/forgotten.pth'); undefined;",
  unreachable: `
const run = await search({ loss: { kind: 'absolute', value: 0.02 }, memory: { kind: 'share', share: 0.01 } });
console.log(run.selected === undefined, JSON.stringify(run.outcome.nearest));`,
  stillAlive: `
console.log(study.options.file.hierarchy.blocks.length);
await study.close();`,
} as const;

/**
 * For 200 ms after an error tslab passes over what it is sent: the cells that a "run all" has queued. A
 * person is slower.
 */
const PACE = `
import time
c.ExecutePreprocessor.on_cell_execute = lambda cell, cell_index: time.sleep(0.4)
`;

const converter = findJupyter('nbconvert');

describeWith(
  'mistakes in a cell, through Jupyter',
  converter === undefined ? 'no Jupyter with nbconvert' : undefined,
  function () {
    this.timeout(600_000);
    let workspace: Workspace;
    let told: Map<string, string>;
    let log: string;

    before(async () => {
      workspace = await makeWorkspace();
      ({ told, log } = await execute(workspace));
    });
    after(() => workspace.remove());

    /** Fails where it is not these words alone that are told: no stack, nothing of the kernel. */
    function assertTold(cell: keyof typeof CELLS, ...expected: readonly RegExp[]): void {
      const text = told.get(cell)!;
      for (const pattern of expected) assert.match(text, pattern);
      assert.doesNotMatch(text, /^\s+at |node_modules|evalmachine|node:internal/m);
      assert.ok(text.split('\n').length < 8, text);
    }

    it('are no accident of the cells before them', () => {
      assert.equal(told.get('start')!.trim(), 'ready');
    });

    it('a misspelled name: where it stands, and what was meant', () => {
      assertTold('misspelled', /^1:7 - .*openModul.*Did you mean 'openModel'\?/);
      assertTold(
        'misspelledOption',
        /^1:16 - .*'memery' does not exist.* Did you mean to write 'memory'\?/m,
      );
    });

    it('a missing file: which, and what would have been right', () => {
      assertTold('missingModel', /^\w+Error: /, /where: .*weights\/no-such\.pth/, /expected: /);
      assertTold('missingData', /^\w+Error: /, /where: .*no-such\.tsv/, /expected: /);
    });

    it('a limit that is none: which, and what would have been right', () => {
      assertTold(
        'noLimit',
        /^SearchError: not a limit/,
        /where: +memory limit/,
        /expected: a number of at least 0/,
      );
    });

    it('a promise that nobody waits for: found by what executes notebooks', () => {
      const [rejection, ...others] = findRejections(log);
      assert.match(rejection, /CheckpointError: .*\n +where: +weights\/forgotten\.pth\n/);
      assert.deepEqual(others, []);
    });

    it('a limit that no plan meets: no error, but the nearest plan and what it misses by', () => {
      const [, json] = /^true (\{.*\})$/m.exec(told.get('unreachable')!)!;
      const nearest = JSON.parse(json) as { bytes: number; misses: { bytes: number } };
      assert.ok(nearest.misses.bytes > 0 && nearest.misses.bytes < nearest.bytes);
    });

    it('leave the kernel alive', () => {
      assert.equal(told.get('stillAlive')!.trim(), '8');
    });
  },
);

interface Executed {
  /** What each cell has told. */
  readonly told: Map<string, string>;
  /** What Jupyter has, and the kernel. */
  readonly log: string;
}

/** Runs the cells in Jupyter. */
async function execute({ notebooks }: Workspace): Promise<Executed> {
  const cells = Object.values(CELLS).map((source): Cell => {
    const text = source.trim();
    return { cell_type: 'code', source: text, metadata: {}, execution_count: null, outputs: [] };
  });
  const notebook = { cells, metadata: METADATA, nbformat: 4, nbformat_minor: 4 };
  const path = join(notebooks, 'mistakes.ipynb');
  await writeNotebook(path, notebook);
  const config = join(notebooks, 'pace.py');
  await writeFile(config, PACE);
  const { command, env } = converter!;
  const options = ['--to', 'notebook', '--execute', '--allow-errors', '--inplace'];
  const parameters = ['nbconvert', ...options, `--config=${config}`, path];
  const { status, stderr } = spawnSync(command, parameters, { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const executed = await readNotebook(path);
  const texts = executed.cells.map(plainText);
  const told = new Map(Object.keys(CELLS).map((name, index) => [name, texts[index]]));
  return { told, log: stderr };
}
