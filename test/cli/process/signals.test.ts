import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { watchPartials } from '../../../src/util/files.js';
import { packagePath } from '../../../src/util/paths.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { endProcesses, startCli } from '../support/run.js';

/** Never through: each a doubles the ways to fail. */
const RUNAWAY = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: {
    type: 'Split',
    pattern: { Regex: '(a+)+$' },
    behavior: 'Isolated',
    invert: false,
  },
  model: { type: 'BPE', vocab: { a: 0, b: 1, ' ': 2 }, merges: [] },
};

/** Clock ticks of Linux a second. */
const TICKS = 100;

/** Seconds of processor time that a process has used. */
function cpuSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid!}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resolves once the process has computed for so long, which takes what it takes. */
async function busyFor(child: ChildProcess, seconds: number): Promise<void> {
  while (child.exitCode === null && cpuSeconds(child) < seconds) await wait(50);
}

describe('cli: Ctrl-C', () => {
  const at = temporaryFolder();
  afterEach(endProcesses);
  before(function () {
    if (!existsSync('/proc/self/stat')) this.skip();
  });

  it('once asks: an evaluation of one long step ends with 130, and tells no result', async () => {
    await writeFile(
      at('long.txt'),
      'The castle was built on a hill above the river . '.repeat(1500),
    );
    const { child, outcome } = startCli([
      ...['eval', 'spikegpt-mini', '--data', at('long.txt'), '--json', '--backend', 'wasm'],
      ...['--context', '12000', '--context-length', '12000', '--limit', '12000'],
    ]);
    await busyFor(child, 1.5);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await outcome;
    assert.deepEqual([code, stdout], [130, '']);
    assert.match(stderr, /^\nstopping.*; Ctrl-C again ends at once\n[^]*interrupted; nothing half/);
  });

  it('twice ends within a second, also where the command hears nothing', async () => {
    await writeFile(at('runaway.json'), JSON.stringify(RUNAWAY));
    await writeFile(at('as.txt'), `${'a'.repeat(60)}b\n`);
    const { child, outcome } = startCli([
      ...['eval', 'spikegpt-mini', '--tokenizer', at('runaway.json'), '--data', at('as.txt')],
    ]);
    await busyFor(child, 2);
    child.kill('SIGINT');
    const [said] = (await once(child.stderr!, 'data')) as [Buffer];
    assert.equal(
      said.toString(),
      '\nstopping after the step under way; Ctrl-C again ends at once\n',
    );
    child.kill('SIGINT');
    const end = await Promise.race([once(child, 'exit'), wait(1000, 'still there')]);
    assert.deepEqual(end, [null, 'SIGINT']);
    await outcome;
  });

  it('has a sibling, SIGTERM, with a code of its own', async () => {
    const { child, outcome } = startCli([
      ...['generate', 'spikegpt-mini', '--prompt', 'The castle', '--quiet'],
      ...['--length', '100000', '--context-length', '200000'],
    ]);
    await once(child.stdout!, 'data');
    child.kill('SIGTERM');
    const { code, stderr } = await outcome;
    assert.equal(code, 143);
    assert.match(stderr, /interrupted; nothing half-written is left\n$/);
  });

  it('finds the files that a thread was writing when it was ended', async () => {
    const partials = watchPartials();
    const files = JSON.stringify(packagePath('src', 'util', 'files.ts'));
    const path = JSON.stringify(at('written.bin'));
    const worker = new Worker(
      `require('tsx/cjs'); const { writeFileAtomically } = require(${files});
       const { parentPort } = require('node:worker_threads');
       writeFileAtomically(${path}, () => {
         parentPort.postMessage('writing');
         return new Promise(() => setInterval(() => undefined, 1000));
       });`,
      { eval: true },
    );
    try {
      await once(worker, 'message');
      // Another channel than that of the message.
      while ([...partials].length === 0) await wait(10);
      const [partial] = partials;
      assert.match(partial, /written\.bin\.[0-9a-f]{6}-\d+-\d+-[0-9a-f]{8}\.partial$/);
      assert.ok(existsSync(partial));
    } finally {
      partials.stop();
      await worker.terminate();
    }
  });
});
