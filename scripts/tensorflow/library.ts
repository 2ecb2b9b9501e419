import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from './folders.js';
import { runProgram, SetupError, tailOf, UnavailableError, type Machine } from './machine.js';

/** The TensorFlow whose wheels are fetched. Another one needs the tests of the backend to pass on it. */
export const TENSORFLOW_VERSION = '2.21.0';

/** A C library of TensorFlow: its headers, what to link, and where the loader shall look. */
export interface Library {
  readonly title: string;
  /** Folder of `tensorflow/c/c_api.h`. */
  readonly include: string;
  /** Files to link with. */
  readonly files: readonly string[];
  readonly runPath: readonly string[];
}

/** The wheels are for this Python whatever Python the machine has: nothing of them is run, only linked. */
const WHEEL_PYTHON = '3.12';
const PLATFORMS: Readonly<Partial<Record<string, string>>> = {
  x64: 'manylinux_2_27_x86_64',
  arm64: 'manylinux_2_27_aarch64',
};

/** Bytes on disk while they are unpacked, measured on Linux, x86-64, and something on top. */
const ROOM_BYTES = { cpu: 2e9, gpu: 10e9 };

const KINDS = { cpu: 'tensorflow-cpu', gpu: 'tensorflow' } as const;
/** Processor only, or with CUDA. */
export type Kind = keyof typeof KINDS;

const PIP_REMEDY =
  'install Python 3 with pip (Debian, Ubuntu: apt-get install python3-pip python3-venv), or give a ' +
  'libtensorflow that is there already with --libtensorflow DIR';

/** A command that runs pip: that of the machine's Python, or of an environment made for it. */
async function findPip({ env }: Machine, folder: string): Promise<string[]> {
  const named = env['QSLM_PYTHON'];
  for (const python of named ? [named] : ['python3', 'python']) {
    const asked = await runProgram(python, ['-m', 'pip', '--version'], env);
    if (asked.code === 0) return [python, '-m', 'pip'];
    if (asked.code === undefined) continue;
    const own = join(folder, 'venv');
    const made = await runProgram(python, ['-m', 'venv', own], env);
    if (made.code === 0) return [join(own, 'bin', 'python'), '-m', 'pip'];
    throw new UnavailableError(`${python} has neither pip nor venv`, PIP_REMEDY);
  }
  throw new UnavailableError('no Python 3 was found', PIP_REMEDY);
}

/** Puts wheels into a folder, without what they depend on. */
async function pipInstall(
  machine: Machine,
  [python, ...pip]: readonly string[],
  target: string,
  packages: readonly string[],
): Promise<void> {
  const flags = [
    ...['install', '--target', target, '--no-deps', '--no-compile', '--no-cache-dir'],
    ...['--only-binary', ':all:', '--implementation', 'cp', '--disable-pip-version-check'],
    ...['--python-version', WHEEL_PYTHON],
    // Wheels for older systems fit as well, and pip takes only the names it is given.
    ...[PLATFORMS[process.arch]!, ...olderPlatforms()].flatMap((name) => ['--platform', name]),
  ];
  const parameters = [...pip, ...flags, ...packages];
  machine.tell(`pip install ${packages.join(' ')}`);
  const { code, output } = await runProgram(python, parameters, machine.env);
  for (const line of output.matchAll(/(?:Downloading|Using cached) (\S+\.whl).*?\(([^)]+)\)/g))
    machine.tell(`  ${line[1].split('/').at(-1)!} (${line[2]})`);
  if (code === 0) return;
  if (/No space left|Errno 28/.test(output))
    throw new SetupError('no space left while pip unpacked', 'free some, or set QSLM_HOME');
  if (/No matching distribution|Could not find a version/.test(output) && !isOffline(output))
    throw new SetupError(
      `pip has no ${packages[0]} for ${process.platform} on ${process.arch}`,
      'give a libtensorflow that is there already with --libtensorflow DIR',
    );
  const remedy =
    'check the network and pip’s settings (pip config list), then run this again; without it qslm goes on on wasm';
  if (isOffline(output))
    throw new UnavailableError("Python's package index cannot be reached", remedy);
  throw new SetupError(`pip failed: ${tailOf(output)}`, remedy);
}

const isOffline = (output: string): boolean =>
  /NewConnectionError|ConnectTimeout|Name or service|name resolution|ProxyError|Max retries|Network is unreachable|Connection refused/i.test(
    output,
  );

function olderPlatforms(): string[] {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  return ['manylinux_2_26', 'manylinux_2_17', 'manylinux2014', 'manylinux_2_5', 'manylinux1']
    .map((name) => `${name}_${machine}`)
    .concat('any');
}

/** What the extra `and-cuda` of an installed wheel asks for: "nvidia-cudnn-cu12<10.0,>=9.3.0.75". */
export function cudaPackages(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist: (nvidia-[^;]+?)\s*;.*extra == "and-cuda"/gm)].map(
    ([, requirement]) => requirement.replaceAll(/[\s()]/g, ''),
  );
}

async function requireRoom(folder: string, kind: Kind): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const [free, needed] = [bavail * bsize, ROOM_BYTES[kind]];
  if (free >= needed) return;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new SetupError(
    `${folder} has ${gigabytes(free)} left, and ${gigabytes(needed)} are needed`,
    'free some, or set QSLM_HOME to a folder of another disk',
  );
}

/** Only these of TensorFlow's folder are kept: the library, its headers and its licences. */
const KEPT = /^(libtensorflow_(cc|framework)\.so\.2|include|THIRD_PARTY_NOTICES.*|LICENSE.*)$/;
const KEPT_HEADERS = ['tensorflow/c', 'tensorflow/core/platform', 'xla/tsl/c', 'tsl/platform'];

async function prune(folder: string): Promise<void> {
  const tensorflow = join(folder, 'tensorflow');
  const include = join(tensorflow, 'include');
  for (const header of KEPT_HEADERS) {
    const from = join(include, header);
    if (!existsSync(from)) continue;
    const to = join(folder, 'include', header);
    await mkdir(dirname(to), { recursive: true });
    await cp(from, to, { recursive: true });
  }
  await rm(include, { recursive: true });
  for (const name of readdirSync(tensorflow))
    if (!KEPT.test(name)) await rm(join(tensorflow, name), { recursive: true });
}

/** The library of TensorFlow's wheels, fetched where it is not there yet. */
export async function wheelLibrary(machine: Machine, kind: Kind): Promise<Library> {
  if (process.platform !== 'linux' || PLATFORMS[process.arch] === undefined)
    throw new SetupError(
      `TensorFlow's wheels carry a C library for Linux, not for ${process.platform} on ${process.arch}`,
      'give a libtensorflow that is there already with --libtensorflow DIR',
    );
  const place = join(machine.cache, `${kind}-${TENSORFLOW_VERSION}-${process.arch}`);
  if (existsSync(place)) machine.tell(`TensorFlow ${TENSORFLOW_VERSION} is there: ${place}`);
  await makeFolder(place, async (folder) => {
    await requireRoom(folder, kind);
    const pip = await findPip(machine, folder);
    const wheel = KINDS[kind];
    await pipInstall(machine, pip, folder, [`${wheel}==${TENSORFLOW_VERSION}`]);
    if (kind === 'gpu') {
      const info = `${wheel}-${TENSORFLOW_VERSION}.dist-info`;
      const metadata = await readFile(join(folder, info, 'METADATA'), 'utf8');
      await pipInstall(machine, pip, folder, cudaPackages(metadata));
    }
    await prune(folder);
    for (const name of ['venv', 'bin'])
      await rm(join(folder, name), { recursive: true, force: true });
  });
  const tensorflow = join(place, 'tensorflow');
  const nvidia = join(place, 'nvidia');
  const cuda = existsSync(nvidia)
    ? readdirSync(nvidia).map((name) => join(nvidia, name, 'lib'))
    : [];
  return {
    title: `tensorflow ${TENSORFLOW_VERSION} (${kind === 'gpu' ? 'CUDA 12' : 'processor'})`,
    include: join(place, 'include'),
    files: ['cc', 'framework'].map((part) => join(tensorflow, `libtensorflow_${part}.so.2`)),
    runPath: [tensorflow, ...cuda.filter((folder) => existsSync(folder))],
  };
}

/**
 * A library that is there already: a folder as libtensorflow's archive unpacks to (`include`, `lib`), or the
 * folder `tensorflow` of a Python environment.
 */
export function givenLibrary(folder: string): Library {
  const root = resolve(folder);
  const include = join(root, 'include');
  const lib = existsSync(join(root, 'lib')) ? join(root, 'lib') : root;
  const found = (part: string): string | undefined =>
    [`libtensorflow${part}.so.2`, `libtensorflow${part}.so`, `libtensorflow${part}.2.dylib`]
      .map((name) => join(lib, name))
      .find((path) => existsSync(path));
  const main = found('') ?? found('_cc');
  const framework = found('_framework');
  const remedy = 'name the folder that holds include/tensorflow/c/c_api.h and libtensorflow';
  if (!existsSync(join(include, 'tensorflow', 'c', 'c_api.h')))
    throw new SetupError(`${include} has no tensorflow/c/c_api.h`, remedy);
  if (main === undefined || framework === undefined)
    throw new SetupError(`${lib} has no libtensorflow and libtensorflow_framework`, remedy);
  return { title: `libtensorflow of ${root}`, include, files: [main, framework], runPath: [lib] };
}
