import type { Pooling, SequenceModel } from '../../model/types.js';
import { DataError, ModelError } from '../../util/errors.js';
import { formatCounted } from '../../util/format.js';
import { sha256 } from '../../util/hash.js';
import { canonicalJson } from '../../util/json.js';
import { lengthBucketedBatches, requirePositiveInteger, type SequenceBatch } from '../batching.js';
import { scoreAll } from '../evaluate.js';
import { groupedTask } from '../groups.js';
import { confusionValue } from '../metrics/confusion.js';
import { plainSum, wilsonInterval } from '../metrics/intervals.js';
import type { Measurement } from '../metrics/metrics.js';
import { countBeyond, requireCount, requireFinite, requireKnownTokens } from '../require.js';
import { byItem } from '../scores.js';
import { titleOf, type BatchScores, type GroupedTask, type Task, type TaskParts } from '../task.js';
import { glueBenchmark, type GlueName } from './benchmarks.js';
import { encodePair, withTypes, type PairForm } from './pairs.js';
import type { LabelledPair } from './tsv.js';

export interface GlueOptions extends PairForm {
  readonly name: GlueName;
  readonly examples: readonly LabelledPair[];
  /** The origin of the sentences, for people and errors. */
  readonly source: string;
  readonly pooling: Pooling;
  readonly limit?: number | undefined;
  readonly batchTokens: number;
  readonly paddingId: number;
  /** Positions of every sentence, padding included; by default those of the longest one in a batch. */
  readonly length?: number | undefined;
}

/** {@link glueTask} as plain data. */
export interface GlueParts extends TaskParts {
  readonly task: GlueName;
  readonly pooling: Pooling;
  readonly labels: readonly number[];
  readonly sequences: readonly Int32Array[];
  /** Tokens of the first segment. */
  readonly first: readonly number[];
  /** Items that lost tokens. */
  readonly truncated: number;
  readonly batchTokens: number;
  readonly paddingId: number;
  readonly length: number | undefined;
  /** Items that are batched together, by index; all by default. */
  readonly groups?: readonly (readonly number[])[];
}

/** Raise when the definition changes. */
const DEFINITION = 1;

/**
 * A classification task of GLUE with the metric that the benchmark has for it: accuracy with Wilson's interval,
 * F1 or Matthews' correlation with a bootstrap interval. Of equal logits the smaller class wins.
 *
 * @throws {DataError} for no sentences, and as `encodePair`; {UsageError} for a limit or batch size that is none
 */
export function glueTask(options: GlueOptions): Task {
  const { name, source, pooling, limit, batchTokens, paddingId, length } = options;
  if (limit !== undefined) requirePositiveInteger(limit, 'limit on sentences');
  const chosen = options.examples.slice(0, limit);
  if (chosen.length === 0)
    throw new DataError({
      what: 'no sentences',
      where: source,
      got: '0',
      expected: 'at least one',
    });
  const encoded = chosen.map(({ sentences }, index) =>
    encodePair(sentences, options, `item ${index + 1} of ${source}`),
  );
  const labels = chosen.map(({ label }) => label);
  const data = sha256(
    canonicalJson(encoded.map(({ ids, first }, i) => [labels[i], first, Array.from(ids)])),
  );
  const fixed = length === undefined ? {} : { length, paddingId };
  return glueFromParts({
    task: name,
    id: sha256(canonicalJson({ task: name, definition: DEFINITION, data, pooling, ...fixed })),
    source,
    title: titleOf(source),
    pooling,
    labels,
    sequences: encoded.map(({ ids }) => ids),
    first: encoded.map(({ first }) => first),
    truncated: encoded.filter(({ truncated }) => truncated).length,
    batchTokens,
    paddingId,
    length,
  });
}

/** The task that was taken apart; its parts were checked when it was made. */
export function glueFromParts(parts: GlueParts): Task {
  const { id, source, title, pooling, sequences, truncated } = parts;
  const benchmark = glueBenchmark(parts.task);
  const { groups = [sequences.map((_, index) => index)] } = parts;
  const bucketed = groups.flatMap((group) => lengthBucketedBatches(sequences, parts, group));
  const batches = withTypes(bucketed, parts.first);
  const items = sequences.length;
  const itemTokens = sequences.map((ids) => ids.length);
  const tokens = plainSum(itemTokens);
  const task: Task = {
    name: parts.task,
    metric: benchmark.metric,
    ...{ source, title, id, pooling, items, tokens, batches, itemTokens, parts },
    sentenceTokens: tokens / items,
    settings: { pooling },
    describe: () => [
      ['task', `${parts.task}: ${benchmark.metric} over ${formatCounted(items, 'item')}`],
      ['data', source],
      ...(truncated > 0
        ? ([['cut short', `${formatCounted(truncated, 'item')}, to what the model holds`]] as const)
        : []),
    ],
    score: (model, index) => scoreBatch(model, batches[index], parts),
    measure: (scores, contextLength, seconds) => {
      const beyondContext = countBeyond(sequences, contextLength);
      const rest = {
        ...{ taskId: id, items, tokens, seconds },
        ...(beyondContext > 0 ? { beyondContext } : {}),
      };
      const values = byItem(scores, items);
      return measured(parts, values, rest);
    },
    scoredPositions: (_item, positions) => [0, positions],
    // Only sums over items are certain before the end; their order is not worth a second kind of batches.
    arrangedByRisk: () => task,
    ...((pooling !== 'all-positions' || parts.length !== undefined) && {
      inGroups: (wanted: readonly (readonly number[])[]): GroupedTask =>
        groupedTask(task, wanted, {
          arranged: (arranged) => glueFromParts({ ...parts, groups: arranged }),
          part: (chosen, partId) => glueFromParts(partOf(parts, chosen, partId)),
        }),
    }),
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireClasses(model, parts);
      requireKnownTokens(
        batches.map(({ inputs }) => inputs.ids),
        model,
        source,
      );
      const report = {
        phase: `${benchmark.title} ${benchmark.metric}`,
        unit: 'items',
        total: items,
        unitsOf: ({ indices }: SequenceBatch) => indices.length,
        note: () => '',
      };
      const scores = await scoreAll(task, model, report, options);
      return task.measure(scores, model.contextLength, (performance.now() - started) / 1000);
    },
  };
  return task;
}

function partOf(parts: GlueParts, items: readonly number[], id: string): GlueParts {
  const pick = <T>(values: readonly T[]): T[] => items.map((item) => values[item]);
  const [labels, sequences, first] = [pick(parts.labels), pick(parts.sequences), pick(parts.first)];
  return { ...parts, id, labels, sequences, first, groups: [items.map((_, index) => index)] };
}

type Rest = Pick<Measurement, 'taskId' | 'items' | 'tokens' | 'seconds' | 'beyondContext'>;

function measured({ task, labels }: GlueParts, values: readonly number[], rest: Rest): Measurement {
  const { metric } = glueBenchmark(task);
  if (metric !== 'accuracy') {
    const answers = { metric, predicted: values, labels };
    return { ...answers, ...confusionValue(answers), ...rest };
  }
  const right = plainSum(values);
  const { items } = rest;
  const correct = values.map((value): 0 | 1 => (value === 1 ? 1 : 0));
  const interval = wilsonInterval(right, items);
  return { metric, value: right / items, interval, ...rest, correct };
}

/** Right or wrong, by how much; of a metric that is no sum over items, the class that was given. */
async function scoreBatch(
  model: SequenceModel,
  { inputs, lengths, indices }: SequenceBatch,
  parts: GlueParts,
): Promise<BatchScores> {
  const classes = requireClasses(model, parts);
  const { labels, pooling, source, task } = parts;
  const logits = await model.classLogits(inputs, lengths, pooling);
  requireCount(logits, inputs.batch * classes, 'class logits');
  const values = new Float64Array(indices.length);
  const margins = new Float64Array(indices.length);
  indices.forEach((index, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    for (const score of scores)
      requireFinite(score, 'class logit', () => `item ${index + 1} of ${source}`);
    const given = scores.indexOf(Math.max(...scores));
    const others = scores.filter((_, one) => one !== labels[index]);
    values[row] =
      glueBenchmark(task).metric === 'accuracy' ? Number(given === labels[index]) : given;
    margins[row] = scores[labels[index]] - Math.max(...others);
  });
  return { indices, values, margins };
}

function requireClasses({ classes }: SequenceModel, { task, source }: GlueParts): number {
  const benchmark = glueBenchmark(task);
  if (classes === benchmark.classes.length) return classes;
  throw new ModelError({
    what: classes === 0 ? 'the model has no classifier' : 'wrong number of classes',
    where: `${benchmark.title} (${source})`,
    got: `${classes} classes`,
    expected: `a model fine-tuned for ${benchmark.classes.join(', ')}`,
  });
}
