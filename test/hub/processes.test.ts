import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { packagePath } from '../../src/util/paths.js';
import { endProcesses, startCli, type Outcome } from '../cli/support/run.js';
import { temporaryHome } from './support/home.js';
import { HubServer, type ServedRepository } from './support/hub-server.js';

const COMMIT = '00112233445566778899aabbccddeeff00112233';
const WEIGHTS = Buffer.from(
  Uint8Array.from({ length: 400_000 }, (_, i) => (i * 2654435761) >>> 11),
);
const MODEL: ServedRepository = {
  kind: 'model',
  name: 'some/model',
  commit: COMMIT,
  files: { 'model.pth': WEIGHTS, 'tokenizer.json': Buffer.from('{}') },
};
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('hub: processes and disks', function () {
  this.timeout(60_000);
  let hub: HubServer;
  const home = temporaryHome();
  before(async () => {
    hub = await HubServer.start([MODEL]);
  });
  beforeEach(() => {
    hub.fault = () => undefined;
    hub.seen.length = 0;
  });
  afterEach(endProcesses);
  after(() => hub.stop());

  const ARGV = ['fetch', 'model', 'some/model', '--quiet'];
  const variables = (path = home.path()): Record<string, string> => ({
    QSLM_HOME: path,
    HF_ENDPOINT: hub.endpoint,
    HF_TOKEN: '',
    HF_HUB_OFFLINE: '',
    NO_PROXY: '127.0.0.1',
  });
  const fetching = (path?: string) => startCli(ARGV, 'pipe', variables(path));
  const target = (): string => join(home.path(), 'hub/models/some/model', COMMIT, 'model.pth');
  const partials = async (): Promise<string[]> =>
    (await home.files()).filter((name) => name.endsWith('.partial'));

  /** Bytes of the file that have come so far. */
  async function came(): Promise<number> {
    const sizes = await Promise.all(
      (await partials()).map(async (name) => {
        const found = await stat(join(home.path(), name)).catch(() => undefined);
        return found?.size ?? 0;
      }),
    );
    return Math.max(0, ...sizes);
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await setImmediate();
  }

  function arrived(outcome: Outcome): Promise<void> {
    assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
    return readFile(target()).then((bytes) => {
      assert.equal(sha256(bytes), sha256(WEIGHTS));
    });
  }

  it('killed three times, goes on each time and ends with the right hash', async () => {
    for (const size of [100_000, 200_000, 300_000]) {
      hub.fault = ({ storage, from }) => (storage ? { stallAfter: size - from } : undefined);
      const { child, outcome } = fetching();
      await until(async () => (await came()) === size);
      child.kill('SIGKILL');
      await outcome;
      // Not under its name before it is whole.
      await assert.rejects(stat(target()), /ENOENT/);
    }
    hub.fault = () => undefined;
    await arrived(await fetching().outcome);
    assert.deepEqual(
      hub.downloads('model.pth').map(({ from }) => from),
      [0, 100_000, 200_000, 300_000],
    );
    assert.deepEqual(await partials(), []);
  });

  it('two processes fetch the same file, and the second waits for the first', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    hub.fault = ({ storage }) => (storage ? { hold: held } : undefined);
    const first = fetching();
    await until(() => hub.downloads('model.pth').length === 1);
    const second = fetching();
    await until(() => hub.seen.filter(({ path }) => path.includes('/tree/')).length === 2);
    release();
    await arrived(await first.outcome);
    await arrived(await second.outcome);
    assert.equal(hub.downloads('model.pth').length, 1);
    assert.deepEqual(await partials(), []);
  });

  it('a second process takes over from one that is killed while it waits', async () => {
    hub.fault = ({ storage, from }) =>
      storage && from === 0 ? { stallAfter: 150_000 } : undefined;
    const first = fetching();
    await until(async () => (await came()) === 150_000);
    const second = fetching();
    await until(() => hub.seen.filter(({ path }) => path.includes('/tree/')).length === 2);
    first.child.kill('SIGKILL');
    await first.outcome;
    await arrived(await second.outcome);
    assert.deepEqual(
      hub.downloads('model.pth').map(({ from }) => from),
      [0, 150_000],
    );
    assert.deepEqual(await partials(), []);
  });

  it('a file that may not grow: the message says so, and nothing of it is left', async () => {
    const main = packagePath('dist', 'cli', 'main.js');
    const shell = 'ulimit -f 200; exec "$0" "$@"';
    const run = promisify(execFile)('/bin/sh', ['-c', shell, process.execPath, main, ...ARGV], {
      env: { ...process.env, ...variables() },
    });
    await assert.rejects(run, (error: { code?: unknown; stderr?: string }) => {
      assert.equal(error.code, 4);
      assert.match(error.stderr!, /model\.pth: cannot write; got EFBIG \(the file would exceed/);
      return true;
    });
    assert.deepEqual(await home.files(), []);
  });

  /** Mounts a small file system, which only root may; false elsewhere. */
  function mounted(path: string, options: string): boolean {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  it('a full disk: the message says how much room it takes, and nothing is left', async function () {
    const small = join(home.path(), 'small');
    await mkdir(small);
    if (!mounted(small, 'size=300k')) this.skip();
    try {
      const { code, stderr } = await fetching(small).outcome;
      assert.equal(code, 4);
      assert.match(
        stderr,
        /the disk has no room for it; got 0\.\d+ MB free; expected 0\.40 MB, or QSLM_HOME on another disk/,
      );
      assert.deepEqual(await home.files(), []);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('a read-only cache: the message says so, and nothing is left', async function () {
    const folder = join(home.path(), 'fixed');
    await mkdir(folder);
    const root = process.getuid?.() === 0;
    if (root && !mounted(folder, 'ro')) this.skip();
    if (!root) await chmod(folder, 0o555);
    try {
      const { code, stderr } = await fetching(folder).outcome;
      assert.equal(code, 4);
      assert.match(
        stderr,
        root
          ? /model\.pth: cannot write; got EROFS \(the file system is read-only\)/
          : /model\.pth: cannot write; got EACCES \(no permission to write\)/,
      );
      assert.deepEqual(await home.files(), []);
    } finally {
      if (root) execFileSync('umount', [folder]);
    }
  });

  it('a home that is a file: the message says so', async () => {
    const path = join(home.path(), 'plain');
    await writeFile(path, '');
    const { code, stderr } = await fetching(path).outcome;
    assert.equal(code, 4);
    assert.match(stderr, /cannot write; got ENOTDIR \(a part of the path is a file/);
  });

  it('Ctrl-C: the command ends with its code, and the next one goes on', async () => {
    hub.fault = ({ storage }) => (storage ? { stallAfter: 120_000 } : undefined);
    const { child, outcome } = fetching();
    await until(async () => (await came()) === 120_000);
    child.kill('SIGINT');
    assert.equal((await outcome).code, 130);
    hub.fault = () => undefined;
    await arrived(await fetching().outcome);
    assert.deepEqual(
      hub.downloads('model.pth').map(({ from }) => from),
      [0, 120_000],
    );
  });
});
