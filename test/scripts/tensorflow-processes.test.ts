import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagePath } from '../../src/util/paths.js';
import { HAS_NATIVE } from '../support/native.js';

const CHILD = join(__dirname, 'setup-child.ts');
const LIB = ['lib', 'napi-v8'];

/** As processes, with a pip and a compiler of the test's. */
describe('npm run setup:tensorflow, as a process', () => {
  let folder: string;
  const children = new Set<ChildProcess>();
  const cache = (): string[] => readdirSync(join(folder, 'cache')).sort();
  const isLinked = (name = 'package'): boolean =>
    existsSync(join(folder, name, ...LIB, 'tfjs_binding.node'));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-tensorflow-'));
    for (const name of ['bin', 'package/binding', 'other/binding'])
      await mkdir(join(folder, name), { recursive: true });
    for (const name of ['package', 'other'])
      for (const file of ['tfjs_backend.cc', 'tfjs_binding.cc'])
        await writeFile(join(folder, name, 'binding', file), '');
  });
  afterEach(async () => {
    for (const child of children)
      try {
        // The programs that it runs are of its group.
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // All have ended.
      }
    children.clear();
    await rm(folder, { recursive: true, force: true });
  });

  const program = (name: string, body: string): Promise<void> =>
    writeFile(join(folder, 'bin', name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}\n`, {
      mode: 0o755,
    });
  /** A pip that unpacks the library in two steps, and does something between them. */
  const pip = (between: string): Promise<void> =>
    program(
      'python3',
      `[ "$3" = --version ] && exit 0
       mkdir -p "$5/tensorflow/include/tensorflow/c"
       echo one > "$5/tensorflow/libtensorflow_cc.so.2"
       ${between}
       echo two > "$5/tensorflow/libtensorflow_framework.so.2"`,
    );
  const wait = 'echo waiting > "$0.waits"; exec sleep 600';

  const start = (name = 'package') => {
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, folder, name], {
      cwd: packagePath(),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'exit').then(([code]) => ({ code: code as number | null, output }));
    return { child, ended };
  };
  const until = async (file: string): Promise<void> => {
    while (!existsSync(join(folder, 'bin', file))) await new Promise(setImmediate);
  };

  it('killed while it fetches, leaves nothing that passes for whole, and the next one cleans up', async () => {
    await pip(wait);
    const { child, ended } = start();
    await until('python3.waits');
    child.kill('SIGKILL');
    await ended;
    assert.equal(cache().length, 1);
    assert.match(cache()[0], /^cpu-.*\.partial$/);
    assert.equal(isLinked(), false);
    await program('python3', '[ "$3" = --version ] || { echo NewConnectionError; exit 1; }');
    const next = await start().ended;
    assert.equal(next.code, 69, next.output);
    assert.match(next.output, /removed what was left: cpu-.*partial/);
    assert.deepEqual(cache(), []);
  });

  it('interrupted while it builds, keeps what is whole, and ends the compiler', async () => {
    await pip('');
    await program('c++', `echo $$ > "$0.process"; ${wait}`);
    const { child, ended } = start();
    await until('c++.waits');
    child.kill('SIGTERM');
    assert.equal((await ended).code, 130);
    assert.deepEqual(
      cache().map((name) => name.replace(/-\d.*/, '')),
      ['cpu'],
    );
    assert.equal(isLinked(), false);
    const compiler = Number(readFileSync(join(folder, 'bin', 'c++.process'), 'utf8'));
    const lives = (): boolean => {
      try {
        return !readFileSync(`/proc/${compiler}/stat`, 'utf8').includes(') Z ');
      } catch {
        return false;
      }
    };
    while (lives()) await new Promise(setImmediate);
  });

  it('exits with 69 where a program is missing, and with 1 where one fails', async () => {
    assert.equal((await start().ended).code, 69);
    await pip('');
    const { code, output } = await start().ended;
    assert.equal(code, 69);
    assert.match(output, /error: no C\+\+ compiler was found/);
    await program('c++', 'exit 1');
    assert.equal((await start().ended).code, 1);
  });

  if (HAS_NATIVE)
    it('two at once for two checkouts share one library and one binding, both of which run', async () => {
      const built = realpathSync(
        packagePath('node_modules', '@tensorflow', 'tfjs-node-gpu', ...LIB, 'tfjs_binding.node'),
      );
      await pip('sleep 0.3');
      // The last of -o FILE is where to; what has been built once for this machine stands for what would be.
      await program(
        'c++',
        `while [ "$1" != -o ]; do shift; done; sleep 0.3; cp "${built}" "$2.half" && mv "$2.half" "$2"`,
      );
      const outcomes = await Promise.all([start('package').ended, start('other').ended]);
      for (const { code, output } of outcomes) {
        assert.equal(code, 0, output);
        assert.match(output, /TensorFlow 2\.\d+\.\d+ computes on/);
      }
      assert.deepEqual(
        cache().map((name) => name.replace(/-.*/, '')),
        ['binding', 'cpu'],
      );
      const [one, other] = ['package', 'other'].map((name) =>
        readlinkSync(join(folder, name, ...LIB, 'tfjs_binding.node')),
      );
      assert.equal(one, other);
      assert.ok(existsSync(one));
      assert.deepEqual(readdirSync(join(folder, 'package', ...LIB)).sort(), [
        'qslm_environment.node',
        'tfjs_binding.node',
      ]);
    });
});
