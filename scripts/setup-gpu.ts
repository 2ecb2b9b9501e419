/**
 * Installs the native library behind `@tensorflow/tfjs-node-gpu`: `npm run setup:gpu`. Its install script
 * downloads several hundred MB, so `npm ci` leaves it out (`ignore-scripts` in .npmrc), and this has to
 * be run again after each `npm ci`. Whatever becomes of it, qslm works on its other backends.
 */
import { spawnSync } from 'node:child_process';
import { startBackend } from '../src/backend/start.js';

const PACKAGE = '@tensorflow/tfjs-node-gpu';

/** @returns what went wrong, or undefined. */
function install(): string | undefined {
  const parts = ['rebuild', PACKAGE, '--ignore-scripts=false', '--foreground-scripts'];
  // npm tells the scripts it runs where it is itself.
  const npm = process.env['npm_execpath'];
  const [command, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
  const { status, error } = spawnSync(command, [...before, ...parts], { stdio: 'inherit' });
  if (error !== undefined) return error.message;
  return status === 0 ? undefined : 'its install script failed; what it printed stands above';
}

async function main(): Promise<void> {
  console.log(`Installing the native library of ${PACKAGE} …`);
  const failure = install() ?? (await start());
  if (failure === undefined) return;
  console.error(`
error: ${PACKAGE} cannot be used here: ${failure}
  It needs to download libtensorflow from storage.googleapis.com, Linux or Windows on x86-64, and for the
  GPU CUDA 11.2 with cuDNN 8.1. Nothing else has changed: qslm goes on with its other backends (wasm, cpu).`);
  process.exitCode = 1;
}

async function start(): Promise<string | undefined> {
  try {
    const { description } = await startBackend('tensorflow');
    console.log(
      `The backend tensorflow starts: ${description}. It is chosen by itself from now on.`,
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

void main();
