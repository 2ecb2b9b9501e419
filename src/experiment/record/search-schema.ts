import * as v from 'valibot';
import { CASES, type CaseName } from '../../search/constraints.js';
import { SCORE_NAMES } from '../../search/score.js';
import { TIE_RULES } from '../../search/ties.js';
import type { Stage, StepReason } from '../../search/trace.js';
import { ACCOUNTINGS } from '../open/model-space.js';
import type { SearchSettings } from '../runs/search-settings.js';
import {
  bits,
  constraints,
  count,
  flag,
  metric,
  number,
  numberOrNull,
  orNaN,
  quantizer,
  text,
} from './schema-parts.js';

export const TRACE_FORMAT = 'qslm-trace/1';
export const CANDIDATES_FORMAT = 'qslm-candidates/1';

const interval = v.object({ low: number, high: number, level: number });

/** No limit: null. */
const limits = v.object({ loss: numberOrNull, bytes: numberOrNull });

const candidate = v.object({
  /** Place in the trace. */
  step: count,
  stage: v.picklist(['global', 'block', 'module', 'knapsack', 'swap'] satisfies Stage[]),
  /** Id of its plan. */
  plan: text,
  metric: number,
  /** 95 % interval of the metric. */
  low: numberOrNull,
  high: numberOrNull,
  bytes: number,
  /** Bits that each unit that is quantized is stored in, in network order. */
  bits,
  /** Bits that units were asked for, where they are stored in others. */
  asked: v.optional(bits),
  /** Steps of the smaller candidates that are worse by at most one standard error of the paired difference. */
  ties: v.optional(v.array(count)),
});
export type CandidateJson = v.InferOutput<typeof candidate>;

/** candidates.json: no model, no store is needed to select from it, and nothing is measured. */
export const CANDIDATES = v.object({
  format: v.literal(CANDIDATES_FORMAT),
  metric,
  baseline: number,
  fp32Bytes: number,
  limits,
  /** Meaning of a width: with the bits of a candidate, its plan. */
  quantizer,
  /** All units of the search space, in network order. */
  units: v.array(text),
  /** In the order they were found: of equal scores the first is selected. */
  candidates: v.array(candidate),
});
export type CandidatesJson = v.InferOutput<typeof CANDIDATES>;

const step = v.object({
  index: count,
  stage: candidate.entries.stage,
  unit: text,
  bits: v.optional(number),
  bytes: number,
  accepted: flag,
  candidate: flag,
  reason: v.picklist([
    'meets both limits',
    'too large yet',
    'loses too much',
    'metric is not a number',
    'keeps both on a sample',
    'loses too much on all items',
    'refused by the gate, not measured',
  ] satisfies StepReason[]),
  /** Of an evaluation to the end. */
  metric: v.optional(numberOrNull),
  /** 95 % interval of the metric, where there is one. */
  low: v.optional(number),
  high: v.optional(number),
  /** The same beside the unquantized model's metric, from paired items. */
  pairedLow: v.optional(number),
  pairedHigh: v.optional(number),
  /** Of a plan that was refused and needs no metric: the metric is no better. */
  bound: v.optional(numberOrNull),
  /** 95 % interval of the loss against an earlier step, from paired items: step, low, high. */
  against: v.optional(v.array(v.tuple([count, number, number]))),
  /** Where samples decide: the one that did, and what it says. */
  rung: v.exactOptional(
    v.object({
      items: count,
      of: count,
      level: number,
      beside: v.exactOptional(text),
      estimate: number,
      error: number,
      low: number,
      high: number,
      clear: flag,
      /** "undecided, taken as kept": where it is not clear. */
      taken: v.exactOptional(text),
    }),
  ),
  /** Where a gate refused the plan: what it saw; null is no number. */
  gate: v.exactOptional(v.object({ drift: orNaN, threshold: number })),
  /** Bits that each unit that is quantized is stored in, in network order. */
  plan: bits,
  asked: v.optional(bits),
});
export type StepJson = v.InferOutput<typeof step>;

/** trace.json */
export const TRACE = v.object({ format: v.literal(TRACE_FORMAT), steps: v.array(step) });
export type TraceJson = v.InferOutput<typeof TRACE>;

const measured = v.looseObject({ value: number, interval });

const noise = v.object({ dithers: count, metric: number, difference: number });

const comparison = v.variant('metric', [
  v.object({
    metric: v.literal('accuracy'),
    difference: number,
    onlyBaseline: count,
    onlyOther: count,
    pValue: number,
    test: v.picklist(['exact binomial', 'chi-square with continuity correction']),
  }),
  v.object({ metric: v.picklist(['f1', 'matthews']), difference: number, interval }),
  v.object({
    metric: v.literal('perplexity'),
    difference: number,
    standardError: v.exactOptional(number),
    interval: v.exactOptional(interval),
    ratio: number,
    ratioInterval: v.exactOptional(interval),
  }),
]);

/** The result of a search, in its run.json. */
export const SEARCH_RESULT = v.object({
  metric,
  baseline: v.objectWithRest({ metric: number, bytes: number }, number),
  limits,
  /** Asked for: of the table, and of the search. */
  evaluations: v.object({ table: count, search: count }),
  /** The pass of gradients that the table was made from; its seconds are among the run's work. */
  gradients: v.exactOptional(v.object({ source: v.string(), sequences: count, tokens: count })),
  candidates: count,
  front: v.array(candidate),
  selections: v.array(v.object({ lambda: number, ...candidate.entries })),
  /** Of the run's own score; null is no end. */
  intervals: v.array(v.object({ from: number, to: numberOrNull, step: count })),
  /** About the limit of the loss. */
  decisions: v.exactOptional(
    v.object({
      total: count,
      measured: count,
      close: count,
      stopped: count,
      sampled: v.exactOptional(count),
      undecided: v.exactOptional(count),
      gated: v.exactOptional(count),
    }),
  ),
  /** Where samples decide: what they were. */
  ladder: v.exactOptional(
    v.object({ level: number, seed: count, decisions: count, rungs: v.array(count), all: count }),
  ),
  /** Where a gate refuses plans before they are measured; what it cost is among the run's work. */
  gate: v.exactOptional(
    v.object({
      threshold: v.exactOptional(number),
      origin: text,
      drifts: count,
      refused: count,
      observed: text,
    }),
  ),
  /** Noise floors: the metric's moves when nothing matters, where they were measured. */
  noise: v.exactOptional(
    v.object({ search: v.exactOptional(noise), heldOut: v.exactOptional(noise) }),
  ),
  selected: v.optional(v.object({ lambda: number, ...candidate.entries, saving: number })),
  smallest: v.optional(candidate),
  yardsticks: v.array(
    v.object({
      kind: v.picklist(['uniform', 'random']),
      name: text,
      plan: text,
      metric: orNaN,
      low: v.exactOptional(number),
      high: v.exactOptional(number),
      /** As of a step. */
      pairedLow: v.exactOptional(number),
      pairedHigh: v.exactOptional(number),
      bytes: number,
      bits,
    }),
  ),
  heldOut: v.optional(
    v.object({
      baseline: measured,
      quantized: measured,
      comparison,
      certificate: v.exactOptional(v.object({ loss: number, level: number })),
    }),
  ),
  /** Where nothing keeps both limits: the plan that comes closest. */
  nearest: v.optional(
    v.object({
      assignment: bits,
      metric: number,
      bytes: count,
      misses: v.object({ quality: number, bytes: number }),
    }),
  ),
});
export type SearchResultJson = v.InferOutput<typeof SEARCH_RESULT>;

export const SEARCH_SETTINGS: v.GenericSchema<unknown, SearchSettings> = v.object({
  method: v.picklist(['tiered', 'knapsack']),
  case: v.exactOptional(v.picklist(Object.keys(CASES) as CaseName[])),
  constraints,
  bits: v.array(number),
  quantizer,
  granularity: v.picklist(['module', 'matrix']),
  accounting: v.exactOptional(v.picklist(ACCOUNTINGS)),
  order: v.picklist(['network', 'least-sensitive-first']),
  pace: v.picklist(['exact', 'bisection', 'bracketing']),
  slack: number,
  objective: v.picklist(['footprint', 'quality']),
  maxEvaluations: count,
  predictor: v.picklist(['metric', 'kl', 'rates', 'fisher']),
  calibration: v.exactOptional(v.string()),
  lambdas: v.array(number),
  lambda: number,
  score: v.exactOptional(v.picklist(SCORE_NAMES)),
  tie: v.exactOptional(v.picklist(TIE_RULES)),
  ladder: v.exactOptional(v.object({ level: number, seed: number, time: v.exactOptional(number) })),
  gate: v.exactOptional(
    v.object({ observable: v.literal('drift'), threshold: v.exactOptional(number) }),
  ),
  yardsticks: v.object({ uniform: flag, random: count, seed: number }),
});
