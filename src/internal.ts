/**
 * The parts that `qslm` is made of, for those who build on them. They may change from version to version.
 *
 * @packageDocumentation
 */

export { convertCheckpoint } from './checkpoint/convert.js';
export { writeSafetensors } from './checkpoint/safetensors/write.js';
export type { Checkpoint, CheckpointListing, TensorInfo } from './checkpoint/types.js';
export { loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.js';
export { fromWikiText, toSst2, toWikiText } from './tokenizer/normaliser.js';

export { hierarchyOf, matricesOf, type Hierarchy } from './layout/hierarchy.js';
export type { Layout, Parameter, SpikingLayer, Stage } from './layout/layout.js';
export type { ConfigChoice, ModelConfig, StatedConfig } from './model/config.js';
export { calibrateAmplitudes, familyById } from './model/families.js';
export type { ModelFamily, NetworkHooks, SpikingNetwork } from './model/family.js';
export { LoadedModel } from './model/loaded-model.js';
export { structureOf, type ModelStructure } from './model/structure.js';
export type { Pooling, SequenceModel, TokenBatch, TokenPolicy } from './model/types.js';

export { PER_CHANNEL, PER_TENSOR, perGroup, type Granularity } from './quant/scheme/granularity.js';
export { createScheme, type Method, type Range } from './quant/scheme/scheme.js';
export { PRESETS } from './quant/scheme/presets.js';
export { dequantize, quantize, type QuantizedTensor } from './quant/quantizer/quantize.js';
export { exportPlan } from './quant/packed/export.js';
export { packIntegers, unpackIntegers } from './quant/packed/bit-packing.js';
export { footprintOf, type Footprint } from './quant/footprint.js';
export { planId, withUnit, type ResolvedPlan } from './quant/plan.js';
export { schemeMaker } from './quant/quantizers.js';

export { sst2Task } from './tasks/sst2.js';
export { wikitext2Task } from './tasks/wikitext2.js';
export { readSst2Tsv } from './tasks/data/tsv.js';
export type { Task } from './tasks/task.js';
export { comparePaired, metricOf, type Measurement } from './tasks/metrics/metrics.js';

export { meetsLimit, resolveLimits } from './search/constraints.js';
export { paretoFront } from './search/pareto.js';
export {
  lambdaIntervals as candidateIntervals,
  score,
  scoreContext,
  select as selectCandidate,
  type ScoreContext,
} from './search/score.js';
export { groupBits, groupsOf, type UnitGroup } from './search/space.js';

export { countOperations } from './energy/operations.js';
export { weightTraffic } from './energy/traffic.js';
export { modelEnergy } from './energy/model-energy.js';
export { ACCOUNTINGS, type Accounting, type FiringRates } from './energy/accounting.js';
export { WEIGHT_MEMORIES } from './energy/technology.js';
export { findMeters } from './energy/meters/find.js';
export { realSavings, type RealSaving } from './energy/measured/real-savings.js';

export { memoryStore, type MeasurementStore } from './store/index.js';
export { buildTask, type TaskRequest } from './experiment/open/build-task.js';
export { buildStudyTasks } from './experiment/open/study-tasks.js';
export { writeRandomModel, writeToyStudy } from './experiment/open/toy-study.js';
export { modelSpace, type ModelSpace } from './experiment/open/model-space.js';
export { openModelFile, type ModelFile } from './experiment/open/model-file.js';
export { inThisThread } from './experiment/runs/measure-plans.js';
export { Evaluator } from './experiment/scoring/evaluator.js';
export { ALL_ACCELERATIONS, NO_ACCELERATIONS } from './experiment/scoring/options.js';

export { architectureChart } from './plots/architecture/chart.js';
export { energyChangeChart } from './plots/figures/energy-change.js';
export { energyChart } from './plots/figures/energy.js';
export { hierarchyChart } from './plots/figures/hierarchy.js';
export { landscapeChart } from './plots/figures/landscape.js';
export { operationsChart } from './plots/figures/operations.js';
export { frontsChart } from './plots/fronts/chart.js';
export { paretoChart } from './plots/figures/pareto.js';
export { predictorsChart } from './plots/predictors/chart.js';
export { sensitivityChart } from './plots/figures/sensitivity.js';
export { traceChart } from './plots/figures/trace.js';
export { uniformChart } from './plots/figures/uniform.js';
export { renderReport } from './plots/render/report.js';

export { energyRecords, type EnergySetting } from './figures/energy-figures.js';
export { FIGURES } from './figures/run-figures.js';
export { searchRecords, uniformRecords } from './figures/study-figures.js';
export { inNotebook } from './notebook/display.js';
export { describeError } from './notebook/errors.js';
export { toDataFrame } from './notebook/frames.js';

// The time that a search will take.
export {
  estimateOf,
  estimateText,
  type Speed,
  type TimeEstimate,
} from './experiment/runs/time/estimate.js';
export { sampleSpeed } from './experiment/runs/time/sample.js';
export { searchWork, type SearchWork } from './experiment/runs/time/work-ahead.js';
