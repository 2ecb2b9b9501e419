import type { QuantizerName } from '../../quant/quantizers.js';
import type { SensitivityTable } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import type { ModelSpace } from '../open/model-space.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';

/** What a sweep measures. */
export interface SweepSettings {
  readonly bits: readonly number[];
  readonly levels: readonly Exclude<Level, 'global'>[];
  readonly quantizer: QuantizerName;
  /** Whether to look into the model too: KL divergence, spike flips, SQNR. */
  readonly observables: boolean;
}

/** What is shown of a sweep: of one that just ran, or one that was read back. */
export interface SweepResult {
  readonly settings: SweepSettings;
  readonly space: ModelSpace;
  readonly table: SensitivityTable;
  /** What the observables were taken from: "first 200 sentences". */
  readonly observed?: string;
  readonly report: EvaluatorReport;
}
