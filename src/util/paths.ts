import { join, resolve } from 'node:path';

/** The package's folder: this file is two levels below it, as source and compiled. */
const PACKAGE_ROOT = resolve(__dirname, '../..');

/** The path of a file that comes with the package, or is built into it. */
export function packagePath(...parts: readonly string[]): string {
  return join(PACKAGE_ROOT, ...parts);
}
