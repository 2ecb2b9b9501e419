import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

interface SweepJson {
  readonly folder: string;
  readonly rows: readonly {
    readonly level: string;
    readonly unit: string;
    readonly bits: number;
    readonly metric: number;
    readonly extras: Readonly<Record<string, number | null>>;
  }[];
  readonly work: { readonly measured: number };
}

describe('cli: sweep', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });

  it('prints a grid a level: units down, bit widths across', async () => {
    const { code, stdout, stderr } = await toy.study('sweep', '--bits', '8,3');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^block, accuracy +8 bits +3 bits$/m);
    for (const unit of ['input', 'attention.0', 'attention.1', 'output'])
      assert.match(
        stdout,
        new RegExp(`^${unit.replace('.', '\\.')} +\\d+\\.\\d % +\\d+\\.\\d %$`, 'm'),
      );
    assert.match(stdout, /^module, accuracy +8 bits +3 bits$/m);
    assert.match(stdout, /^attention\.1\/SRFFN +\d/m);
    assert.match(stdout, /^observed +first 40 sentences$/m);
  });

  it('keeps all figures in its folder, and shows the one that is asked for', async () => {
    const args = ['--bits', '8,3', '--level', 'block'];
    const value = json(await toy.study('sweep', ...args, '--json')) as unknown as SweepJson;
    assert.equal(value.work.measured, 0, 'the store knows all of it');
    assert.equal(value.rows.length, 8);
    const csv = await readFile(join(value.folder, 'sensitivity.csv'), 'utf8');
    const lines = csv.trim().split('\n');
    assert.equal(
      lines[0],
      'level,unit,bits,metric,low,high,loss,bytes,klDivergence,flipRate,sqnr,membraneDrift',
    );
    assert.equal(lines.length, 9);
    const [row] = value.rows;
    assert.ok(row.extras.flipRate! >= 0 && row.extras.sqnr! > 10);
    const shown = await toy.study('sweep', ...args, '--show', 'flips');
    assert.match(shown.stdout, /^block, spike flips +8 bits +3 bits$/m);
    assert.match(shown.stdout, /^output +0\.00 % +0\.00 %$/m);
    const drift = await toy.study('sweep', ...args, '--show', 'drift');
    assert.match(drift.stdout, /^block, membrane drift +8 bits +3 bits$/m);
    // The last spiking layer comes before the output; of the input, a lookup of signs, nothing is lost.
    assert.match(drift.stdout, /^output +0\.00 % +0\.00 %$/m);
    assert.match(drift.stdout, /^attention\.0 +\d+\.\d\d % +\d+\.\d\d %$/m);
    const db = await toy.study('sweep', ...args, '--show', 'sqnr');
    assert.match(db.stdout, /^input +\d\d\.\d +\d\d\.\d$/m);
  });

  it('can leave the observables out', async () => {
    const args = ['--bits', '5', '--level', 'block', '--no-observe', '--json'];
    const { rows } = json(await toy.study('sweep', ...args)) as unknown as SweepJson;
    assert.deepEqual(Object.keys(rows[0].extras), ['low', 'high', 'pairedLow', 'pairedHigh']);
  });

  it('refuses a level that is none', async () => {
    const { code, stderr } = await toy.study('sweep', '--level', 'layer');
    assert.equal(code, 2);
    assert.match(stderr, /Allowed choices are block, module, matrix/);
  });
});
