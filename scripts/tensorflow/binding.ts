import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packagePath } from '../../src/util/paths.js';
import { makeFolder } from './folders.js';
import type { Library } from './library.js';
import { runProgram, SetupError, tailOf, UnavailableError, type Machine } from './machine.js';

/** Our kernels, which become operations of TensorFlow in the binding's process. */
const KERNELS = packagePath('src', 'backend', 'native', 'spiking.cc');
/** What is loaded before the library, which it does not link with. */
const ENVIRONMENT = packagePath('src', 'backend', 'native', 'environment.cc');
const SOURCES = ['tfjs_backend.cc', 'tfjs_binding.cc'];

/** Node-API 8 is in every Node that is supported, so that one build serves all of them. */
const NODE_API = '8';

/** The binding, and what `src/backend/backends/environment.ts` looks for beside it. */
const BINDING = 'tfjs_binding.node';
const BESIDE = 'qslm_environment.node';

const FLAGS = [
  ...['-std=c++17', '-O3', '-fPIC', '-shared', '-pthread', '-w'],
  // Products and sums are rounded apart, whatever the processor: results do not hang on the build.
  ...['-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'],
  `-DNAPI_VERSION=${NODE_API}`,
];

function contentHash(machine: Machine, library: Library): string {
  const hash = createHash('sha256');
  const folder = join(machine.package, 'binding');
  for (const name of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, name)));
  for (const file of [KERNELS, ENVIRONMENT]) hash.update(readFileSync(file));
  hash.update(JSON.stringify([FLAGS, library.files, library.runPath]));
  return hash.digest('hex').slice(0, 16);
}

const compilerOf = ({ env }: Machine): string => env['CXX'] ?? 'c++';

/** What Node itself brings is found when the module is loaded; only macOS's linker has to be told. */
const UNDEFINED = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];

async function compile(machine: Machine, parameters: readonly string[]): Promise<void> {
  const compiler = compilerOf(machine);
  const { code, output } = await runProgram(compiler, parameters, machine.env);
  if (code === undefined)
    throw new UnavailableError(
      `no C++ compiler was found (${compiler})`,
      'install one (Debian, Ubuntu: apt-get install g++), or name it with CXX',
    );
  if (code !== 0)
    throw new SetupError(
      `the binding could not be built:\n${tailOf(output, 12)}`,
      'a compiler of C++17 is needed (g++ 9 or newer, clang 10 or newer); CXX names another one',
    );
}

/** Builds the package's binding and our kernels against a library. @returns the file. */
export async function buildBinding(machine: Machine, library: Library): Promise<string> {
  const place = join(machine.cache, `binding-${contentHash(machine, library)}`);
  if (existsSync(place)) machine.tell(`the binding is there: ${place}`);
  await makeFolder(place, async (folder) => {
    const headers = createRequire(__filename).resolve('node-api-headers/package.json');
    const common = [...FLAGS, '-I', join(headers, '..', 'include'), ...UNDEFINED];
    machine.tell(`building the binding of @tensorflow/tfjs-node-gpu with ${compilerOf(machine)}`);
    await compile(machine, [...common, ENVIRONMENT, '-o', join(folder, BESIDE)]);
    await compile(machine, [
      ...common,
      ...['-I', library.include, '-I', machine.package],
      ...SOURCES.map((name) => join(machine.package, 'binding', name)),
      KERNELS,
      ...['-o', join(folder, BINDING), ...library.files],
      ...library.runPath.map((path) => `-Wl,-rpath,${path}`),
    ]);
  });
  return join(place, BINDING);
}

/**
 * Puts a binding, and what is built beside it, where the package loads it, in place of one that was there. What
 * is beside it comes first: a binding that can be loaded is never without it.
 */
export async function linkBinding(machine: Machine, file: string): Promise<void> {
  const folder = join(machine.package, 'lib', `napi-v${NODE_API}`);
  await mkdir(folder, { recursive: true });
  for (const name of [BESIDE, BINDING]) {
    const fresh = join(folder, `${name}.${process.pid}`);
    await rm(fresh, { force: true });
    await symlink(join(dirname(file), name), fresh);
    await rename(fresh, join(folder, name));
  }
}

/** Takes the package's binding away. */
export async function unlinkBinding(machine: Machine): Promise<void> {
  await rm(join(machine.package, 'lib'), { recursive: true, force: true });
}
