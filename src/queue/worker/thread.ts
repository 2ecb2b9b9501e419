import { createRequire } from 'node:module';
import type { Observables, Observer } from '../../experiment/observe/observables.js';
import type { ObservedLimits } from '../../experiment/observe/observed-items.js';
import {
  Scorer,
  type ScoreReply,
  type ScoreRequest,
  type ScorerOptions,
} from '../../experiment/scoring/scorer.js';
import { SharedTally } from '../../experiment/scoring/verdict.js';
import { matricesOf } from '../../layout/hierarchy.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import type { Task } from '../../tasks/task.js';
import { ModelError, QueueError, toPlainError, type PlainError } from '../../util/errors.js';
import { bitsOf } from '../canary.js';
import { requireTokens, taskFromText } from '../protocol/task-text.js';
import { HandedCodes, type CodesFilesHere } from './handed-codes.js';

/** A request to the thread that has a session's model. */
export type ThreadRequest =
  | {
      readonly kind: 'open';
      readonly options: ScorerOptions;
      readonly families: readonly string[];
    }
  | { readonly kind: 'task'; readonly text: string }
  | { readonly kind: 'score'; readonly request: ScoreRequest; readonly codes: CodesFilesHere }
  | {
      readonly kind: 'observe';
      readonly plan: ResolvedPlan;
      readonly limits: ObservedLimits;
      readonly codes: CodesFilesHere;
    }
  | { readonly kind: 'canary'; readonly batch: number; readonly plans: readonly ResolvedPlan[] };

export type ThreadReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'scored'; readonly reply: ScoreReply }
  | { readonly kind: 'observed'; readonly observables: Observables }
  | { readonly kind: 'canary'; readonly bits: string }
  | { readonly kind: 'failed'; readonly error: PlainError };

const handed = new HandedCodes();
let scorer: Scorer | undefined;
let task: Task | undefined;
/** Of the task, with what the unquantized model does on its first items. */
let observer: { readonly of: string; readonly looks: Observer } | undefined;

function opened(): { readonly scorer: Scorer; readonly task: Task } {
  if (scorer !== undefined && task !== undefined) return { scorer, task };
  throw new Error('the thread was asked before it had a model and a task');
}

async function answer(message: ThreadRequest): Promise<ThreadReply> {
  switch (message.kind) {
    case 'open':
      for (const module of message.families) createRequire(__filename)(module);
      scorer = await Scorer.open(message.options, handed);
      return { kind: 'done' };
    case 'task': {
      if (scorer === undefined) throw new Error('a task came before the model');
      const next = taskFromText(message.text);
      requireTokens(next, scorer.description.config.vocabSize);
      // The scorer makes the same of the same parts; streams are told apart by its objects.
      scorer.useTask(next.parts);
      task = next;
      observer = undefined;
      return { kind: 'done' };
    }
    case 'score':
      requireBatches(message.request.batches, opened().task);
      requireMatrices(message.request.plan, opened().scorer);
      handed.take(message.codes);
      return { kind: 'scored', reply: await opened().scorer.score(message.request) };
    case 'observe': {
      const { scorer } = opened();
      const { plan, limits } = message;
      requireMatrices(plan, scorer);
      handed.take(message.codes);
      const of = JSON.stringify(limits);
      if (observer?.of !== of) observer = { of, looks: scorer.observer(limits) };
      return { kind: 'observed', observables: await observer.looks.measure(plan) };
    }
    case 'canary':
      requireBatches([message.batch], opened().task);
      return { kind: 'canary', bits: await canaryBits(message.batch, message.plans) };
  }
}

async function canaryBits(batch: number, plans: readonly ResolvedPlan[]): Promise<string> {
  const found: unknown[] = [];
  for (const plan of plans)
    try {
      const tally = new SharedTally().buffer;
      found.push((await opened().scorer.score({ plan, batches: [batch], tally })).scores);
    } catch (error) {
      // A plan that breaks the model has to break it everywhere.
      if (!(error instanceof ModelError)) throw error;
      found.push(error.name);
    }
  return bitsOf(found);
}

function requireMatrices(plan: ResolvedPlan, { description }: Scorer): void {
  const known = new Set(matricesOf(description.hierarchy).map(({ name }) => name));
  const got = [...plan.keys()].find((name) => !known.has(name));
  if (got === undefined) return;
  const what = 'a plan for a matrix that the model does not have';
  throw new QueueError({ what, where: 'share', got, expected: 'matrices of the model' });
}

function requireBatches(batches: readonly number[], { batches: all }: Task): void {
  if (batches.every((index) => index < all.length) && new Set(batches).size === batches.length)
    return;
  throw new QueueError({
    what: 'batches that the task does not have',
    where: 'share',
    got: `${batches.length} of ${all.length}`,
    expected: 'each once at most',
  });
}

/** Entry point of the thread, called for one request at a time. */
export default async function handle(message: ThreadRequest): Promise<ThreadReply> {
  try {
    return await answer(message);
  } catch (error) {
    return { kind: 'failed', error: toPlainError(error) };
  }
}
