import { existsSync } from 'node:fs';
import { extname, join } from 'node:path';

/** The name that cells import. */
const PACKAGE_NAME = 'qslm';

/** The part of the compiler's `ts.sys` that is used here. Paths have forward slashes. */
export interface CompilerSystem {
  fileExists: (path: string) => boolean;
  directoryExists: (path: string) => boolean;
  readFile: (path: string, encoding?: string) => string | undefined;
  realpath?: (path: string) => string;
}

/** `/any/folder/node_modules/qslm/rest` is the package's `rest`, unless a package is really there. */
function forward(path: string, root: string): string {
  const marker = `/node_modules/${PACKAGE_NAME}`;
  const at = path.indexOf(marker);
  if (at < 0) return path;
  const rest = path.slice(at + marker.length);
  if (rest !== '' && !rest.startsWith('/')) return path;
  return existsSync(path.slice(0, at + marker.length)) ? path : join(root, rest);
}

/** Lets the compiler of the cells find the package's declarations as if it were installed there. */
export function forwardCompiler(system: CompilerSystem, root: string): void {
  const { fileExists, directoryExists, readFile, realpath } = system;
  system.fileExists = (path) => fileExists.call(system, forward(path, root));
  system.directoryExists = (path) => directoryExists.call(system, forward(path, root));
  system.readFile = (path, encoding) => readFile.call(system, forward(path, root), encoding);
  if (realpath !== undefined)
    system.realpath = (path) => realpath.call(system, forward(path, root));
}

/** The function by which Node's CommonJS loader resolves a name; Node 20 has no public hook for it. */
interface Loader {
  _resolveFilename?: (request: string, ...rest: unknown[]) => string;
}

/** Lets `require('qslm')` find the package where it is not installed. */
export function forwardRequire(loader: object, root: string): void {
  const hooked = loader as Loader;
  const resolve = hooked._resolveFilename;
  if (resolve === undefined) return;
  hooked._resolveFilename = (request, ...rest) => {
    try {
      return resolve.call(loader, request, ...rest);
    } catch (error) {
      if (request !== PACKAGE_NAME && !request.startsWith(`${PACKAGE_NAME}/`)) throw error;
      // As `exports` of package.json has it: modules but the main one lie in dist/.
      const part = request.slice(PACKAGE_NAME.length);
      const folder = part === '' || extname(part) !== '' ? '' : 'dist';
      return resolve.call(loader, join(root, folder, part), ...rest);
    }
  };
}
