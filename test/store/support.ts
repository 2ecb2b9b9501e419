import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeasurementKey } from '../../src/store/index.js';
import type { AccuracyMeasurement } from '../../src/tasks/metrics/accuracy.js';
import type { PerplexityMeasurement } from '../../src/tasks/metrics/perplexity.js';

/** A key that differs from others in its plan. */
export function keyOf(plan: string, change: Partial<MeasurementKey> = {}): MeasurementKey {
  return {
    checkpoint: 'c0ffee',
    plan,
    task: 'sst2',
    data: 'd474',
    split: 'search',
    limit: 1000,
    context: null,
    backend: 'wasm',
    version: '1',
    ...change,
  };
}

export function accuracyOf(
  value: number,
  correct: readonly (0 | 1)[] = [1, 0, 1],
): AccuracyMeasurement {
  return {
    metric: 'accuracy',
    taskId: 'd474',
    value,
    interval: { low: value - 0.1, high: value + 0.1, level: 0.95 },
    items: correct.length,
    tokens: 29 * correct.length,
    seconds: 0.25,
    correct,
  };
}

export function perplexityOf(
  windowNll: readonly number[],
  windowTokens: readonly number[],
): PerplexityMeasurement {
  return {
    metric: 'perplexity',
    taskId: 'd474',
    value: 36.32,
    interval: { low: 35, high: 37.5, level: 0.95 },
    items: windowNll.length,
    tokens: 16384,
    seconds: 1.5,
    windowNll,
    windowTokens,
    meanNll: 3.5924,
    bitsPerByte: 1.1,
  };
}

/** Runs `work` in a folder of its own, which goes afterwards. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-store-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
