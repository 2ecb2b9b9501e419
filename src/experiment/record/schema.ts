import * as v from 'valibot';
import { QUANTIZERS, type QuantizerName } from '../../quant/quantizers.js';
import { CASES, type Bound, type CaseName } from '../../search/constraints.js';
import type { StepReason, Stage } from '../../search/trace.js';
import { METRIC_NAMES } from '../../tasks/metrics/metrics.js';
import type { Json } from '../../util/json.js';
import type { RunState } from '../../store/index.js';
import type { SearchSettings } from '../runs/search-settings.js';
import type { SweepSettings } from '../runs/sweep-result.js';

/*
 * What a run's folder holds. Each file is written from these types and checked against them when it is read:
 * a folder may come from anyone. Candidates and plans hold no times and nothing else that differs when a
 * search is repeated: equal searches leave equal files. JSON has no NaN: a number that is none is null.
 *
 *   run.json            what the run was, and what came of it
 *   trace.json          a search: every plan tried
 *   candidates.json     a finished search: the plans that keep both limits, all that a selection needs
 *   candidates.csv      the same for people and spreadsheets
 *   selected-plan.json  the plan that it ends with
 *   sensitivity.json    a finished sweep; sensitivity.csv is the same
 */
export const RUN_FILE = 'run.json';
export const TRACE_JSON = 'trace.json';
export const CANDIDATES_JSON = 'candidates.json';
export const CANDIDATES_CSV = 'candidates.csv';
export const SELECTED_PLAN = 'selected-plan.json';
export const SENSITIVITY_JSON = 'sensitivity.json';
export const SENSITIVITY_CSV = 'sensitivity.csv';

export const RUN_FORMAT = 'qslm-run/1';
export const TRACE_FORMAT = 'qslm-trace/1';
export const CANDIDATES_FORMAT = 'qslm-candidates/1';
export const SENSITIVITY_FORMAT = 'qslm-sensitivity/1';

const text = v.string();
const number = v.number();
const numberOrNull = v.nullable(number);
/** null is NaN. */
const orNaN = v.pipe(
  numberOrNull,
  v.transform((value) => value ?? NaN),
);
const count = v.pipe(number, v.integer(), v.minValue(0));
const flag = v.boolean();
const metric = v.picklist(METRIC_NAMES);
const quantizer = v.picklist(Object.keys(QUANTIZERS) as QuantizerName[]);
const json = v.unknown() as v.GenericSchema<unknown, Json>;

/** Unit → bits. */
const bits = v.record(text, v.pipe(number, v.integer(), v.minValue(1), v.maxValue(32)));
export type BitsJson = v.InferOutput<typeof bits>;

const interval = v.object({ low: number, high: number, level: number });

/** No limit: null. */
const limits = v.object({ loss: numberOrNull, bytes: numberOrNull });

const bound: v.GenericSchema<unknown, Bound> = v.variant('kind', [
  v.object({ kind: v.literal('absolute'), value: number }),
  v.object({ kind: v.literal('share'), share: number }),
]);

/** The data of a run: which, and how much of it. */
const data = v.object({
  task: text,
  source: text,
  id: text,
  items: count,
  tokens: count,
  split: text,
  limit: v.nullable(count),
  context: v.nullable(count),
});
export type DataJson = v.InferOutput<typeof data>;

/** All of model, data and settings that the result depends on: runs are equal where this is. */
const config = v.object({
  model: v.object({
    /** Absent for the first family that there was. */
    family: v.optional(text),
    name: text,
    sha256: text,
    config: v.looseObject({
      vocabSize: count,
      width: count,
      layers: count,
      contextLength: count,
      classes: count,
      head: flag,
    }),
  }),
  search: data,
  heldOut: v.nullable(data),
  backend: text,
  measurements: text,
  settings: json,
});
export type RunConfig = v.InferOutput<typeof config>;

/** What a listing shows of a configuration. */
export const LISTED_CONFIG = v.object({
  model: v.object({ name: text }),
  settings: v.object({
    method: v.optional(text),
    case: v.optional(text),
    pace: v.optional(text),
  }),
});

/** What a run cost since its last start, in evaluations of the whole task. */
const work = v.object({
  measured: count,
  stopped: count,
  remembered: count,
  seconds: number,
  fullEvaluations: v.object({
    computed: number,
    savedByPrefix: number,
    savedByExit: number,
    savedByVerdict: number,
  }),
  exits: v.object({
    /** Of the sequences that were looked at, once at each boundary. */
    share: number,
    byBoundary: v.record(text, count),
  }),
});
export type WorkJson = v.InferOutput<typeof work>;

/** run.json: everything needed to repeat a run, and what came of it. */
export const RUN = v.object({
  format: v.literal(RUN_FORMAT),
  id: text,
  /** "search", "sweep" */
  kind: text,
  /** At the time of writing: that of a killed run still says `running`. */
  state: v.picklist(['running', 'finished', 'failed', 'interrupted'] satisfies RunState[]),
  /** When it was started, and started again, ISO 8601 in UTC. */
  starts: v.array(text),
  finishedAt: v.nullable(text),
  /** The command line, where there was one. */
  command: v.optional(v.array(text)),
  versions: v.object({ qslm: text, node: text, backend: text }),
  /** Processors, platform, runtime. */
  machine: text,
  paths: v.object({ checkpoint: text, store: v.nullable(text) }),
  /** What titles call the data. */
  titles: v.optional(v.object({ search: text, heldOut: v.optional(text) })),
  config,
  /** How evaluations were made cheaper: nothing in the result depends on it. */
  accelerations: json,
  result: json,
  work: v.nullable(work),
  error: v.optional(text),
});
export type RunJson = v.InferOutput<typeof RUN>;

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
});
export type CandidateJson = v.InferOutput<typeof candidate>;

/** candidates.json: no model, no store is needed to select from it, and nothing is measured. */
export const CANDIDATES = v.object({
  format: v.literal(CANDIDATES_FORMAT),
  metric,
  baseline: number,
  fp32Bytes: number,
  limits,
  /** What a width means: with the bits of a candidate, its plan. */
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
  ] satisfies StepReason[]),
  /** Of an evaluation to the end. */
  metric: v.optional(numberOrNull),
  /** 95 % interval of the metric, where there is one. */
  low: v.optional(number),
  high: v.optional(number),
  /**
   * Of one that stopped early: the metric is no better. With several threads it depends on their timing, unlike
   * the verdict.
   */
  bound: v.optional(numberOrNull),
  /** Bits that each unit that is quantized is stored in, in network order. */
  plan: bits,
  asked: v.optional(bits),
});
export type StepJson = v.InferOutput<typeof step>;

/** trace.json */
export const TRACE = v.object({ format: v.literal(TRACE_FORMAT), steps: v.array(step) });
export type TraceJson = v.InferOutput<typeof TRACE>;

const measured = v.looseObject({ value: number, interval });

const comparison = v.variant('metric', [
  v.object({
    metric: v.literal('accuracy'),
    difference: number,
    onlyBaseline: count,
    onlyOther: count,
    pValue: number,
    test: v.picklist(['exact binomial', 'chi-square with continuity correction']),
  }),
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
  candidates: count,
  front: v.array(candidate),
  selections: v.array(v.object({ lambda: number, ...candidate.entries })),
  intervals: v.array(v.object({ from: number, to: number, step: count })),
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
      bytes: number,
      bits,
    }),
  ),
  heldOut: v.optional(v.object({ baseline: measured, quantized: measured, comparison })),
});
export type SearchResultJson = v.InferOutput<typeof SEARCH_RESULT>;

const constraints = v.object({ loss: v.exactOptional(bound), memory: v.exactOptional(bound) });

export const SEARCH_SETTINGS: v.GenericSchema<unknown, SearchSettings> = v.object({
  method: v.picklist(['tiered', 'knapsack']),
  case: v.exactOptional(v.picklist(Object.keys(CASES) as CaseName[])),
  constraints,
  bits: v.array(number),
  quantizer,
  granularity: v.picklist(['module', 'matrix']),
  order: v.picklist(['network', 'least-sensitive-first']),
  pace: v.picklist(['exact', 'bisection', 'bracketing']),
  slack: number,
  objective: v.picklist(['footprint', 'quality']),
  maxEvaluations: count,
  predictor: v.picklist(['metric', 'kl']),
  lambdas: v.array(number),
  lambda: number,
  yardsticks: v.object({ uniform: flag, random: count, seed: number }),
});

export const SWEEP_SETTINGS: v.GenericSchema<unknown, SweepSettings> = v.object({
  bits: v.array(number),
  levels: v.array(v.picklist(['block', 'module', 'matrix'])),
  quantizer,
  observables: flag,
});

/** Extras of an evaluation; what is no number is left out. */
const extras = v.pipe(
  v.record(text, numberOrNull),
  v.transform((all): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, number] => entry[1] !== null),
    ),
  ),
);

/** sensitivity.json */
export const SENSITIVITY = v.object({
  format: v.literal(SENSITIVITY_FORMAT),
  /** What the observables were taken from: "first 200 sentences". */
  observed: v.nullable(text),
  metric,
  baseline: v.object({
    kind: v.literal('exact'),
    metric: number,
    extras: v.exactOptional(extras),
  }),
  fp32Bytes: number,
  rows: v.array(
    v.object({
      level: v.picklist(['global', 'block', 'module', 'matrix']),
      unit: text,
      bits: number,
      metric: orNaN,
      loss: orNaN,
      bytes: number,
      extras: v.exactOptional(extras),
    }),
  ),
});
export type SensitivityJson = v.InferOutput<typeof SENSITIVITY>;
