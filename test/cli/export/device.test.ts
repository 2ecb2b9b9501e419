import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceExport } from '../../../src/experiment/open/export-device.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { FAMILY_TOYS, saveFamilyToy } from '../../families/toys.js';
import { runCli } from '../support/run.js';
import { json, toyCommands, type ToyCommands } from '../support/study.js';

describe('cli: export --c', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });

  it('writes a C file and its weights, and says what memory they take', async () => {
    const argv = ['export', toy.model, '--bits', '4', '--c', at('c')];
    const { stdout, stderr, code } = await toy.runs(...argv);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await readdir(at('c')), ['model.bin', 'model.c']);
    assert.match(stdout, /^arena +[\d,]+ bytes, fixed; nothing is allocated$/m);
    assert.match(stdout, /^build +cc -std=c99 -O2 -ffp-contract=off /m);

    const again = await toy.runs(...argv);
    assert.equal(again.code, 4);
    assert.match(again.stderr, /model\.bin: there is a file already/);

    const value = json(await toy.runs(...argv, '--force', '--json')) as unknown as DeviceExport;
    const text = await readFile(value.source, 'utf8');
    assert.ok(text.includes(`#define QSLM_ARENA_BYTES ${value.arenaBytes}ul\n`));
    assert.ok(text.includes(`#define QSLM_WEIGHTS_BYTES ${value.weightsBytes}ul\n`));
    assert.equal((await stat(value.weights)).size, value.weightsBytes);
    assert.equal(value.weights, join(at('c'), 'model.bin'));
  });

  it('wants one place to write to', async () => {
    for (const more of [[], ['--out', at('a'), '--c', at('b')]]) {
      const { code, stderr } = await toy.runs('export', toy.model, '--bits', '4', ...more);
      assert.equal(code, 2);
      assert.match(stderr, /--out|nowhere/);
    }
  });

  it('refuses a model that has no C form, by name', async () => {
    const model = await saveFamilyToy(at('bert.safetensors'), FAMILY_TOYS[0]);
    const { code, stderr } = await runCli(['export', model, '--bits', '4', '--c', at('no')]);
    assert.equal(code, 3);
    assert.match(stderr, /the model has no C form; got Spike[A-Za-z]+; expected a SpikeGPT/);
  });
});
