import { join } from 'node:path';
import type { Differences } from '../../search/differences.js';
import type { Evaluation } from '../../search/evaluation.js';
import { Assignment } from '../../search/space.js';
import type { Candidate, SearchStep } from '../../search/trace.js';
import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import { DataError } from '../../util/errors.js';
import type { ModelSpace } from '../open/model-space.js';
import type { SearchResult } from '../runs/search-result.js';
import { checked, readCandidates, readTrace } from './folder.js';
import { savedReport, savedSpace, savedStudy, type SavedStudy } from './saved-study.js';
import { RUN_FILE, TRACE_JSON, type RunJson } from './schema.js';
import {
  SEARCH_RESULT,
  SEARCH_SETTINGS,
  type CandidateJson,
  type CandidatesJson,
  type StepJson,
} from './search-schema.js';
import { savedLimits, savedTies } from './select-saved.js';

/** A finished search, read back from its folder. */
export interface SavedSearch extends SearchResult {
  readonly kind: 'search';
  readonly json: RunJson;
  readonly folder: string;
  readonly study: SavedStudy;
}

/** @throws {DataError} for a search that did not finish, and for files that do not belong together. */
export async function readSearch(folder: string, json: RunJson): Promise<SavedSearch> {
  const kept = await readCandidates(folder);
  const { steps } = await readTrace(folder);
  const where = join(folder, RUN_FILE);
  const settings = checked(json.config.settings, SEARCH_SETTINGS, `${where}: config.settings`);
  const result = checked(json.result, SEARCH_RESULT, `${where}: result`);
  const study = savedStudy(json);
  const space = savedSpace(study, settings);
  requireUnits(space, kept, folder);
  const { metric, bytes: fp32Bytes, ...extras } = result.baseline;
  const intervals = new Map(
    kept.candidates.map((candidate) => [candidate.step, intervalOf(candidate)]),
  );
  const trace = steps.map((step) => stepOf({ ...intervals.get(step.index), ...step }, kept.metric));
  const candidates = trace.flatMap(candidateOf);
  const at = (step: number): Candidate => candidateAt(candidates, step, folder);
  const { selected, smallest, heldOut, nearest, decisions, ladder, gate, noise } = result;
  const ties = savedTies(kept);
  const differences = savedDifferences(steps);
  return {
    kind: 'search',
    json,
    folder,
    study,
    space,
    settings,
    outcome: {
      baseline: { kind: 'exact', metric, extras },
      fp32Bytes,
      limits: savedLimits(kept),
      trace,
      candidates,
      ...(nearest && {
        nearest: { ...nearest, assignment: Assignment.of(nearest.assignment) },
      }),
    },
    selections: result.selections.map(({ lambda, step }) => ({ lambda, candidate: at(step) })),
    ...(selected && { selected: { lambda: selected.lambda, candidate: at(selected.step) } }),
    ...(smallest && { smallest: at(smallest.step) }),
    ...(ties && { ties }),
    ...(differences && { differences }),
    ...(decisions && { decisions }),
    ...(ladder && { ladder }),
    ...(gate && { gate }),
    ...(json.work?.gate && { gateWork: json.work.gate }),
    ...(noise && { noise }),
    yardsticks: result.yardsticks,
    evaluations: result.evaluations,
    ...(result.gradients && { gradients: result.gradients }),
    ...(json.work?.gradients && { gradientsWork: json.work.gradients }),
    ...(heldOut && { heldOut }),
    report: savedReport(json),
  };
}

function requireUnits({ units }: ModelSpace, kept: CandidatesJson, folder: string): void {
  const [expected, got] = [units.map(({ id }) => id).join(' '), kept.units.join(' ')];
  if (expected === got) return;
  const what = 'the units of the candidates are not those of the model';
  throw new DataError({ what, where: folder, got, expected });
}

/** Plans compared item by item; undefined of a run of an earlier version, which kept none. */
function savedDifferences(steps: readonly StepJson[]): Differences | undefined {
  const known = steps.flatMap(({ index, against }) =>
    against === undefined
      ? []
      : [[index, against.map(([step, low, high]) => ({ step, low, high }))] as const],
  );
  return known.length === 0 ? undefined : new Map(known);
}

/** The interval of a candidate: a trace of an earlier version leaves it to the candidates. */
function intervalOf({ low, high }: CandidateJson): { low?: number; high?: number } {
  return { ...(low !== null && { low }), ...(high !== null && { high }) };
}

function stepOf(json: StepJson, metric: MetricName): SearchStep {
  const { index, stage, unit, bits, bytes, accepted, candidate, reason, plan, asked, rung, gate } =
    json;
  return {
    index,
    stage,
    unit,
    ...(bits !== undefined && { bits }),
    bytes,
    accepted,
    candidate,
    reason,
    assignment: Assignment.of({ ...plan, ...asked }),
    evaluation: gate ? { kind: 'verdict', passes: false, bound: NaN } : evaluationOf(json, metric),
    ...(rung && { rung }),
    ...(gate && { gate }),
  };
}

function evaluationOf(
  { metric: value, bound, low, high, pairedLow, pairedHigh, accepted }: StepJson,
  metric: MetricName,
): Evaluation {
  // A step measured to the end has a metric, or null for NaN.
  if (value === undefined)
    // JSON has no Infinity, which a perplexity's bound can be.
    return { kind: 'verdict', passes: accepted, bound: bound ?? metricOf(metric).worst };
  const extras = {
    ...(low !== undefined && { low }),
    ...(high !== undefined && { high }),
    ...(pairedLow !== undefined && { pairedLow }),
    ...(pairedHigh !== undefined && { pairedHigh }),
  };
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
