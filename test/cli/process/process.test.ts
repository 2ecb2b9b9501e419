import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { saveToy } from '../../experiment/support.js';
import { endProcesses, runCli, startCli } from '../support/run.js';

/** Generates for as long as it is let. */
const ENDLESS = [
  ...['generate', 'spikegpt-mini', '--prompt', 'The castle', '--quiet'],
  ...['--length', '100000', '--context-length', '200000'],
];

describe('cli: as a process', () => {
  const at = temporaryFolder();
  afterEach(endProcesses);
  before(function () {
    if (process.platform === 'win32') this.skip();
  });

  it('stops at Ctrl-C with 130 and a word, and leaves no file', async () => {
    await mkdir(at('interrupted'));
    const out = join(at('interrupted'), 'text.json');
    const { child, outcome } = startCli([...ENDLESS, '--out', out]);
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    const { code, stdout, stderr } = await outcome;
    assert.equal(code, 130);
    assert.match(stdout, /^The/);
    assert.equal(
      stderr,
      '\nstopping; Ctrl-C again ends at once\ninterrupted; nothing half-written is left\n',
    );
    assert.deepEqual(readdirSync(at('interrupted')), []);
  });

  it('ends quietly when the reader of its output has gone', async () => {
    const { child, outcome } = startCli(ENDLESS);
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    const { code, stderr } = await outcome;
    assert.deepEqual([code, stderr], [141, '']);
  });

  it('says that its output cannot be written', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const { outcome } = startCli(['inspect', 'spikegpt-mini'], openSync('/dev/full', 'w'));
    const { code, stderr } = await outcome;
    assert.equal(code, 4);
    assert.equal(
      stderr,
      'error: standard output: cannot write; got ENOSPC (no space left on the disk); expected a writable output\n',
    );
  });

  it('says where there is no space for its files', async function () {
    if (!existsSync('/dev/full')) this.skip();
    // A link, so that nothing could ever take the device's place.
    await symlink('/dev/full', at('full.json'));
    const inspect = await runCli(['inspect', 'spikegpt-mini', '--out', at('full.json')]);
    assert.deepEqual([inspect.code, inspect.stdout], [4, '']);
    assert.match(
      inspect.stderr,
      /^error: .*full\.json: cannot write; got ENOSPC \(no space left on the disk\); expected/,
    );
    await symlink('/dev/full', at('full.safetensors'));
    const convert = await runCli([
      'convert',
      'spikegpt-mini',
      '--out',
      at('full.safetensors'),
      '--force',
    ]);
    assert.equal(convert.code, 4);
    assert.match(convert.stderr, /full\.safetensors: cannot write; got ENOSPC/);
  });

  it('leaves nothing when it is stopped in the middle of writing', async () => {
    const input = await saveToy(at('many.safetensors'), { layers: 30, head: false });
    await mkdir(at('stopped'));
    const out = join(at('stopped'), 'model.safetensors');
    let seen: string[] = [];
    const outcome = await runCli(['convert', input, '--out', out, '--quiet'], {
      onListening: (interrupt) => {
        const look = (): void => {
          seen = readdirSync(at('stopped'));
          if (seen.length === 0) setImmediate(look);
          else interrupt();
        };
        look();
      },
    });
    assert.match(seen.join(), /^model\.safetensors\.[0-9a-f-]+\.partial$/);
    assert.equal(outcome.code, 130);
    assert.deepEqual(readdirSync(at('stopped')), []);
  });

  it('refuses a backend that is not installed, and says how to get it', async function () {
    const { code, stderr } = await runCli([
      ...['eval', 'spikegpt-mini', '--limit', '256', '--backend', 'tensorflow', '--quiet'],
    ]);
    // Where the native library is installed there is nothing to refuse.
    if (code === 0) this.skip();
    assert.equal(code, 3);
    assert.match(stderr, /^error: backend tensorflow: .*npm run setup:tensorflow/);
  });
});
