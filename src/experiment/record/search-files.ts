import { planId } from '../../quant/plan.js';
import type { QuantizerName } from '../../quant/quantizers.js';
import type { Limits } from '../../search/constraints.js';
import type { Differences, LossAgainst } from '../../search/differences.js';
import type { Evaluation } from '../../search/evaluation.js';
import type { RungDecision } from '../../search/ladder/rungs.js';
import { takenText } from '../../search/ladder/words.js';
import { paretoFront } from '../../search/pareto.js';
import { FULL_PRECISION, type Assignment } from '../../search/space.js';
import type { Candidate, SearchStep } from '../../search/trace.js';
import type { Json } from '../../util/json.js';
import { storedBitsOf, type ModelSpace } from '../open/model-space.js';
import type { SearchRun } from '../runs/search-result.js';
import { ENERGY_SETTING } from '../selection/energy-objective.js';
import { lambdaIntervals, runContext } from '../selection/select-run.js';
import { csvText } from './csv.js';
import type { BitsJson } from './schema-parts.js';
import {
  CANDIDATES_FORMAT,
  TRACE_FORMAT,
  type CandidateJson,
  type CandidatesJson,
  type SearchResultJson,
  type StepJson,
  type TraceJson,
} from './search-schema.js';

type Units = Pick<ModelSpace, 'units' | 'storedBits'>;

/** The bits that units were asked for, where they are stored in others; nothing where there are none. */
function askedBitsOf(assignment: Assignment, { units, storedBits }: Units): { asked?: BitsJson } {
  const other = units
    .map(({ id }) => [id, assignment.bitsOf(id)] as const)
    .filter(([id, width]) => storedBits(id, width) !== width);
  return other.length === 0 ? {} : { asked: Object.fromEntries(other) };
}

/** A candidate for the files of a search. */
export function candidateJson(candidate: Candidate, space: ModelSpace): CandidateJson {
  const { assignment, metric, bytes, stage, step, extras } = candidate;
  return {
    step,
    stage,
    plan: planId(space.resolve(assignment)),
    metric,
    low: extras?.low ?? null,
    high: extras?.high ?? null,
    bytes,
    ...(candidate.energy !== undefined && { modelledMicrojoules: candidate.energy }),
    bits: storedBitsOf(assignment, space),
    ...askedBitsOf(assignment, space),
  };
}

/** The content of `candidates.json`. */
export function candidatesJson(
  run: Pick<SearchRun, 'settings' | 'outcome' | 'space' | 'ties' | 'energy'>,
  quantizer: QuantizerName,
): CandidatesJson {
  const { outcome, space, ties } = run;
  const { energy } = runContext(run);
  return {
    format: CANDIDATES_FORMAT,
    metric: outcome.limits.quality.metric,
    baseline: outcome.baseline.metric,
    fp32Bytes: outcome.fp32Bytes,
    limits: limitsJson(outcome.limits),
    ...(energy && {
      modelledEnergy: {
        ...{ weight: energy.weight, unquantizedMicrojoules: energy.unquantized },
        ...ENERGY_SETTING,
      },
    }),
    quantizer,
    units: space.units.map(({ id }) => id),
    candidates: outcome.candidates.map((candidate) => {
      const tied = ties?.get(candidate.step);
      return { ...candidateJson(candidate, space), ...(tied && { ties: [...tied] }) };
    }),
  };
}

/** A table for people and spreadsheets: a line a candidate, a column a unit. */
export function candidatesCsv({
  candidates,
  units,
  metric,
  fp32Bytes,
  modelledEnergy,
}: CandidatesJson): string {
  const scored = candidates.map((own) => ({ ...own, energy: own.modelledMicrojoules, own }));
  const front = new Set(paretoFront(scored, metric).map(({ own }) => own));
  const energy = modelledEnergy === undefined ? [] : ['modelled µJ/token'];
  return csvText(
    ['step', 'stage', 'plan', metric, 'low', 'high', 'bytes', 'saving']
      .concat(energy)
      .concat('on front', units),
    candidates.map((candidate) => {
      const { step, stage, plan, low, high, bytes, bits } = candidate;
      return [
        step,
        stage,
        plan,
        candidate.metric,
        low ?? undefined,
        high ?? undefined,
        bytes,
        1 - bytes / fp32Bytes,
        ...energy.map(() => candidate.modelledMicrojoules),
        front.has(candidate),
        ...units.map((unit) => bits[unit] ?? FULL_PRECISION),
      ];
    }),
  );
}

function limitsJson({ quality, maxBytes }: Limits): CandidatesJson['limits'] {
  const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return { loss: orNull(quality.allowedLoss), bytes: orNull(maxBytes) };
}

/** The content of `trace.json`. @param differences known once the search has ended. */
export function traceJson(
  steps: readonly SearchStep[],
  space: ModelSpace,
  differences?: Differences,
): TraceJson {
  return {
    format: TRACE_FORMAT,
    steps: steps.map(({ assignment, evaluation, rung, ...step }) => ({
      ...step,
      ...(rung && { rung: rungJson({ rung, ...step }) }),
      ...measuredJson(evaluation),
      ...againstJson(differences?.get(step.index)),
      plan: storedBitsOf(assignment, space),
      ...askedBitsOf(assignment, space),
    })),
  };
}

function againstJson(losses: readonly LossAgainst[] = []): Pick<StepJson, 'against'> {
  return losses.length === 0
    ? {}
    : { against: losses.map(({ step, low, high }) => [step, low, high]) };
}

function rungJson(step: Pick<SearchStep, 'accepted'> & { readonly rung: RungDecision }): RungJson {
  const taken = takenText(step);
  return { ...step.rung, ...(taken !== undefined && { taken }) };
}

type RungJson = NonNullable<StepJson['rung']>;

type Measured = 'metric' | 'low' | 'high' | 'pairedLow' | 'pairedHigh' | 'bound';

function measuredJson(evaluation: Evaluation): Pick<StepJson, Measured> {
  if (evaluation.kind === 'verdict') return { bound: evaluation.bound };
  const extras: Partial<Record<string, number>> = evaluation.extras ?? {};
  const { low, high, pairedLow, pairedHigh } = extras;
  return {
    metric: evaluation.metric,
    ...(low !== undefined && { low }),
    ...(high !== undefined && { high }),
    ...(pairedLow !== undefined && { pairedLow }),
    ...(pairedHigh !== undefined && { pairedHigh }),
  };
}

/** The result of a search for its `run.json`; the same whenever it is repeated. */
export function searchResultJson(run: SearchRun): Json {
  const { outcome, space, selected, heldOut } = run;
  const { baseline, fp32Bytes, limits, candidates, nearest } = outcome;
  const kept = (candidate: Candidate): CandidateJson => candidateJson(candidate, space);
  const { metric } = limits.quality;
  const result: Omit<SearchResultJson, 'heldOut'> & { heldOut: unknown; nearest: unknown } = {
    metric,
    baseline: { metric: baseline.metric, ...baseline.extras, bytes: fp32Bytes },
    limits: limitsJson(limits),
    // Early verdicts may add a few: the choice of the nearest plan needs its metric.
    evaluations: run.evaluations,
    ...(run.gradients && { gradients: run.gradients }),
    candidates: candidates.length,
    front: run.front.map(kept),
    selections: run.selections.map(({ lambda, candidate }) => ({ lambda, ...kept(candidate) })),
    // The end of the paper's score, infinity, becomes null.
    intervals: lambdaIntervals(run).map(({ candidate, from, to }) => ({
      ...{ from, to },
      step: candidate.step,
    })),
    ...(run.decisions && { decisions: run.decisions }),
    ...(run.noise && { noise: run.noise }),
    ...(run.gate && { gate: run.gate }),
    ...(run.ladder && { ladder: { ...run.ladder, rungs: [...run.ladder.rungs] } }),
    selected: selected && {
      lambda: selected.lambda,
      ...kept(selected.candidate),
      saving: 1 - selected.candidate.bytes / fp32Bytes,
    },
    smallest: run.smallest && kept(run.smallest),
    yardsticks: [...run.yardsticks],
    heldOut: heldOut && {
      baseline: withoutItems(heldOut.baseline),
      quantized: withoutItems(heldOut.quantized),
      comparison: heldOut.comparison,
      ...(heldOut.certificate && { certificate: heldOut.certificate }),
    },
    nearest: nearest && { ...nearest, assignment: storedBitsOf(nearest.assignment, space) },
  };
  return plainJson(result);
}

/** A measurement for a file that is the same whenever it is made: without single answers and times. */
function withoutItems(measurement: object): object {
  const members = Object.entries<unknown>({ ...measurement });
  return Object.fromEntries(
    members.filter(([name, value]) => !Array.isArray(value) && name !== 'seconds'),
  );
}

/** A line of the list of runs. */
export function searchSummary({ settings, outcome, selected, heldOut }: SearchRun): Json {
  return plainJson({
    method: settings.method,
    case: settings.case,
    metric: outcome.limits.quality.metric,
    baseline: outcome.baseline.metric,
    met: outcome.nearest === undefined,
    selected: selected && {
      plan: selected.planId,
      metric: selected.candidate.metric,
      bytes: selected.candidate.bytes,
      saving: 1 - selected.candidate.bytes / outcome.fp32Bytes,
    },
    heldOut: heldOut && { baseline: heldOut.baseline.value, quantized: heldOut.quantized.value },
  });
}

/** A value as JSON has it: an undefined member is left out, a number that is not finite is null. */
export function plainJson(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
