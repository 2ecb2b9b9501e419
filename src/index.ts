/**
 * The functions that a user composes with, by purpose. The parts that these are made of are in
 * `qslm/internal`.
 *
 * - open a model and its data: {@link openStudy}, {@link openModel}, {@link openCheckpoint},
 *   {@link describeModel}, {@link Study}, {@link startBackend}, {@link registerFamily}
 * - share the work among machines: {@link openQueue}
 * - fetch what does not come with the package: {@link fetchModel}, {@link fetchData}
 * - look inside: {@link observe}, {@link generate}, {@link NaturalStream}, {@link promptToWikiText},
 *   {@link TokenStream}
 * - quantize and export: {@link affineMinMax}, {@link paperMinMax}, {@link SIGN}, {@link UNQUANTIZED},
 *   {@link fakeQuantize}, {@link quantizerPlan}, {@link uniformPlan}, {@link resolvePlan},
 *   {@link formatPlan}, {@link parsePlan}, {@link exportModel}, {@link exportDevice}
 * - train: {@link fineTune}, with a live chart {@link trainingProgress}
 * - measure plans: {@link measurePlans}, {@link runUniform}, {@link PRECISION_LIST}, {@link runSweep},
 *   {@link sensitivityOf}, {@link runEnergy}, {@link measureEnergy}, {@link measureNoise}, {@link formatComparison},
 *   {@link openStore}
 * - search and select: {@link limits}, {@link CASES}, {@link DEFAULT_SEARCH}, {@link SEARCH_PRESETS}, {@link runSearch},
 *   {@link select}, {@link lambdaIntervals}, {@link planTable}, {@link openRun}
 * - search with an `evaluate` of one's own: {@link tieredSearch}, {@link knapsackSearch},
 *   {@link measureSensitivity}, {@link evaluateExactly}, {@link Assignment}
 * - show in a notebook: {@link initCharts}, {@link show}, {@link progress}, {@link table}, {@link chart},
 *   {@link render}
 * - go on with numbers, as DataFrames: {@link stepFrame} of {@link searchRecords}, {@link measurementFrame},
 *   {@link planFrame}
 * - draw: {@link paretoFigure}, {@link frontsFigure}, {@link lambdaFigure}, {@link traceFigure},
 *   {@link sensitivityFigure}, {@link flipsFigure}, {@link predictorsFigure}, {@link uniformFigure}, {@link yardstickFigure}, {@link hierarchyFigure},
 *   {@link architectureFigure}, {@link energyFigure}, {@link energyChangeFigure}, {@link operationsFigure},
 *   {@link measuredEnergyFigure}, {@link firingRatesFigure}, {@link firingRateRecords},
 *   {@link landscapeFigure}, {@link membraneChart}, {@link runFigures}
 * - lay the paper beside: {@link loadPaperResults}, {@link loadPaperCases}, {@link loadPaperPower},
 *   {@link loadLandscape}, {@link ownLandscapePoint}, {@link modelledLandscapePoint}
 *
 * Errors are classes of their own, all {@link QslmError}.
 *
 * @packageDocumentation
 */

// Open a model and its data.
export { openStudy, type OpenStudyOptions } from './experiment/open/open-study.js';
export {
  openModel,
  type OpenModel,
  type OpenOptions,
  type ModelOptions,
} from './experiment/open/model-file.js';
export { Study, type StudyTask } from './experiment/open/study.js';
export { openQueue, type OpenQueueOptions, type ScoringQueue } from './queue/open-queue.js';
export { startBackend } from './backend/start.js';
export { openCheckpoint } from './checkpoint/open.js';
export { describeModel, type ModelDescription } from './model/structure.js';
export { registerFamily } from './model/families.js';

// Fetch what does not come with the package; nothing else goes to the network.
export { fetchData, fetchModel } from './notebook/fetch.js';
export type { FetchedData } from './hub/data.js';
export type { FetchedModel } from './hub/models.js';

// Look inside.
export { observe, type Observation } from './model/observe.js';
export { generate, type GenerateOptions } from './model/generate.js';
export { NaturalStream, promptToWikiText } from './tokenizer/normaliser.js';
export { TokenStream } from './tokenizer/token-stream.js';

// Quantize: a scheme for a tensor, a plan for a model.
export {
  affineMinMax,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
  type Scheme,
} from './quant/scheme/scheme.js';
export { fakeQuantize } from './quant/quantizer/quantize.js';
export { resolvePlan, uniformPlan, type Plan } from './quant/plan.js';
export { quantizerPlan } from './quant/quantizers.js';
export { formatPlan, parsePlan } from './quant/plan-json.js';
export { exportModel, type ExportedModel } from './experiment/open/export-model.js';
export { exportDevice, type DeviceExport } from './experiment/open/export-device.js';

// Train.
export { fineTune, type FineTuned, type FineTuneRequest } from './experiment/training/train-run.js';

// Measure plans.
export { measurePlans, type NamedPlan, type PlanPoint } from './experiment/runs/measure-plans.js';
export { PRECISION_LIST, runUniform } from './experiment/runs/uniform.js';
export { formatComparison, type NoiseFloor } from './tasks/metrics/noise.js';
export { measureNoise } from './experiment/runs/noise-floor.js';
export { runSweep } from './experiment/runs/sweep-run.js';
export { sensitivityOf } from './experiment/runs/sensitivity.js';
export { runEnergy } from './experiment/runs/energy/energy-run.js';
export { measureEnergy, type MeasuredEnergy } from './experiment/runs/energy/measured-energy.js';
export { openStore } from './store/index.js';

// Search, and select.
export { runSearch } from './experiment/runs/search-run.js';
export {
  DEFAULT_SEARCH,
  SEARCH_PRESETS,
  type SearchSettings,
} from './experiment/runs/search-settings.js';
export type { SearchRun } from './experiment/runs/search-result.js';
export { CASES, limits, type Constraints, type LimitsRequest } from './search/constraints.js';
export { lambdaIntervals, select, type SelectOptions } from './experiment/selection/select-run.js';
export type { ScoreName } from './search/score.js';
export type { TieRule } from './search/ties.js';
export { planTable, type PlanRow } from './experiment/selection/plan-table.js';
export { openRun } from './experiment/record/open-run.js';

// Search with an `evaluate` of one's own.
export { tieredSearch } from './search/tiers/tiers.js';
export { knapsackSearch } from './search/knapsack/knapsack-search.js';
export { measureSensitivity, type SensitivityTable } from './search/sensitivity.js';
export { evaluateExactly, type Evaluate, type Evaluation } from './search/evaluation.js';
export { Assignment, type SearchSpace } from './search/space.js';
export type { SearchStep } from './search/trace.js';

// Show: progress, tables, charts.
export { progress } from './notebook/progress.js';
export { table } from './notebook/table.js';
export { trainingProgress } from './notebook/training.js';
export { measurementFrame, planFrame, stepFrame } from './notebook/frames.js';
export { initCharts, show } from './notebook/show.js';
export { chart } from './plots/parts/spec.js';
export { render } from './plots/render/render.js';
export {
  flipsFigure,
  hierarchyFigure,
  paretoFigure,
  searchRecords,
  sensitivityFigure,
  traceFigure,
  uniformFigure,
  yardstickFigure,
} from './figures/study-figures.js';
export { membraneChart } from './plots/figures/membrane.js';
export { predictorsFigure } from './figures/predictors.js';
export { lambdaFigure } from './figures/lambda-figure.js';
export { frontsFigure } from './figures/fronts.js';
export {
  energyChangeFigure,
  energyFigure,
  firingRateRecords,
  firingRatesFigure,
  measuredEnergyFigure,
  operationsFigure,
  ownLandscapePoint,
} from './figures/energy-figures.js';
export { modelledLandscapePoint, type JudgedPlan } from './figures/landscape-points.js';
export { architectureFigure, landscapeFigure } from './figures/paper-figures.js';
export { runFigures } from './figures/run-figures.js';
export {
  loadLandscape,
  loadPaperCases,
  loadPaperPower,
  loadPaperResults,
  type PaperCase,
} from './figures/paper-data.js';

// Errors.
export {
  AbortedError,
  BackendError,
  CheckpointError,
  DataError,
  EnergyError,
  FetchError,
  MemoryError,
  ModelError,
  OutputError,
  PlotError,
  QslmError,
  QuantError,
  SearchError,
  StoreError,
  TokenizerError,
  UsageError,
  type ErrorDetail,
} from './util/errors.js';
