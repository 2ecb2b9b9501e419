/**
 * The functions and types that a user composes with, ordered by task. The parts that these are made of are
 * in `qslm/internal`.
 *
 * @packageDocumentation
 */

// Open a model and its data.
export { openStudy, type OpenStudyOptions } from './experiment/open/open-study.js';
export { openModel, type OpenModel, type ModelOptions } from './experiment/open/model-file.js';
export { Study, type StudyTask } from './experiment/open/study.js';
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

// Measure plans.
export { measurePlans, type NamedPlan, type PlanPoint } from './experiment/runs/measure-plans.js';
export { PRECISION_LIST, runUniform } from './experiment/runs/uniform.js';
export { formatComparison, type NoiseFloor } from './tasks/metrics/noise.js';
export { measureNoise } from './experiment/runs/noise-floor.js';
export { runSweep } from './experiment/runs/sweep-run.js';
export { sensitivityOf } from './experiment/runs/sensitivity.js';
export { runEnergy } from './experiment/runs/energy-run.js';
export { openStore } from './store/index.js';

// Search, and select.
export { runSearch } from './experiment/runs/search-run.js';
export { DEFAULT_SEARCH, type SearchSettings } from './experiment/runs/search-settings.js';
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
export { lambdaFigure } from './figures/lambda-figure.js';
export { energyChangeFigure, energyFigure, operationsFigure } from './figures/energy-figures.js';
export { runFigures } from './figures/run-figures.js';
export { loadPaperPower, loadPaperResults } from './figures/paper-data.js';

// Errors.
export * from './util/errors.js';
