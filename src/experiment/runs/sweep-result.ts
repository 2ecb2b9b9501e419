import type { QuantizerName } from '../../quant/quantizers.js';
import type { SensitivityTable } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import type { ModelSpace } from '../open/model-space.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';

/** The scope of a sweep. */
export interface SweepSettings {
  readonly bits: readonly number[];
  readonly levels: readonly Exclude<Level, 'global'>[];
  readonly quantizer: QuantizerName;
  /** Look into the model too: KL divergence, spike flips, SQNR. */
  readonly observables: boolean;
}

/** A sweep as it is shown: one that just ran, or one that was read back. */
export interface SweepResult {
  readonly settings: SweepSettings;
  readonly space: ModelSpace;
  readonly table: SensitivityTable;
  /** The items that the observables were taken from: "first 200 sentences". */
  readonly observed?: string;
  readonly report: EvaluatorReport;
}
