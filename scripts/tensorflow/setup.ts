import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packagePath } from '../../src/util/paths.js';
import { buildBinding, linkBinding, unlinkBinding } from './binding.js';
import { removeAbandoned } from './folders.js';
import { givenLibrary, wheelLibrary, type Kind, type Library } from './library.js';
import { runProgram, SetupError, tailOf, type Machine } from './machine.js';

/** What to set up: TensorFlow's wheels of a kind, or a library that is there already. */
export type Wanted = { readonly kind: Kind } | { readonly libtensorflow: string };

/** Whether NVIDIA's driver answers, and what it says of itself. */
export async function askDriver({ env }: Machine): Promise<string | undefined> {
  const query = ['--query-gpu=name,driver_version,compute_cap', '--format=csv,noheader'];
  const { code, stdout } = await runProgram('nvidia-smi', query, env);
  return code === 0 ? stdout.trim() : undefined;
}

/** The oldest driver that CUDA 12 runs on (NVIDIA's CUDA compatibility guide, minor version compatibility). */
const LEAST_DRIVER = 525;

/** @throws {SetupError} where a driver is too old for CUDA 12; without any, what is set up is of use elsewhere. */
export function requireDriver(described: string | undefined, tell: (line: string) => void): void {
  if (described === undefined) {
    tell(
      'warning: nvidia-smi found no NVIDIA driver; TensorFlow will compute on the processor here',
    );
    return;
  }
  for (const line of described.split('\n')) tell(`GPU: ${line}`);
  const driver = described.split('\n')[0].split(',')[1]?.trim() ?? '';
  if (Number.parseInt(driver) < LEAST_DRIVER)
    throw new SetupError(
      `the NVIDIA driver ${driver} is too old for CUDA 12`,
      `install driver ${LEAST_DRIVER} or newer, or use the processor: npm run setup:tensorflow -- --cpu`,
    );
}

async function libraryOf(machine: Machine, wanted: Wanted): Promise<Library> {
  if ('libtensorflow' in wanted) return givenLibrary(wanted.libtensorflow);
  if (wanted.kind === 'gpu') requireDriver(await askDriver(machine), machine.tell);
  return wheelLibrary(machine, wanted.kind);
}

/**
 * Gets TensorFlow's C library, builds the binding against it and our kernels into it, and lets the package
 * load it once it has computed a product in a process of its own.
 *
 * @returns what that process reports of version and devices
 * @throws {SetupError} for whatever stands in the way; the package loads what it did before
 */
export async function setUp(machine: Machine, wanted: Wanted): Promise<string> {
  if (!existsSync(join(machine.package, 'binding')))
    throw new SetupError(`${machine.package} is not installed`, 'npm ci');
  await mkdir(machine.cache, { recursive: true }).catch((error: unknown) => {
    throw new SetupError(
      `the cache folder cannot be made: ${(error as Error).message}`,
      'set QSLM_HOME to a folder that may be written to',
    );
  });
  for (const name of removeAbandoned(machine.cache)) machine.tell(`removed what was left: ${name}`);
  const library = await libraryOf(machine, wanted);
  machine.tell(library.title);
  const file = await buildBinding(machine, library);
  const report = await check(machine, file);
  await linkBinding(machine, file);
  return report;
}

/** A product of two matrices by a binding, in a process that may end as it likes. */
async function check(machine: Machine, file: string): Promise<string> {
  const script = packagePath('dist', 'backend', 'check-native.js');
  const { code, signal, stdout, output } = await runProgram(
    process.execPath,
    [script, file],
    machine.env,
  );
  if (code === 0) return stdout.trim();
  const ended = signal === undefined ? `exit code ${String(code)}` : `signal ${signal}`;
  throw new SetupError(
    `the binding was built and does not run (${ended}):\n${tailOf(output)}`,
    /GLIBC|GLIBCXX/.test(output)
      ? 'the system is older than TensorFlow’s wheels ask for (glibc 2.27); --libtensorflow DIR takes another build'
      : 'remove it and try again: npm run setup:tensorflow -- --remove; --libtensorflow DIR takes another build',
  );
}

/** Takes away the binding, and from the cache all that was downloaded and built. */
export async function removeAll(machine: Machine): Promise<void> {
  await unlinkBinding(machine);
  await rm(machine.cache, { recursive: true, force: true });
}
