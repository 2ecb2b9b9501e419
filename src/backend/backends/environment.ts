import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The module of src/backend/native/environment.cc. */
interface NativeEnvironment {
  setVariable(name: string, value: string): void;
  hush(quiet: boolean): void;
}

/** Built beside the binding by `npm run setup:tensorflow`; absent with a binding that comes from elsewhere. */
function nativeEnvironment(): NativeEnvironment | undefined {
  const require = createRequire(__filename);
  const folder = dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  const path = join(folder, 'lib', 'napi-v8', 'qslm_environment.node');
  return existsSync(path) ? (require(path) as NativeEnvironment) : undefined;
}

/**
 * Puts variables of this thread's `process.env` into the environment that native libraries read. In a worker
 * thread that is another one.
 *
 * @param quiet drops what a library prints while it is loaded, before it looks for its log level
 * @returns a call for when the library is loaded
 */
export function passToLibraries(names: readonly string[], quiet: boolean): () => void {
  const native = nativeEnvironment();
  for (const name of names) native?.setVariable(name, process.env[name]!);
  native?.hush(quiet);
  return () => native?.hush(false);
}
