import * as v from 'valibot';
import { ORIGIN } from '../../hub/cache.js';
import type { RunState } from '../../store/index.js';
import { constraints, count, flag, json, number, text } from './schema-parts.js';

/*
 * The files of a run's folder. Each is written from these types and those of `search-schema.ts` and
 * `sweep-schema.ts`, and checked against them when it is read: a folder may come from anyone. Candidates
 * and plans hold no times and nothing else that differs when a search is repeated: equal searches leave equal
 * files. JSON has no NaN: a number that is none is null.
 *
 *   run.json            the run's settings and its result
 *   trace.json          a search: every plan tried
 *   ladder.json         a search with a time: the samples that it chose by it
 *   candidates.json     a finished search: the plans that keep both limits, all that a selection needs
 *   candidates.csv      the same for people and spreadsheets
 *   selected-plan.json  the plan that it ends with
 *   sensitivity.json    a finished sweep; sensitivity.csv is the same
 */
export const RUN_FILE = 'run.json';
export const TRACE_JSON = 'trace.json';
export const LADDER_JSON = 'ladder.json';
export const CANDIDATES_JSON = 'candidates.json';
export const CANDIDATES_CSV = 'candidates.csv';
export const SELECTED_PLAN = 'selected-plan.json';
export const SENSITIVITY_JSON = 'sensitivity.json';
export const SENSITIVITY_CSV = 'sensitivity.csv';

export const RUN_FORMAT = 'qslm-run/1';

/** Blocks of a model at most. */
const MOST_BLOCKS = 25_000;

/** The data of a run, and the amount of it. */
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

/** The sample that integers of calibrated schemes come from; absent where the run was opened without one. */
const calibration = v.object({
  /** Of checkpoint, sample and method: what kept integers are found by. */
  id: text,
  source: text,
});
export type CalibrationJson = v.InferOutput<typeof calibration>;

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
      // A layout has an entry a block; files have at most 25,000 tensors.
      layers: v.pipe(count, v.maxValue(MOST_BLOCKS)),
      contextLength: count,
      classes: count,
      head: flag,
    }),
  }),
  search: data,
  heldOut: v.nullable(data),
  calibration: v.exactOptional(calibration),
  backend: text,
  measurements: text,
  settings: json,
});
export type RunConfig = v.InferOutput<typeof config>;

/** The part of a configuration that a listing shows. */
export const LISTED_CONFIG = v.object({
  model: v.object({ name: text }),
  search: v.object({ task: text, source: text, items: count }),
  settings: v.object({
    method: v.optional(text),
    case: v.optional(text),
    pace: v.optional(text),
    constraints: v.optional(constraints),
  }),
});

/** The cost of a run since its last start, in evaluations of the whole task. */
const work = v.object({
  measured: count,
  stopped: count,
  /** Tokens scored, padding not counted; absent of a run of an earlier version. */
  tokens: v.exactOptional(count),
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
  /** Where a gate refuses plans before they are measured: the drifts that it looked at. */
  gate: v.exactOptional(v.object({ computed: count, seconds: number })),
  /** Where a table was made by gradients. */
  gradients: v.exactOptional(v.object({ seconds: number })),
});
export type WorkJson = v.InferOutput<typeof work>;

/** run.json: everything needed to repeat a run, and its result. */
export const RUN = v.object({
  format: v.literal(RUN_FORMAT),
  id: text,
  /** "search", "sweep" */
  kind: text,
  /** At the time of writing: that of a killed run still says `running`. */
  state: v.picklist(['running', 'finished', 'failed', 'interrupted'] satisfies RunState[]),
  /** Times at which it was started, and started again, ISO 8601 in UTC. */
  starts: v.array(text),
  finishedAt: v.nullable(text),
  /** The command line, where there was one. */
  command: v.optional(v.array(text)),
  versions: v.object({ qslm: text, node: text, backend: text }),
  /** Processors, platform, runtime. */
  machine: text,
  paths: v.object({ checkpoint: text, store: v.nullable(text) }),
  /** Provenance of what was fetched from a hub: repository, commit, path, hash. */
  origins: v.optional(
    v.object({
      model: v.optional(ORIGIN),
      search: v.optional(ORIGIN),
      heldOut: v.optional(ORIGIN),
    }),
  ),
  /** Names of the data in titles. */
  titles: v.optional(v.object({ search: text, heldOut: v.optional(text) })),
  config,
  /** Ways in which evaluations were made cheaper: nothing in the result depends on them. */
  accelerations: json,
  result: json,
  work: v.nullable(work),
  error: v.optional(text),
});
export type RunJson = v.InferOutput<typeof RUN>;
