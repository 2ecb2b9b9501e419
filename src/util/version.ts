import { readFileSync } from 'node:fs';
import { packagePath } from './paths.js';

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(packagePath('package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
