import { readFileSync } from 'node:fs';
import { backendIdentity, type BackendName } from '../backend/start.js';
import { MEASUREMENT_VERSION } from '../experiment/scoring/options.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import { packagePath } from '../util/paths.js';
import { packageVersion } from '../util/version.js';
import { PROTOCOL } from './protocol/keys.js';

/** All that must be the same on two machines whose scores are put together. */
export interface Arithmetic {
  readonly protocol: number;
  readonly version: string;
  readonly measurements: string;
  /** Backend, library, device and driver. */
  readonly backend: string;
  /** SHA-256 over the compiled kernels. */
  readonly kernels: string;
}

const KERNELS = ['spiking.wasm', 'spiking-fused.wasm'];

/** Of this machine, for a running backend. */
export function arithmeticHere(backend: BackendName): Arithmetic {
  const kernels = KERNELS.map((name) => sha256(readFileSync(packagePath('dist', 'backend', name))));
  return {
    protocol: PROTOCOL,
    version: packageVersion(),
    measurements: MEASUREMENT_VERSION,
    backend: backendIdentity(backend),
    kernels: sha256(kernels.join(' ')),
  };
}

/** A short name of it, for a queue. */
export function arithmeticId(arithmetic: Arithmetic): string {
  return sha256(canonicalJson(arithmetic)).slice(0, 16);
}
