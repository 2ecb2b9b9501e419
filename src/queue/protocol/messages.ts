import * as v from 'valibot';
import { WORK_AMOUNTS, type Work } from '../../model/work.js';
import type { PlainError } from '../../util/errors.js';
import {
  arithmetic,
  count,
  float64,
  hash,
  id,
  name,
  planJson,
  questionJson,
  scoresJson,
} from './codec.js';
import { PROTOCOL } from './keys.js';

const protocol = v.literal(PROTOCOL);
const flag = v.boolean();
const MOST_SEATS = 4096;
const MOST_LOGIT_BYTES = 1e9;
const MOST_SCHEMES = 1000;
const schemeName = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const seat = v.pipe(count, v.maxValue(MOST_SEATS - 1));
const batches = v.pipe(v.array(count), v.maxLength(10_000_000));

/** A batch and plans that everyone must get the same bits for before it may take part. */
export const canaryJson = v.strictObject({
  task: hash,
  batch: count,
  plans: v.pipe(v.array(planJson), v.minLength(1), v.maxLength(4)),
  /** SHA-256 over the bits. */
  expected: hash,
});

/** The description of a session, for the holders of its seats. */
export const sessionJson = v.strictObject({
  protocol,
  session: id,
  arithmetic,
  /** Host and process, for people. */
  coordinator: name,
  checkpoint: v.strictObject({ sha256: hash, bytes: count, name }),
  stated: v.record(name, v.union([v.string(), v.number()])),
  backend: name,
  identity: name,
  reuse: v.strictObject({ prefix: flag, exit: flag, budgetBytes: count }),
  canary: canaryJson,
  seats: v.pipe(count, v.maxValue(MOST_SEATS)),
  /** Where the coordinator hands out files, if it does. */
  files: v.exactOptional(v.strictObject({ url: name, token: id })),
});
export type SessionMessage = v.InferOutput<typeof sessionJson>;

/** The job of a seat: to work off its queue. */
export const leaseJson = v.strictObject({ protocol, session: id, seat });

/** The calibrated integers of a scheme that a plan has, as a file by its hash. */
const codesJson = v.strictObject({ scheme: schemeName, sha256: hash, bytes: count, name });
export type CodesMessage = v.InferOutput<typeof codesJson>;
const codes = v.pipe(v.array(codesJson), v.maxLength(MOST_SCHEMES));

/** The job of a share of an evaluation. */
export const shareJson = v.strictObject({
  protocol,
  session: id,
  seat,
  evaluation: count,
  task: hash,
  plan: planJson,
  codes: v.exactOptional(codes),
  batches,
  question: v.exactOptional(questionJson),
});
export type ShareMessage = v.InferOutput<typeof shareJson>;

/** The job of looking into the model under a plan, on the first items of a task. */
export const observeJson = v.strictObject({
  protocol,
  session: id,
  seat,
  task: hash,
  plan: planJson,
  codes: v.exactOptional(codes),
  limits: v.strictObject({
    sentences: count,
    windows: count,
    positions: count,
    /** Of the unquantized model, which the worker keeps. */
    logitBytes: v.pipe(count, v.maxValue(MOST_LOGIT_BYTES)),
  }),
});

const amounts = Object.fromEntries(WORK_AMOUNTS.map((amount) => [amount, v.number()])) as Record<
  (typeof WORK_AMOUNTS)[number],
  v.NumberSchema<undefined>
>;

const plainError: v.GenericSchema<unknown, PlainError> = v.strictObject({
  name,
  message: v.string(),
  stack: v.optional(v.string()),
  detail: v.optional(
    v.strictObject({
      what: v.string(),
      where: v.string(),
      got: v.exactOptional(v.string()),
      expected: v.exactOptional(v.string()),
    }),
  ),
}) as unknown as v.GenericSchema<unknown, PlainError>;

/** The answer to a job: scores, what was seen, or the fault of the model or the plan, which is the same everywhere. */
export const answerJson = v.variant('kind', [
  v.strictObject({
    kind: v.literal('scored'),
    worker: id,
    /** The bits of its canary: whose are others takes no part. */
    canary: hash,
    seconds: v.number(),
    scores: scoresJson,
    work: v.strictObject({ ...amounts, exits: v.record(v.string(), v.number()) }),
  }),
  v.strictObject({
    kind: v.literal('observed'),
    worker: id,
    canary: hash,
    seconds: v.number(),
    /** In the order of `OBSERVABLES`; fewer for a family without some. */
    values: float64,
  }),
  v.strictObject({ kind: v.literal('failed'), worker: id, canary: hash, error: plainError }),
]);
export type Answer = v.InferOutput<typeof answerJson>;

/** A worker as it describes itself. */
export const workerJson = v.strictObject({
  protocol: v.number(),
  worker: id,
  host: name,
  pid: count,
  arithmetic,
  /** In words: backend and version. */
  computes: name,
  threads: count,
  seats: v.array(v.strictObject({ session: id, seat })),
  shares: count,
  seconds: v.number(),
  tokens: count,
  since: v.number(),
});
export type WorkerMessage = v.InferOutput<typeof workerJson>;

export const workFrom = (work: Extract<Answer, { kind: 'scored' }>['work']): Work => ({
  ...work,
  exits: { ...work.exits },
});
