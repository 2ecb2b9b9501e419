import { createRequire } from 'node:module';
import type { TaskParts } from '../../tasks/task.js';
import { toPlainError, type PlainError } from '../../util/errors.js';
import { Scorer, type ScoreReply, type ScoreRequest, type ScorerOptions } from './scorer.js';

/** A request of the pool to a worker thread. */
export type WorkerRequest =
  | {
      readonly kind: 'open';
      readonly options: ScorerOptions;
      /** Paths of CommonJS modules that register model families of others. */
      readonly families: readonly string[];
    }
  | { readonly kind: 'task'; readonly parts: TaskParts }
  | { readonly kind: 'score'; readonly request: ScoreRequest };

export type WorkerReply =
  | { readonly kind: 'done'; readonly reply?: ScoreReply }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** One scorer a thread: its weights and kept streams are the point of having the thread. */
let scorer: Scorer | undefined;

async function answer(message: WorkerRequest): Promise<ScoreReply | undefined> {
  if (message.kind === 'open') {
    for (const module of message.families) createRequire(__filename)(module);
    scorer = await Scorer.open(message.options);
    return undefined;
  }
  if (scorer === undefined) throw new Error('the worker was asked before it was opened');
  if (message.kind === 'score') return scorer.score(message.request);
  scorer.useTask(message.parts);
  return undefined;
}

/** Entry point of a worker thread, called for one request at a time. */
export default async function handle(message: WorkerRequest): Promise<WorkerReply> {
  try {
    const reply = await answer(message);
    return { kind: 'done', ...(reply && { reply }) };
  } catch (error) {
    return { kind: 'failed', error: toPlainError(error) };
  }
}
