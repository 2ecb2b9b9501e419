import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch } from 'node:os';

/** The vector instructions that numerical libraries choose their kernels by. */
export function instructionSet(): string {
  let flags: string;
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return arch();
  }
  if (/\bavx512f\b/.test(flags)) return 'avx512';
  if (/\bavx2\b/.test(flags)) return 'avx2';
  return arch();
}

/** A GPU as its driver describes it. */
export interface Gpu {
  /** "NVIDIA GeForce RTX 4090" */
  readonly name: string;
  /** "8.9" */
  readonly capability: string;
  /** "550.54.14" */
  readonly driver: string;
}

/** The GPUs that NVIDIA's driver knows of; none where there is no driver. */
export function findGpus(): Gpu[] {
  let printed: string;
  try {
    const fields = 'name,compute_cap,driver_version';
    printed = execFileSync('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
  } catch {
    return [];
  }
  return parseGpus(printed);
}

/** Lines of "name, compute capability, driver version". */
export function parseGpus(printed: string): Gpu[] {
  return printed
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter((fields) => fields.length === 3)
    .map(([name, capability, driver]) => ({ name, capability, driver }));
}
