import type { Pooling, SequenceModel } from '../model/types.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { DataError } from '../util/errors.js';
import { formatCounted } from '../util/format.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { RunOptions } from '../util/progress.js';
import { DEFAULT_BATCH_TOKENS, lengthBucketedBatches, requirePositiveInteger } from './batching.js';
import type { LabelledSentence } from './data/tsv.js';
import { scoreAll, type EvaluationReport } from './evaluate.js';
import { groupedTask } from './groups.js';
import type { AccuracyMeasurement } from './metrics/accuracy.js';
import { plainSum, wilsonInterval } from './metrics/intervals.js';
import { countBeyond, requireKnownTokens } from './require.js';
import { groupsByRisk, requireClasses, scoreSentences } from './score-sentences.js';
import { byItem } from './scores.js';
import { titleOf, type BatchScores, type Task, type TaskParts } from './task.js';

export interface Sst2Options {
  readonly examples: readonly LabelledSentence[];
  readonly tokenizer: Pick<Tokenizer, 'encode'>;
  /** The origin of the sentences, for people and errors. */
  readonly source: string;
  /** Their name in titles; by default the file's name. */
  readonly title?: string;
  /**
   * The positions averaged before the classifier. `real-tokens` (default) leaves padding out.
   * `all-positions` is what the paper's prototype does: padding is averaged in, so that a sentence's
   * class depends on the longest sentence it shares a batch with, and the accuracy on `batchTokens`.
   */
  readonly pooling?: Pooling;
  /** Only the first sentences, this many at most. */
  readonly limit?: number;
  /** Tokens a batch, padding included. With `real-tokens` it changes speed and memory, not results. */
  readonly batchTokens?: number;
  /** The token that fills up shorter sentences; the models bundled here have `<|padding|>`, 1. */
  readonly paddingId: number;
  /** Positions of every sentence, padding included; by default those of the longest one in a batch. */
  readonly length?: number | undefined;
  /** The most positions that the model has; by default any number. */
  readonly positions?: number | undefined;
  /** Tokens that a sentence begins and ends with. */
  readonly before?: readonly number[];
  readonly after?: readonly number[];
}

/** {@link Task} of {@link sst2Task}. */
export interface Sst2Task extends Task {
  readonly metric: 'accuracy';
  readonly pooling: Pooling;
  evaluate(model: SequenceModel, options?: RunOptions): Promise<AccuracyMeasurement>;
  measure(
    scores: readonly BatchScores[],
    contextLength: number,
    seconds: number,
  ): AccuracyMeasurement;
}

/** Raise when the definition changes, so that stored measurements of the old one are not taken for it. */
const DEFINITION = 1;

/**
 * Binary sentence classification, as GLUE's SST-2: a sentence is tokenized without special tokens, the
 * final hidden states are averaged (see `pooling`), and the class with the larger logit is compared with
 * the label; of equal logits the smaller class wins, as in torch.argmax. Accuracy is right ÷ all, with
 * Wilson's 95 % interval.
 *
 * A sentence longer than the model's context is computed in full, nothing is cut off; the measurement
 * counts such sentences in `beyondContext`.
 *
 * @throws {DataError} for no sentences, a label other than 0 and 1, a sentence that has no tokens.
 * @throws {UsageError} for a limit or batch size that is not a positive integer.
 * `evaluate` throws {ModelError} for a model without two classes, tokens outside its vocabulary, and
 * logits that are not finite; {AbortedError} between batches.
 */
export function sst2Task(options: Sst2Options): Sst2Task {
  const { examples, source, title = titleOf(source), limit, paddingId, length } = options;
  const { pooling = 'real-tokens', batchTokens = DEFAULT_BATCH_TOKENS } = options;
  if (limit !== undefined) requirePositiveInteger(limit, 'limit on sentences');
  const chosen = examples.slice(0, limit);
  if (chosen.length === 0)
    throw new DataError({ what: 'no sentences', where: source, expected: 'at least one' });
  const where = (index: number): string => `sentence ${index + 1} of ${source}`;
  const labels = chosen.map(({ label }, index) => checkedLabel(label, where(index)));
  const sequences = chosen.map(({ sentence }, index) => encoded(sentence, where(index), options));
  const data = sha256(canonicalJson(sequences.map((ids, i) => [labels[i], Array.from(ids)])));
  const settings = { task: 'sst2', definition: DEFINITION, data, pooling };
  const composition = paddingCounts({ pooling, length }) ? { batchTokens, paddingId } : {};
  const fixed = length === undefined ? {} : { length, paddingId };
  const id = sha256(canonicalJson({ ...settings, ...composition, ...fixed }));
  return sst2FromParts({
    task: 'sst2',
    id,
    source,
    title,
    pooling,
    labels,
    sequences,
    batchTokens,
    paddingId,
    length,
    groups: [labels.map((_, index) => index)],
  });
}

/** True where a sentence's class depends on the sentences it shares a batch with. */
function paddingCounts({ pooling, length }: Pick<Sst2Parts, 'pooling' | 'length'>): boolean {
  return pooling === 'all-positions' && length === undefined;
}

/** {@link sst2Task} as plain data. */
export interface Sst2Parts extends TaskParts {
  readonly task: 'sst2';
  readonly pooling: Pooling;
  readonly labels: readonly number[];
  readonly sequences: readonly Int32Array[];
  readonly batchTokens: number;
  readonly paddingId: number;
  readonly length: number | undefined;
  /** Sentences that are batched together, by index; batches follow the order of the groups. */
  readonly groups: readonly (readonly number[])[];
}

/** The task that was taken apart; its parts were checked when it was made. */
export function sst2FromParts(parts: Sst2Parts): Sst2Task {
  const { id, source, title, pooling, labels, sequences, groups } = parts;
  const batches = groups.flatMap((group) => lengthBucketedBatches(sequences, parts, group));
  const items = sequences.length;
  const itemTokens = sequences.map((ids) => ids.length);
  const tokens = plainSum(itemTokens);
  const task: Sst2Task = {
    name: 'sst2',
    metric: 'accuracy',
    source,
    title,
    id,
    pooling,
    items,
    tokens,
    batches,
    itemTokens,
    sentenceTokens: tokens / items,
    settings: { pooling },
    parts,
    describe: () => [
      ['task', `sst2: accuracy over ${formatCounted(items, 'sentence')}`],
      ['data', source],
    ],
    score: (model, index) => scoreSentences(model, batches[index], parts),
    lossOf: (index) => ({
      kind: 'classes',
      labels: batches[index].indices.map((item) => labels[item]),
      lengths: batches[index].lengths,
      pooling,
      weights: new Float32Array(batches[index].indices.length).fill(1),
    }),
    measure: (scores, contextLength, seconds) => {
      const correct = byItem(scores, items).map((value): 0 | 1 => (value === 1 ? 1 : 0));
      const right = plainSum(correct);
      const beyondContext = countBeyond(sequences, contextLength);
      return {
        metric: 'accuracy',
        taskId: id,
        value: right / items,
        interval: wilsonInterval(right, items),
        items,
        tokens,
        seconds,
        ...(beyondContext > 0 ? { beyondContext } : {}),
        correct,
      };
    },
    scoredPositions: (_item, positions) => [0, positions],
    arrangedByRisk: (baseline, scores) =>
      paddingCounts(parts)
        ? task
        : sst2FromParts({ ...parts, groups: groupsByRisk(baseline, scores, items) }),
    ...(!paddingCounts(parts) && {
      inGroups: (groups) =>
        groupedTask(task, groups, {
          arranged: (arranged) => sst2FromParts({ ...parts, groups: arranged }),
          part: (chosen, partId) => sst2FromParts(partOf(parts, chosen, partId)),
        }),
    }),
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireClasses(model, source);
      const known = batches.map(({ inputs }) => inputs.ids);
      requireKnownTokens(known, model, source);
      const report: EvaluationReport = {
        phase: 'SST-2 accuracy',
        // Batches go by length: sentences would make the last tenth seem to last the longest.
        unit: 'tokens',
        total: tokens,
        unitsOf: ({ indices }) => plainSum(Array.from(indices, (index) => itemTokens[index])),
        note: (right, done) => `accuracy ${(right / done).toFixed(3)}`,
      };
      const scores = await scoreAll(task, model, report, options);
      return task.measure(scores, model.contextLength, (performance.now() - started) / 1000);
    },
  };
  return task;
}

function partOf(parts: Sst2Parts, items: readonly number[], id: string): Sst2Parts {
  return {
    ...parts,
    id,
    labels: items.map((item) => parts.labels[item]),
    sequences: items.map((item) => parts.sequences[item]),
    groups: [items.map((_, index) => index)],
  };
}

function checkedLabel(label: number, where: string): number {
  if (label === 0 || label === 1) return label;
  const expected = '0 (negative) or 1 (positive)';
  throw new DataError({ what: 'wrong label', where, got: String(label), expected });
}

/** Tokens of a sentence, special ones included. */
function encoded(
  sentence: string,
  where: string,
  { tokenizer, length, positions = length, before = [], after = [] }: Sst2Options,
): Int32Array {
  const own = sentence.trim() === '' ? [] : tokenizer.encode(sentence);
  if (own.length === 0) {
    const got = JSON.stringify(sentence);
    throw new DataError({ what: 'empty sentence', where, got, expected: 'at least one token' });
  }
  const ids = [...before, ...own, ...after];
  if (positions === undefined || ids.length <= positions) return Int32Array.from(ids);
  throw new DataError({
    what: 'sentence is too long for the model',
    where,
    got: `${ids.length} tokens`,
    expected: `at most ${positions}`,
  });
}
