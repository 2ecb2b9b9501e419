import type { Plan } from '../../quant/plan.js';
import type { Decisions } from '../../search/decisions.js';
import type { Differences } from '../../search/differences.js';
import type { LadderUsed } from '../../search/ladder/rungs.js';
import type { SearchOutcome } from '../../search/outcome.js';
import type { SensitivityTable } from '../../search/sensitivity.js';
import type { Ties } from '../../search/ties.js';
import type { Candidate } from '../../search/trace.js';
import type { NoiseFloor } from '../../tasks/metrics/noise.js';
import type { FisherSample, FisherWork } from '../observe/fisher-table.js';
import type { ModelSpace } from '../open/model-space.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import type { GateReport, GateWork } from './gate-run.js';
import type { HeldOutResult, Judgement } from './held-out.js';
import type { SearchSettings } from './search-settings.js';
import type { YardstickPoint } from './yardsticks.js';

/** The candidate with the best score at a weight. */
export interface Selection {
  readonly lambda: number;
  readonly candidate: Candidate;
}

/** The plan that a search ends with. */
export interface SelectedPlan extends Selection {
  readonly plan: Plan;
  readonly planId: string;
}

/** A search as it is shown: one that just ran, or one that was read back. */
export interface SearchResult {
  readonly settings: SearchSettings;
  readonly space: ModelSpace;
  readonly outcome: Pick<
    SearchOutcome,
    'baseline' | 'fp32Bytes' | 'limits' | 'trace' | 'candidates' | 'nearest'
  >;
  /** For each weight asked for, the result's among them, in rising λ. */
  readonly selections: readonly Selection[];
  /** Absent, as all after it, where nothing keeps both limits. */
  readonly selected?: Selection;
  /** The smallest candidate; of equal ones the better. */
  readonly smallest?: Candidate;
  /** Candidates that the data cannot tell apart; absent of a run of an earlier version. */
  readonly ties?: Ties;
  /** Plans compared item by item; absent of a run of an earlier version. */
  readonly differences?: Differences;
  /** Decisions about the quality limit; absent where there is none, and of a run of an earlier version. */
  readonly decisions?: Decisions;
  /** The samples that decided; absent where all items did. */
  readonly ladder?: LadderUsed;
  /** The gate that refused plans before they were measured; absent where there was none. */
  readonly gate?: GateReport;
  /** Cost of the gate since the run's last start; absent of a run of an earlier version. */
  readonly gateWork?: GateWork;
  /** Noise floors that the store knows: of the data searched on, and of those that judge. */
  readonly noise?: { readonly search?: NoiseFloor; readonly heldOut?: NoiseFloor };
  readonly yardsticks: readonly YardstickPoint[];
  /** Evaluations asked for: of the table, and of the search. */
  readonly evaluations: { readonly table: number; readonly search: number };
  /** The pass of gradients that a table was made from. */
  readonly gradients?: FisherSample;
  /** Its cost since the run's last start; absent of a run of an earlier version. */
  readonly gradientsWork?: Pick<FisherWork, 'seconds'>;
  /** Absent also for a study without held-out data. */
  readonly heldOut?: Judgement;
  readonly report: EvaluatorReport;
}

/** The result of a search. */
export interface SearchRun extends SearchResult {
  readonly id: string;
  readonly folder: string;
  readonly resumed: boolean;
  /** With the nearest plan, where nothing keeps both limits. */
  readonly outcome: SearchOutcome;
  /** Present where the search needed one. */
  readonly table?: SensitivityTable;
  /** Candidates that no other beats in metric and bytes, by rising bytes. */
  readonly front: readonly Candidate[];
  readonly selected?: SelectedPlan;
  readonly heldOut?: HeldOutResult;
}
