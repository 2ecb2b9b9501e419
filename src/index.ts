/** The public list, by hand: what the README, the notebooks and other packages build on. */

export * from './util/errors.js';
export type { ProgressEvent, ProgressListener, RunOptions } from './util/progress.js';
export { formatBytes } from './util/format.js';

export { openCheckpoint } from './checkpoint/open.js';
export type { Checkpoint, CheckpointFormat, TensorInfo } from './checkpoint/types.js';
export { convertCheckpoint, type Conversion, type ConvertOptions } from './checkpoint/convert.js';
export { writeSafetensors } from './checkpoint/safetensors/write.js';

export { loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.js';
export { TokenStream } from './tokenizer/token-stream.js';
export {
  fromWikiText,
  NaturalStream,
  promptToWikiText,
  toSst2,
  toWikiText,
} from './tokenizer/normaliser.js';

export { PER_CHANNEL, PER_TENSOR, perGroup, type Granularity } from './quant/scheme/granularity.js';
export {
  affineMinMax,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
  type Method,
  type Range,
  type Scheme,
} from './quant/scheme/scheme.js';
export {
  dequantize,
  fakeQuantize,
  quantize,
  type QuantizationResult,
  type QuantizedTensor,
} from './quant/quantizer/quantize.js';
export { packIntegers, unpackIntegers } from './quant/packed/bit-packing.js';
export { hierarchyOf, type Hierarchy } from './layout/hierarchy.js';
export type { Layout, Parameter } from './layout/layout.js';
export { footprintOf, type Footprint } from './quant/footprint.js';
export { planId, resolvePlan, uniformPlan, withUnit, type Plan } from './quant/plan.js';
export { quantizerPlan } from './quant/quantizers.js';
export { formatPlan, parsePlan } from './quant/plan-json.js';
export { PRESETS } from './quant/scheme/presets.js';
export { exportPlan } from './quant/packed/export.js';

export { BACKENDS, startBackend, type BackendName, type BackendReport } from './backend/start.js';

export { LoadedModel } from './model/loaded-model.js';
export type { ModelConfig, StatedConfig } from './model/config.js';
export type { ModelFamily, SpikingNetwork } from './model/family.js';
export { registerFamily } from './model/families.js';
export { describeModel, type ModelDescription } from './model/structure.js';
export { observe, type Observation, type ObserveRequest } from './model/observe.js';
export { generate, type GenerateOptions } from './model/generate.js';
export type { Pooling, SequenceModel, TokenBatch } from './model/types.js';

export { sst2Task } from './tasks/sst2.js';
export { wikitext2Task } from './tasks/wikitext2.js';
export { readSst2Tsv } from './tasks/data/tsv.js';
export { loadSentimentSamples, loadTextSamples } from './tasks/data/samples.js';
export { comparePaired, type PairedComparison } from './tasks/statistics/paired.js';
export type {
  AccuracyMeasurement,
  Interval,
  Measurement,
  PerplexityMeasurement,
  Task,
} from './tasks/task.js';

export { tieredSearch, type TieredSearchOptions } from './search/tiers/tiers.js';
export { knapsackSearch, type KnapsackSearchOptions } from './search/knapsack/knapsack-search.js';
export { CASES, type Constraints } from './search/constraints.js';
export { score, select } from './search/score.js';
export { paretoFront } from './search/pareto.js';
export { measureSensitivity } from './search/sensitivity.js';
export { Assignment, type SearchSpace } from './search/space.js';

export {
  countOperations,
  type MatrixProduct,
  type OperationOptions,
  type TokenOperations,
} from './energy/operations.js';
export { weightTraffic, type TrafficOptions, type WeightTraffic } from './energy/traffic.js';
export { ACCOUNTINGS, type Accounting, type FiringRates } from './energy/accounting.js';
export { modelEnergy, type EnergyOptions, type ModelledEnergy } from './energy/model-energy.js';
export { WEIGHT_MEMORIES, type WeightMemory } from './energy/technology.js';

export { memoryStore, openStore, type MeasurementStore } from './store/index.js';

export {
  ALL_ACCELERATIONS,
  Evaluator,
  NO_ACCELERATIONS,
  type EvaluatorOptions,
} from './experiment/scoring/evaluator.js';
export { BUNDLED_MODELS, openModel, type OpenModel } from './experiment/open/model-file.js';
export { buildTask, type TaskRequest } from './experiment/open/build-task.js';
export { modelSpace, type ModelSpace } from './experiment/open/model-space.js';
export { runUniform, type UniformPoint, type UniformRun } from './experiment/runs/uniform.js';

export { uniformChart } from './plots/figures/uniform.js';
export { paretoChart } from './plots/figures/pareto.js';
export { sensitivityChart } from './plots/figures/sensitivity.js';
export { hierarchyChart } from './plots/figures/hierarchy.js';
export { render } from './plots/render/render.js';
export { renderReport } from './plots/render/report.js';

// Results as figures, tables and frames: what a notebook's cell calls.
export { PRECISION_LIST } from './experiment/runs/uniform.js';
export { openModelFile, type ModelFile } from './experiment/open/model-file.js';
export { buildStudyTasks, type StudyTasksRequest } from './experiment/open/study-tasks.js';
export { Study, type StudyOptions } from './experiment/open/study.js';
export { runSearch, type SearchRun } from './experiment/runs/search-run.js';
export { DEFAULT_SEARCH, type SearchSettings } from './experiment/runs/search-settings.js';
export { runSweep, sensitivityOf, type SweepSettings } from './experiment/runs/sweep-run.js';
export { runEnergy, type EnergyRun, type NamedPlan } from './experiment/runs/energy-run.js';
export { measurePlans, type PlanPoint } from './experiment/runs/measure-plans.js';
export { meetsLimit, resolveLimits } from './search/constraints.js';
export { evaluateExactly } from './search/evaluation.js';
export { lambdaIntervals } from './search/score.js';
export { groupBits, groupsOf, type UnitGroup } from './search/space.js';
export type { SearchStep } from './search/trace.js';
export { energyChart } from './plots/figures/energy.js';
export { energyChangeChart } from './plots/figures/energy-change.js';
export { operationsChart } from './plots/figures/operations.js';
export { landscapeChart } from './plots/figures/landscape.js';
export { traceChart } from './plots/figures/trace.js';
export { chart } from './plots/parts/spec.js';
export * from './notebook/index.js';
