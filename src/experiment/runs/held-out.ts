import { comparePaired, type PairedComparison } from '../../tasks/statistics/paired.js';
import type { Measurement } from '../../tasks/task.js';
import { Assignment } from '../../search/space.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';

/** A plan on data that no decision was made on. */
export interface HeldOutResult {
  readonly baseline: Measurement;
  readonly quantized: Measurement;
  /** Item by item. */
  readonly comparison: PairedComparison;
}

/**
 * Measures the unquantized model and one plan on the held-out split: once, the store sees to that.
 *
 * @returns undefined for a study without a held-out split.
 * @throws {ModelError} when outputs are not finite.
 */
export async function measureHeldOut(
  study: Study,
  space: ModelSpace,
  selected: Assignment,
  { onProgress, signal }: RunOptions = {},
): Promise<HeldOutResult | undefined> {
  const { heldOut } = study;
  if (heldOut === undefined) return undefined;
  const measure = (assignment: Assignment, phase: string): Promise<Measurement> =>
    heldOut.measure(space.resolve(assignment), space.bytes(assignment), {
      ...(signal && { signal }),
      ...(onProgress && {
        onProgress: (event) => {
          onProgress({ ...event, phase });
        },
      }),
    });
  const baseline = await measure(Assignment.unquantized, 'held-out: unquantized');
  const quantized = await measure(selected, 'held-out: selected plan');
  return { baseline, quantized, comparison: comparePaired(baseline, quantized) };
}

/** A measurement for a file that is the same whenever it is made: without single answers and times. */
export function measurementFigures(measurement: Measurement): Record<string, unknown> {
  return Object.fromEntries<unknown>(
    Object.entries(measurement).filter(
      ([name, value]) => !Array.isArray(value) && name !== 'seconds',
    ),
  );
}
