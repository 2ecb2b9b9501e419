import * as v from 'valibot';
import { GLUE_NAMES } from '../../tasks/glue/benchmarks.js';
import { taskFromParts } from '../../tasks/kinds.js';
import type { Task } from '../../tasks/task.js';
import { QueueError } from '../../util/errors.js';
import { canonicalJson } from '../../util/json.js';
import { count, int32, name, parsed, toBase64 } from './codec.js';

/** Longest text of a task: WikiText-2's test split takes 1.5 MB. */
export const MOST_TASK_CHARACTERS = 64e6;

const positive = v.pipe(count, v.minValue(1), v.maxValue(2 ** 24));
const groups = v.array(v.array(count));
const common = { id: name, source: name, title: name };
const pooling = v.picklist(['real-tokens', 'all-positions', 'first-token']);
const sentences = {
  ...common,
  pooling,
  labels: v.array(v.pipe(count, v.maxValue(1000))),
  sequences: v.array(int32),
  batchTokens: positive,
  paddingId: v.pipe(count, v.maxValue(2 ** 31 - 1)),
  length: v.exactOptional(positive),
};

/** The parts of every kind of task; what they refer to has to be there. */
const taskJson = v.variant('task', [
  v.pipe(
    v.strictObject({ task: v.literal('sst2'), ...sentences, groups }),
    v.check(({ labels, sequences }) => labels.length === sequences.length, 'a label a sentence'),
    v.check(({ sequences }) => sequences.every(({ length }) => length > 0), 'tokens in each'),
    v.check((parts) => fit(parts), 'sentences of at most `length` tokens'),
    v.check((parts) => areWithin(parts.groups, parts.labels.length), 'groups of its items'),
  ),
  v.pipe(
    v.strictObject({
      task: v.literal('wikitext2'),
      ...common,
      scored: int32,
      windows: v.array(v.strictObject({ start: count, end: count, scoredFrom: count })),
      batchTokens: positive,
      options: v.strictObject({
        context: positive,
        stride: positive,
        tail: v.picklist(['drop', 'keep']),
      }),
      tokensLeftOut: count,
      bytes: v.pipe(v.number(), v.finite()),
      groups: v.exactOptional(groups),
    }),
    v.check(({ windows, scored }) => {
      const inputs = scored.length - 1;
      return windows.every(
        ({ start, scoredFrom, end }) => start <= scoredFrom && scoredFrom < end && end <= inputs,
      );
    }, 'windows of its text'),
    v.check((parts) => areWithin(parts.groups, parts.windows.length), 'groups of its windows'),
  ),
  v.pipe(
    v.strictObject({
      task: v.picklist(GLUE_NAMES),
      ...sentences,
      first: v.array(count),
      truncated: count,
      groups: v.exactOptional(groups),
    }),
    v.check(
      ({ labels, sequences, first }) =>
        labels.length === sequences.length && first.length === labels.length,
      'a label an item',
    ),
    v.check(({ sequences }) => sequences.every(({ length }) => length > 0), 'tokens in each'),
    v.check((parts) => fit(parts), 'items of at most `length` tokens'),
    v.check((parts) => areWithin(parts.groups, parts.labels.length), 'groups of its items'),
  ),
]);

interface Sized {
  readonly sequences: readonly Int32Array[];
  readonly length?: number | undefined;
}

function fit({ sequences, length }: Sized): boolean {
  return length === undefined || sequences.every((ids) => ids.length <= length);
}

/** Each item once at most. */
function areWithin(some: readonly (readonly number[])[] | undefined, items: number): boolean {
  const seen = new Set<number>();
  for (const item of (some ?? []).flat()) {
    if (item >= items || seen.has(item)) return false;
    seen.add(item);
  }
  return true;
}

/**
 * A task as text, the same for equal tasks.
 *
 * @throws {QueueError} for a kind of task that cannot be sent.
 */
export function taskToText(task: Task): string {
  const text = canonicalJson(encoded(task.parts));
  taskFromText(text);
  return text;
}

function encoded(value: unknown): unknown {
  if (value instanceof Int32Array) return toBase64(value);
  if (Array.isArray(value)) return value.map(encoded);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, encoded(member)]));
}

/** The task of {@link taskToText}. @throws {QueueError} for any other text. */
export function taskFromText(text: string): Task {
  const parts = parsed(taskJson, text, 'task', MOST_TASK_CHARACTERS);
  return taskFromParts(parts);
}

/** @throws {QueueError} for tokens that a model has no row for: its kernels read by them. */
export function requireTokens({ batches }: Task, vocabSize: number): void {
  for (const { inputs } of batches)
    for (const token of inputs.ids)
      if (token < 0 || token >= vocabSize)
        throw new QueueError({
          what: 'a token that the model does not have',
          where: 'task',
          got: String(token),
          expected: `0 to ${vocabSize - 1}`,
        });
}
