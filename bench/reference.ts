import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Runs the developers' PyTorch reference (its header says what to install) and returns what it printed.
 * OpenBLAS's OpenMP build is the one its header asks for: with the other it is two to three times slower.
 * `QSLM_PYTHON` names another Python than Debian's.
 */
export async function runReference(
  script: string,
  threads: number | undefined,
  args: readonly string[],
): Promise<string> {
  const python = process.env.QSLM_PYTHON ?? '/usr/bin/python3';
  const all = [script, ...args, ...(threads === undefined ? [] : ['--threads', String(threads)])];
  const { stdout } = await promisify(execFile)(python, all, {
    maxBuffer: 1 << 24,
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(threads ?? 1),
      LD_LIBRARY_PATH: '/usr/lib/x86_64-linux-gnu/openblas-openmp',
    },
  });
  return stdout;
}

/** The number that a pattern's first group matches. @throws {Error} where it does not match. */
export function numberIn(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  if (!match) throw new Error(`the reference did not print ${String(pattern)}: ${text}`);
  return Number(match[1]);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
