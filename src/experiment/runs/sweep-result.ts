import type { QuantizerName } from '../../quant/quantizers.js';
import type { SensitivityTable } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import type { StepRates } from '../observe/firing-rates.js';
import type { PredictorComparison } from '../observe/predictors.js';
import type { ModelSpace } from '../open/model-space.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';

/** The scope of a sweep. */
export interface SweepSettings {
  readonly bits: readonly number[];
  readonly levels: readonly Exclude<Level, 'global'>[];
  readonly quantizer: QuantizerName;
  /** Look into the model too: KL divergence, spike flips, SQNR. */
  readonly observables: boolean;
  /** The expected rise of the NLL by gradients too, and the predictors of the loss beside each other. */
  readonly predictor?: 'fisher' | undefined;
  /** Data that gradients are taken on; the first items of the task by default. */
  readonly calibration?: string | undefined;
}

/** A sweep as it is shown: one that just ran, or one that was read back. */
export interface SweepResult {
  readonly settings: SweepSettings;
  readonly space: ModelSpace;
  readonly table: SensitivityTable;
  /** The items that the observables were taken from: "first 200 sentences". */
  readonly observed?: string;
  /** With a predictor. */
  readonly predictors?: PredictorComparison;
  /** Of the unquantized model on those items; absent without observables, and of a run of an earlier version. */
  readonly firingRates?: StepRates;
  readonly report: EvaluatorReport;
}
