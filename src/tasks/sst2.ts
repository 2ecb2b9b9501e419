import type { Pooling, SequenceModel } from '../model/types.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { DataError, ModelError } from '../util/errors.js';
import { formatCounted } from '../util/format.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { RunOptions } from '../util/progress.js';
import {
  DEFAULT_BATCH_TOKENS,
  lengthBucketedBatches,
  requirePositiveInteger,
  type SequenceBatch,
} from './batching.js';
import type { LabelledSentence } from './data/tsv.js';
import { scoreAll, type EvaluationReport } from './evaluate.js';
import type { AccuracyMeasurement } from './metrics/accuracy.js';
import { wilsonInterval } from './metrics/intervals.js';
import type { Measurement } from './metrics/metrics.js';
import { countBeyond, requireCount, requireFinite, requireKnownTokens } from './require.js';
import { byFalling, byItem, withTheRest } from './scores.js';
import { titleOf, type BatchScores, type Task, type TaskParts } from './task.js';

export interface Sst2Options {
  readonly examples: readonly LabelledSentence[];
  readonly tokenizer: Pick<Tokenizer, 'encode'>;
  /** Where the sentences came from, for people and errors. */
  readonly source: string;
  /** What titles call them; by default the file's name. */
  readonly title?: string;
  /**
   * What is averaged before the classifier. `real-tokens` (default) leaves padding out.
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

/** Negative and positive. */
const CLASSES = 2;

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
export function sst2Task({
  examples,
  tokenizer,
  source,
  title = titleOf(source),
  pooling = 'real-tokens',
  limit,
  batchTokens = DEFAULT_BATCH_TOKENS,
  paddingId,
  length,
  before = [],
  after = [],
}: Sst2Options): Sst2Task {
  if (limit !== undefined) requirePositiveInteger(limit, 'limit on sentences');
  const chosen = examples.slice(0, limit);
  if (chosen.length === 0) {
    throw new DataError({ what: 'no sentences', where: source, expected: 'at least one' });
  }
  const labels = chosen.map((example, index) => checkedLabel(example, index, source));
  const sequences = chosen.map((example, index) => {
    const ids = [...before, ...encode(example, index, source, tokenizer), ...after];
    return Int32Array.from(requireFitting(ids, length, index, source));
  });
  const data = sha256(canonicalJson(sequences.map((ids, i) => [labels[i], Array.from(ids)])));
  const settings = { task: 'sst2', definition: DEFINITION, data, pooling };
  const composition = paddingCounts({ pooling, length }) ? { batchTokens, paddingId } : {};
  const fixed = length === undefined ? {} : { length, paddingId };
  const id = sha256(canonicalJson({ ...settings, ...composition, ...fixed }));
  const groups = [labels.map((_, index) => index)];
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
    groups,
  });
}

/** Whether a sentence's class depends on the sentences it shares a batch with. */
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
  const { id, source, title, pooling, sequences } = parts;
  const { batchTokens, paddingId, length, groups } = parts;
  const batches = groups.flatMap((group) =>
    lengthBucketedBatches(sequences, { batchTokens, paddingId, length }, group),
  );
  const items = sequences.length;
  const tokens = sequences.reduce((total, ids) => total + ids.length, 0);
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
    itemTokens: sequences.map((ids) => ids.length),
    sentenceTokens: tokens / items,
    settings: { pooling },
    parts,
    describe: () => [
      ['task', `sst2: accuracy over ${formatCounted(items, 'sentence')}`],
      ['data', source],
    ],
    score: (model, index) => classify(model, batches[index], parts),
    measure: (scores, contextLength, seconds) => {
      const correct = byItem(scores, items).map((value): 0 | 1 => (value === 1 ? 1 : 0));
      const right = correct.reduce<number>((total, one) => total + one, 0);
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
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireClasses(model, source);
      const known = batches.map(({ inputs }) => inputs.ids);
      requireKnownTokens(known, model, source);
      const report: EvaluationReport = {
        phase: 'SST-2 accuracy',
        unit: 'sentences',
        total: items,
        unitsOf: ({ indices }) => indices.length,
        note: (right, done) => `accuracy ${(right / done).toFixed(3)}`,
      };
      const scores = await scoreAll(task, model, report, options);
      return task.measure(scores, model.contextLength, (performance.now() - started) / 1000);
    },
  };
  return task;
}

/** Shares of the sentences, those at most risk first, that are batched together. */
const RISK_SHARES = [0.3, 0.3] as const;

/** Sentences that the unquantized model gets wrong or barely right, in groups; the rest last. */
function groupsByRisk(
  baseline: Measurement,
  scores: readonly BatchScores[],
  items: number,
): number[][] {
  const risk = (baseline as AccuracyMeasurement).correct.map((right) => 1 - right);
  for (const { indices, margins } of scores)
    indices.forEach((index, row) => {
      if (margins) risk[index] = -margins[row];
    });
  const order = byFalling(risk);
  const groups: number[][] = [];
  let from = 0;
  for (const share of RISK_SHARES) {
    const to = from + Math.ceil(share * order.length);
    groups.push(order.slice(from, to));
    from = to;
  }
  return withTheRest(groups, items);
}

/** Right or wrong, and by how much, of each sentence of a batch. */
async function classify(
  model: SequenceModel,
  { inputs, lengths, indices }: SequenceBatch,
  { labels, pooling, source }: Sst2Parts,
): Promise<BatchScores> {
  requireClasses(model, source);
  const logits = await model.classLogits(inputs, lengths, pooling); // [batch * classes]
  requireCount(logits, inputs.batch * CLASSES, 'class logits');
  const values = new Float64Array(indices.length);
  const margins = new Float64Array(indices.length);
  indices.forEach((index, row) => {
    const scores = logits.subarray(row * CLASSES, (row + 1) * CLASSES);
    for (const score of scores) {
      requireFinite(score, 'class logit', () => `sentence ${index + 1} of ${source}`);
    }
    const label = labels[index];
    values[row] = argmax(scores) === label ? 1 : 0;
    margins[row] = scores[label] - scores[1 - label];
  });
  return { indices, values, margins };
}

/** The first of the largest values. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function checkedLabel({ label }: LabelledSentence, index: number, source: string): number {
  if (label === 0 || label === 1) return label;
  throw new DataError({
    what: 'wrong label',
    where: `sentence ${index + 1} of ${source}`,
    got: String(label),
    expected: '0 (negative) or 1 (positive)',
  });
}

function encode(
  { sentence }: LabelledSentence,
  index: number,
  source: string,
  tokenizer: Sst2Options['tokenizer'],
): Int32Array {
  const ids = sentence.trim() === '' ? new Int32Array() : tokenizer.encode(sentence);
  if (ids.length > 0) return ids;
  throw new DataError({
    what: 'empty sentence',
    where: `sentence ${index + 1} of ${source}`,
    got: JSON.stringify(sentence),
    expected: 'at least one token',
  });
}

function requireFitting(
  ids: readonly number[],
  length: number | undefined,
  index: number,
  source: string,
): readonly number[] {
  if (length === undefined || ids.length <= length) return ids;
  throw new DataError({
    what: 'sentence is too long for the model',
    where: `sentence ${index + 1} of ${source}`,
    got: `${ids.length} tokens`,
    expected: `at most ${length}`,
  });
}

function requireClasses(model: SequenceModel, source: string): void {
  if (model.classes === CLASSES) return;
  throw new ModelError({
    what: model.classes === 0 ? 'the model has no classifier' : 'wrong number of classes',
    where: `SST-2 (${source})`,
    got: `${model.classes} classes`,
    expected: `a model fine-tuned for ${CLASSES} classes`,
  });
}
