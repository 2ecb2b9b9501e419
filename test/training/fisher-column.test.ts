import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBackend } from '../../src/backend/start.js';
import { fisherKey, withFisher } from '../../src/experiment/observe/fisher-column.js';
import { FISHER, fisherTable } from '../../src/experiment/observe/fisher-table.js';
import { openRun } from '../../src/experiment/record/open-run.js';
import { sensitivityOf } from '../../src/experiment/runs/sensitivity.js';
import type { SweepSettings } from '../../src/experiment/runs/sweep-result.js';
import { runSweep, type SweepRun } from '../../src/experiment/runs/sweep-run.js';
import { runFigures } from '../../src/figures/run-figures.js';
import { openStore } from '../../src/store/index.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { json, toyCommands } from '../cli/support/study.js';
import { closeStudy, inFolder, toyStudy, toySentences } from '../experiment/study-support.js';

const SWEEP: SweepSettings = {
  bits: [8, 3],
  levels: ['module'],
  quantizer: 'min-max',
  observables: true,
  predictor: 'fisher',
};

describe('sweep --predictor fisher', () => {
  before(() => startBackend('cpu'));
  after(() => startBackend('wasm'));

  it('has the column of gradients, takes them once, and compares predictors', () =>
    inFolder(async (folder) => {
      const store = await openStore(join(folder, 'store.sqlite'));
      const study = await toyStudy(folder, { store });
      try {
        const sweep = async (): Promise<{ run: SweepRun; gradients: number }> => {
          let gradients = 0;
          const run = await runSweep(study, SWEEP, {
            ...{ runs: join(folder, 'runs'), estimate: false },
            onProgress: ({ phase }) => (gradients += Number(phase === 'gradients')),
          });
          return { run, gradients };
        };
        const first = await sweep();
        assert.ok(first.gradients > 0);
        const { table, predictors, space } = first.run;
        // As the table that a search starts from has it.
        const levels = ['module'] as const;
        const own = await fisherTable(study, space, { bits: SWEEP.bits, levels });
        const valuesOf = ({ rows }: typeof table): (number | undefined)[] =>
          rows.map(({ extras }) => extras![FISHER]);
        assert.deepEqual(valuesOf(table), valuesOf(own.table));
        assert.ok(table.rows.every(({ extras }) => 'klDivergence' in extras!));
        // From the store, bit for bit, and without a gradient.
        const again = await sweep();
        assert.equal(again.gradients, 0);
        assert.deepEqual(again.run.table.rows, table.rows);
        assert.deepEqual(again.run.predictors, predictors);

        const names = predictors!.results.map(({ predictor }) => predictor);
        assert.deepEqual(names, ['loss', 'kl', 'flips', 'drift', 'sqnr', 'fisher']);
        const [loss] = predictors!.results;
        assert.ok(Math.abs(loss.rank! - 1) < 1e-12);
        assert.equal(loss.cost, table.rows.length + 1);
        for (const { bytes, cost, bits } of predictors!.results) {
          assert.ok(bytes <= predictors!.maxBytes && cost >= 0);
          assert.equal(Object.keys(bits).length, space.units.length);
        }
        const saved = await openRun(first.run.folder);
        assert.ok(saved.kind === 'sweep');
        assert.deepEqual(saved.predictors, predictors);
        const figure = runFigures(saved).get('predictors')!();
        assert.match(JSON.stringify(figure), /Fisher, by gradients/);
      } finally {
        await closeStudy(study);
        store.close();
      }
    }));

  it('takes gradients again for other data to take them on', () =>
    inFolder(async (folder) => {
      const study = await toyStudy(folder);
      const other = toySentences(20, 77);
      try {
        const settings = { ...SWEEP, bits: [4], observables: false };
        const { table, space } = await sensitivityOf(study, settings);
        const one = await withFisher(study, space, table, undefined);
        assert.notEqual(fisherKey(other), fisherKey(study.task));
        const seen: string[] = [];
        const run = { onProgress: ({ phase }: ProgressEvent) => void seen.push(phase) };
        await withFisher(study, space, table, undefined, run);
        assert.equal(seen.length, 0);
        // The same study, as if it had been asked with another file.
        Object.assign(study, {
          buildTask: () => Promise.resolve({ task: other, split: 'calibration' }),
        });
        const two = await withFisher(study, space, table, 'other.tsv', run);
        assert.ok(seen.includes('gradients'));
        assert.equal(two.work.sequences, 20);
        assert.notDeepEqual(two.table.rows, one.table.rows);
      } finally {
        await closeStudy(study);
      }
    }));
});

describe('cli: sweep --predictor fisher', () => {
  const at = temporaryFolder();

  it('shows the column and the comparison, and refuses options that would do nothing', async () => {
    const toy = await toyCommands(at);
    const flags = ['--bits', '8,4', '--level', 'module'];
    const shown = await toy.study('sweep', ...flags, '--predictor', 'fisher', '--show', 'fisher');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /rise of the NLL by gradients, nats/);
    assert.match(shown.stdout, /Fisher, by gradients +(?:−|-)?\d\.\d\d|Fisher, by gradients +—/);
    const rows = json(await toy.study('sweep', ...flags, '--predictor', 'fisher', '--json'))[
      'rows'
    ];
    assert.ok(
      (rows as { extras: Record<string, number> }[]).every(({ extras }) => FISHER in extras),
    );
    for (const idle of [
      ['--calibration', 'x.tsv'],
      ['--show', 'fisher'],
    ]) {
      const refused = await toy.study('sweep', ...flags, ...idle);
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, new RegExp(`${idle[0]}.*no gradients are taken`));
    }
  });
});
