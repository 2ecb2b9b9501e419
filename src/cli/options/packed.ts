import { Option } from 'commander';
import type { BackendFlags } from './common.js';

/** Flags of commands that can compute with packed matrices. */
export interface PackedFlags extends BackendFlags {
  readonly packed?: boolean;
}

/** Everything that sets weights anew, or has others compute, has no packed execution. */
const WITHOUT = ['bits', 'plan', 'calibration', 'noiseFloor', 'queue'];

export function packedOption(): Option {
  return new Option(
    '--packed',
    'leave the matrices of a packed file packed in memory, and compute with them so; on wasm',
  ).conflicts(WITHOUT);
}

/** The backend to start: `auto` is wasm where matrices stay packed. */
export function backendFor({ backend, packed }: PackedFlags): string {
  return packed === true && backend === 'auto' ? 'wasm' : backend;
}
