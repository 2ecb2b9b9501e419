import { Assignment } from '../../search/space.js';
import {
  comparePaired,
  type PairedComparison,
  type Measurement,
} from '../../tasks/metrics/metrics.js';
import { certifyLoss, type LossCertificate } from '../../tasks/metrics/paired.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';

/** A measurement without its single answers. */
export type MeasuredValue = Pick<Measurement, 'value' | 'interval'>;

/** A plan beside the unquantized model, on data that no decision was made on. */
export interface Judgement {
  readonly baseline: MeasuredValue;
  readonly quantized: MeasuredValue;
  /** Item by item. */
  readonly comparison: PairedComparison;
  /** Absent where the data are too few to say, and of a run of an earlier version. */
  readonly certificate?: LossCertificate;
}

/** A plan on data that no decision was made on. */
export interface HeldOutResult extends Judgement {
  readonly baseline: Measurement;
  readonly quantized: Measurement;
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
  const comparison = comparePaired(baseline, quantized);
  const certificate = certifyLoss(baseline, quantized);
  return { baseline, quantized, comparison, ...(certificate && { certificate }) };
}
