import { join } from 'node:path';
import type { PairedComparison } from '../../tasks/statistics/paired.js';
import type { Interval, Metric } from '../../tasks/task.js';
import type { Limits } from '../../search/constraints.js';
import type { Evaluation, ExactEvaluation } from '../../search/evaluation.js';
import type { SearchOutcome } from '../../search/outcome.js';
import { Assignment } from '../../search/space.js';
import type { Candidate, SearchStep } from '../../search/trace.js';
import { DataError } from '../../util/errors.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import type { ModelSpace } from '../open/model-space.js';
import {
  TRACE_FORMAT,
  TRACE_JSON,
  type CandidatesJson,
  type TraceJson,
  type TraceStepJson,
} from './run-files.js';
import type { RunJson } from './run-record.js';
import { readCandidates, readJson, requireFormat } from './saved-run.js';
import { savedReport, savedSpace, savedStudy, type SavedStudy } from './saved-study.js';
import type { Selection } from '../runs/search-run.js';
import type { SearchSettings } from '../runs/search-settings.js';
import type { YardstickPoint } from '../runs/yardsticks.js';

/** A measurement without its single answers. */
export interface MeasuredValue {
  readonly value: number;
  readonly interval: Interval;
}

/** A plan on held-out data, as a run keeps it. */
export interface SavedJudgement {
  readonly baseline: MeasuredValue;
  readonly quantized: MeasuredValue;
  readonly comparison: PairedComparison;
}

/** A finished search, read back from its folder: what a `SearchRun` is for tables and figures. */
export interface SavedSearch {
  readonly kind: 'search';
  readonly json: RunJson;
  readonly folder: string;
  readonly study: SavedStudy;
  readonly space: ModelSpace;
  readonly settings: SearchSettings;
  readonly outcome: Pick<
    SearchOutcome,
    'baseline' | 'fp32Bytes' | 'limits' | 'trace' | 'candidates'
  >;
  readonly selections: readonly Selection[];
  readonly selected?: Selection;
  readonly smallest?: Candidate;
  readonly yardsticks: readonly YardstickPoint[];
  readonly heldOut?: SavedJudgement;
  readonly report: EvaluatorReport;
}

/** What is read of the result in `run.json`: `searchResultJson`. Numbers that are none are null there. */
interface ResultJson {
  readonly baseline: { readonly metric: number } & Readonly<Record<string, number>>;
  readonly selections: readonly { readonly lambda: number; readonly step: number }[];
  readonly selected?: { readonly lambda: number; readonly step: number };
  readonly smallest?: { readonly step: number };
  readonly yardsticks: readonly (Omit<YardstickPoint, 'metric'> & {
    readonly metric: number | null;
  })[];
  readonly heldOut?: SavedJudgement;
}

/** @throws {DataError} for a search that did not finish, and for files that do not belong together. */
export async function readSearch(folder: string, json: RunJson): Promise<SavedSearch> {
  const kept = await readCandidates(folder);
  const path = join(folder, TRACE_JSON);
  const traced = await readJson(path);
  requireFormat(traced, TRACE_FORMAT, path);
  const study = savedStudy(json);
  const { settings } = json.config as unknown as { readonly settings: SearchSettings };
  const space = savedSpace(study, settings);
  requireUnits(space, kept, folder);
  const result = json.result as unknown as ResultJson;
  const { metric, ...extras } = result.baseline;
  const { fp32Bytes } = kept;
  const limits = limitsOf(kept);
  const intervals = new Map(kept.candidates.map(({ step, low, high }) => [step, { low, high }]));
  const trace = (traced as TraceJson).steps.map((step) =>
    stepOf({ ...withoutNulls(intervals.get(step.index)), ...step }, kept.metric),
  );
  const candidates = trace.flatMap(candidateOf);
  const at = (step: number): Candidate => candidateAt(candidates, step, folder);
  const { selected, smallest, heldOut } = result;
  const baseline: ExactEvaluation = { kind: 'exact', metric, extras };
  return {
    kind: 'search',
    json,
    folder,
    study,
    space,
    settings,
    outcome: { baseline, fp32Bytes, limits, trace, candidates },
    selections: result.selections.map(({ lambda, step }) => ({ lambda, candidate: at(step) })),
    ...(selected && { selected: { lambda: selected.lambda, candidate: at(selected.step) } }),
    ...(smallest && { smallest: at(smallest.step) }),
    // JSON has no NaN.
    yardsticks: result.yardsticks.map((point) => ({ ...point, metric: point.metric ?? NaN })),
    ...(heldOut && { heldOut }),
    report: savedReport(json),
  };
}

function requireUnits({ units }: ModelSpace, kept: CandidatesJson, folder: string): void {
  const [expected, got] = [units.map(({ id }) => id).join(' '), kept.units.join(' ')];
  if (expected === got) return;
  throw new DataError({
    what: 'the units of the candidates are not those of the model',
    where: folder,
    got,
    expected,
  });
}

function limitsOf({ metric, baseline, limits }: CandidatesJson): Limits {
  const { loss, bytes } = limits;
  return {
    quality: { metric, baseline, allowedLoss: loss ?? Infinity },
    maxBytes: bytes ?? Infinity,
  };
}

/** The interval of a candidate: a trace of an earlier version leaves it to the candidates. */
function withoutNulls(
  interval: { readonly low: number | null; readonly high: number | null } = {
    low: null,
    high: null,
  },
): { low?: number; high?: number } {
  const { low, high } = interval;
  return { ...(low !== null && { low }), ...(high !== null && { high }) };
}

function stepOf(json: TraceStepJson, metric: Metric): SearchStep {
  const { index, stage, unit, bits, bytes, accepted, candidate, reason, plan } = json;
  return {
    index,
    stage,
    unit,
    ...(bits !== undefined && { bits }),
    bytes,
    accepted,
    candidate,
    reason,
    assignment: Assignment.of(plan),
    evaluation: evaluationOf(json, metric),
  };
}

function evaluationOf(
  { metric: value, bound, low, high, accepted }: TraceStepJson,
  metric: Metric,
): Evaluation {
  // What was measured to the end has a metric, or null for NaN.
  if (value === undefined)
    return {
      kind: 'verdict',
      passes: accepted,
      // JSON has no Infinity, which a perplexity's bound can be.
      bound: bound ?? (metric === 'accuracy' ? 0 : Infinity),
    };
  const extras = { ...(low !== undefined && { low }), ...(high !== undefined && { high }) };
  return { kind: 'exact', metric: value ?? NaN, extras };
}

function candidateOf(step: SearchStep): Candidate[] {
  const { candidate, evaluation, assignment, bytes, stage, index } = step;
  if (!candidate || evaluation.kind !== 'exact') return [];
  const { metric, extras = {} } = evaluation;
  return [{ assignment, metric, bytes, stage, step: index, extras }];
}

function candidateAt(candidates: readonly Candidate[], step: number, folder: string): Candidate {
  const found = candidates.find((candidate) => candidate.step === step);
  if (found !== undefined) return found;
  throw new DataError({
    what: 'the result is no candidate of the search',
    where: folder,
    got: `step ${step}`,
    expected: `a candidate in ${TRACE_JSON}`,
  });
}
