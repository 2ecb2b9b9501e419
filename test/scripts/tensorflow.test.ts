import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder, removeAbandoned } from '../../scripts/tensorflow/folders.js';
import { cudaPackages, givenLibrary, wheelLibrary } from '../../scripts/tensorflow/library.js';
import { SetupError, type Machine } from '../../scripts/tensorflow/machine.js';
import { requireDriver, setUp } from '../../scripts/tensorflow/setup.js';
import { parseGpus } from '../../src/backend/backends/devices.js';
import { identityOf } from '../../src/backend/backends/tensorflow.js';

/** A process number that no process has: Linux gives none as large. */
const NOBODY = 2 ** 22 + 1;

describe('npm run setup:tensorflow', () => {
  let folder: string;
  let machine: Machine;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-tensorflow-'));
    machine = {
      env: { PATH: join(folder, 'bin') },
      cache: join(folder, 'cache'),
      package: join(folder, 'package'),
      tell: () => undefined,
    };
    await mkdir(join(folder, 'bin'));
    await mkdir(join(folder, 'package', 'binding'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const refuses = (what: RegExp, remedy: RegExp) => (error: unknown) => {
    assert.ok(error instanceof SetupError, String(error));
    assert.match(error.message, what);
    assert.match(error.remedy, remedy);
    return true;
  };
  const program = (name: string, body: string): Promise<void> =>
    writeFile(join(folder, 'bin', name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}\n`, {
      mode: 0o755,
    });

  it('says what is missing without Python, without the index, and leaves nothing half-made', async () => {
    const cpu = { kind: 'cpu' } as const;
    await assert.rejects(setUp(machine, cpu), refuses(/no Python 3/, /install Python 3/));
    await program('python3', '[ "$3" = --version ] || { echo "NewConnectionError" >&2; exit 1; }');
    await assert.rejects(setUp(machine, cpu), refuses(/cannot be reached/, /network/));
    assert.deepEqual(readdirSync(machine.cache), []);
    assert.equal(existsSync(join(machine.package, 'lib')), false);
  });

  it('says so without a compiler', async () => {
    const given = join(folder, 'given');
    await mkdir(join(given, 'include', 'tensorflow', 'c'), { recursive: true });
    await mkdir(join(given, 'lib'));
    await writeFile(join(given, 'include', 'tensorflow', 'c', 'c_api.h'), '');
    const wanted = { libtensorflow: given };
    await assert.rejects(setUp(machine, wanted), refuses(/no libtensorflow/, /name the folder/));
    for (const part of ['', '_framework'])
      await writeFile(join(given, 'lib', `libtensorflow${part}.so.2`), '');
    assert.deepEqual(givenLibrary(given).runPath, [join(given, 'lib')]);
    await assert.rejects(setUp(machine, wanted), refuses(/no C\+\+ compiler/, /apt-get install g/));
    await program('c++', 'echo "error: no"; exit 1');
    await assert.rejects(setUp(machine, wanted), refuses(/could not be built/, /C\+\+17/));
    assert.deepEqual(readdirSync(machine.cache), []);
  });

  it('fetches once, keeps the library and its headers, and knows it again', async () => {
    const make =
      'mkdir -p "$6/tensorflow/include/tensorflow/c" "$6/tensorflow/python" "$6/bin"\n' +
      'echo x >> "$6/tensorflow/libtensorflow_cc.so.2"';
    const log = `echo "$*" >> "${folder}/calls"`;
    // python3 -m pip install --target FOLDER …
    await program('python3', `${log}\n[ "$3" = --version ] && exit 0\nset -- x "$@"\n${make}`);
    await mkdir(machine.cache);
    const library = await wheelLibrary(machine, 'cpu');
    assert.ok(existsSync(library.files[0]));
    assert.ok(existsSync(join(library.include, 'tensorflow', 'c')));
    assert.equal(existsSync(join(library.runPath[0], 'python')), false);
    assert.deepEqual(await wheelLibrary(machine, 'cpu'), library);
    const calls = await readFile(join(folder, 'calls'), 'utf8');
    assert.equal(calls.match(/pip install/g)?.length, 1);
  });

  it('removes what a killed setup left, and nothing of one that runs', async () => {
    const left = `cpu.${NOBODY}-0123abcd.partial`;
    const mine = `cpu.${process.pid}-0123abcd.partial`;
    for (const name of [left, mine, 'cpu'])
      await mkdir(join(machine.cache, name), { recursive: true });
    assert.deepEqual(removeAbandoned(machine.cache), [left]);
    assert.deepEqual(readdirSync(machine.cache).sort(), ['cpu', mine]);
  });

  it('lets two at once make the same folder', async () => {
    const place = join(machine.cache, 'cpu');
    await mkdir(machine.cache);
    const fill = async (at: string): Promise<void> => {
      await writeFile(join(at, 'one'), '1');
      await new Promise(setImmediate);
      await writeFile(join(at, 'two'), '2');
    };
    await Promise.all([makeFolder(place, fill), makeFolder(place, fill)]);
    assert.deepEqual(readdirSync(machine.cache), ['cpu']);
    assert.deepEqual(readdirSync(place).sort(), ['one', 'two']);
  });

  it('refuses a driver that is too old for CUDA 12, and warns without one', () => {
    const told: string[] = [];
    const tell = (line: string): void => void told.push(line);
    requireDriver('NVIDIA RTX 4090, 550.54.14, 8.9', tell);
    assert.throws(
      () => requireDriver('Tesla V100, 470.82.01, 7.0', tell),
      refuses(/470\.82\.01 is too old/, /525 or newer/),
    );
    requireDriver(undefined, tell);
    assert.match(told.at(-1)!, /on the processor/);
  });

  it("reads what CUDA's extra asks for", () => {
    const metadata = `Requires-Dist: numpy>=1.26
Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"
Requires-Dist: nvidia-nccl-cu12 (<3.0) ; extra == "and-cuda"`;
    const expected = ['nvidia-cudnn-cu12<10.0,>=9.3.0.75', 'nvidia-nccl-cu12<3.0'];
    assert.deepEqual(cudaPackages(metadata), expected);
  });
});

describe('measurements on native TensorFlow', () => {
  it('are stored under library, device, and for a GPU capability, driver and TF32', () => {
    const [gpu] = parseGpus('NVIDIA L4, 8.9, 550.54.14\n');
    assert.equal(identityOf('2.21.0', 'avx512', undefined, false), 'tensorflow-2.21.0-cpu-avx512');
    assert.equal(identityOf('2.21.0', 'avx512', gpu, false), 'tensorflow-2.21.0-gpu-8.9-550.54.14');
    assert.match(identityOf('2.21.0', 'avx512', gpu, true), /-tf32$/);
  });
});
