import { planId } from '../../quant/plan.js';
import type { Limits } from '../../search/constraints.js';
import type { Evaluation } from '../../search/evaluation.js';
import { paretoFront } from '../../search/pareto.js';
import { FULL_PRECISION, type Assignment } from '../../search/space.js';
import type { Candidate, SearchStep } from '../../search/trace.js';
import type { Metric } from '../../tasks/task.js';
import { csvText } from './csv.js';
import type { ModelSpace } from '../open/model-space.js';
import type { QuantizerName } from '../../quant/quantizers.js';

/*
 * What a search leaves in its run's folder, beside run.json. Candidates and plans hold no times and nothing
 * else that differs when a search is repeated: equal searches leave equal files.
 */
export const CANDIDATES_CSV = 'candidates.csv';
export const CANDIDATES_JSON = 'candidates.json';
export const TRACE_JSON = 'trace.json';
export const SELECTED_PLAN = 'selected-plan.json';

export const CANDIDATES_FORMAT = 'qslm-candidates/1';

/** A plan that keeps both limits, as it is kept. */
export interface KeptCandidate {
  /** Place in the trace. */
  readonly step: number;
  readonly stage: string;
  readonly plan: string;
  readonly metric: number;
  /** 95 % interval of the metric. */
  readonly low: number | null;
  readonly high: number | null;
  readonly bytes: number;
  /** Bits that each unit that is quantized is stored in, in network order. */
  readonly bits: Readonly<Record<string, number>>;
}

/** Everything that a selection needs: no model, no store, nothing measured. */
export interface CandidatesJson {
  readonly format: typeof CANDIDATES_FORMAT;
  readonly metric: Metric;
  readonly baseline: number;
  readonly fp32Bytes: number;
  /** No limit: null. */
  readonly limits: { readonly loss: number | null; readonly bytes: number | null };
  /** What a width means: with the bits of a candidate, its plan. */
  readonly quantizer: QuantizerName;
  /** All units of the search space, in network order. */
  readonly units: readonly string[];
  /** In the order they were found: of equal scores the first is selected. */
  readonly candidates: readonly KeptCandidate[];
}

export const TRACE_FORMAT = 'qslm-trace/1';

/** A plan that was tried, as it is kept. */
export interface TraceStepJson extends Omit<SearchStep, 'assignment' | 'evaluation'> {
  /** Of an evaluation to the end; null where it is no number. */
  readonly metric?: number | null;
  /** 95 % interval of the metric, where there is one. */
  readonly low?: number;
  readonly high?: number;
  /** Of one that stopped early: the metric is no better. */
  readonly bound?: number | null;
  /** Bits that each unit that is quantized is stored in, in network order. */
  readonly plan: Readonly<Record<string, number>>;
}

export interface TraceJson {
  readonly format: typeof TRACE_FORMAT;
  readonly steps: readonly TraceStepJson[];
}

export function keptCandidate(candidate: Candidate, space: ModelSpace): KeptCandidate {
  const { assignment, metric, bytes, stage, step, extras } = candidate;
  return {
    step,
    stage,
    plan: planId(space.resolve(assignment)),
    metric,
    low: extras?.low ?? null,
    high: extras?.high ?? null,
    bytes,
    bits: bitsInOrder(assignment, space),
  };
}

/** The bits that each unit that is quantized is stored in, in network order. */
export function bitsInOrder(
  assignment: Assignment,
  { units, storedBits }: Pick<ModelSpace, 'units' | 'storedBits'>,
): Record<string, number> {
  const bits = units.map(({ id }) => [id, storedBits(id, assignment.bitsOf(id))] as const);
  return Object.fromEntries(bits.filter(([, width]) => width !== FULL_PRECISION));
}

/** A table for people and spreadsheets: a line a candidate, a column a unit. */
export function candidatesCsv({ candidates, units, metric, fp32Bytes }: CandidatesJson): string {
  const front = new Set(paretoFront(candidates, metric));
  return csvText(
    ['step', 'stage', 'plan', metric, 'low', 'high', 'bytes', 'saving', 'on front', ...units],
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
        front.has(candidate),
        ...units.map((unit) => bits[unit] ?? FULL_PRECISION),
      ];
    }),
  );
}

export function limitsJson({ quality, maxBytes }: Limits): CandidatesJson['limits'] {
  const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return { loss: orNull(quality.allowedLoss), bytes: orNull(maxBytes) };
}

/**
 * Every plan tried. Where an evaluation stopped early, `bound` is what was known by then; with several
 * threads that depends on their timing, unlike the verdict.
 */
export function traceJson(steps: readonly SearchStep[], space: ModelSpace): TraceJson {
  return {
    format: TRACE_FORMAT,
    steps: steps.map(({ assignment, evaluation, ...step }) => ({
      ...step,
      ...measuredJson(evaluation),
      plan: bitsInOrder(assignment, space),
    })),
  };
}

function measuredJson(
  evaluation: Evaluation,
): Pick<TraceStepJson, 'metric' | 'low' | 'high' | 'bound'> {
  if (evaluation.kind === 'verdict') return { bound: evaluation.bound };
  const { metric } = evaluation;
  const { low, high } = (evaluation.extras ?? {}) as {
    readonly low?: number;
    readonly high?: number;
  };
  return { metric, ...(low !== undefined && { low }), ...(high !== undefined && { high }) };
}
