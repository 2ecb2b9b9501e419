import type { SequenceModel } from '../model/types.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { DataError, UsageError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { RunOptions } from '../util/progress.js';
import { DEFAULT_BATCH_TOKENS, requirePositiveInteger, type SequenceBatch } from './batching.js';
import { perplexityInterval, perplexityOf, plainSum } from './statistics/intervals.js';
import { countBeyond, requireKnownTokens, runBatches } from './run-batches.js';
import { scoreWindows, windowBatches } from './score-windows.js';
import { byItem, withTheRest } from './scores.js';
import type { BatchScores, PerplexityMeasurement, Task } from './task.js';
import { requireText } from './data/text.js';
import { cutWindows, type Window, type WindowOptions } from './windows.js';

export interface Wikitext2Options extends Partial<WindowOptions> {
  /** In WikiText's style, as the model was trained on: words and punctuation between spaces. */
  readonly text: string;
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'byteLengthOf'>;
  /** Where the text came from, for people and errors. */
  readonly source: string;
  /** Predict this many tokens at most, from the start of the text; whole windows of them count. */
  readonly limitTokens?: number;
  /** Tokens a batch: changes speed and memory, not results. */
  readonly batchTokens?: number;
}

/** {@link Task} of {@link wikitext2Task}. `items` are windows, `tokens` the tokens predicted. */
export interface Wikitext2Task extends Task, WindowOptions {
  readonly metric: 'perplexity';
  /** Tokens at the end of the (limited) text that no window predicts; 0 with tail `keep`. */
  readonly tokensLeftOut: number;
  /** UTF-8 bytes that the predicted tokens stand for. */
  readonly bytes: number;
  evaluate(model: SequenceModel, options?: RunOptions): Promise<PerplexityMeasurement>;
}

/** Raise when the definition changes, so that stored measurements of the old one are not taken for it. */
const DEFINITION = 1;

/** One prediction has no variance, and without one there is no interval. */
const FEWEST_PREDICTIONS = 2;

/**
 * Perplexity of a language model on a text, WikiText-2's by name. The text is tokenized as one stream
 * and cut into windows of `context` inputs ({@link cutWindows}; default 256, not overlapping, a rest
 * that fills no window dropped). Each window starts from a cleared state, and each of its scored inputs
 * predicts the token after it. With N predictions in all:
 *
 * - perplexity = exp(Σ NLL / N), NLL in nats, a token;
 * - bits per byte = Σ NLL / ln 2 / UTF-8 bytes that the N predicted tokens stand for.
 *
 * The first token of the text is never predicted. Sums are in float64 and in the order of the text, so
 * the size of the batches does not show in them. The 95 % interval takes windows as the sampling unit
 * ({@link perplexityInterval}); with a single window, tokens, which makes it too narrow. A context
 * longer than the model's is computed in full and reported as `beyondContext`.
 *
 * @throws {DataError} for a text without at least two tokens to predict.
 * @throws {UsageError} for a context, stride, limit or batch size that makes no sense.
 * `evaluate` throws {ModelError} for tokens outside the model's vocabulary and for an NLL that is not
 * finite; {AbortedError} between batches.
 */
export function wikitext2Task({
  text,
  tokenizer,
  source,
  context = 256,
  stride = context,
  tail = 'drop',
  limitTokens,
  batchTokens = DEFAULT_BATCH_TOKENS,
}: Wikitext2Options): Wikitext2Task {
  requireWindowSettings(context, stride, limitTokens);
  requireText(text, source);
  const ids = tokenizer.encode(text);
  const stream = limitTokens === undefined ? ids : ids.subarray(0, limitTokens + 1);
  const predictions = stream.length - 1;
  if (predictions < FEWEST_PREDICTIONS) {
    throw new DataError({
      what: 'text is too short',
      where: source,
      got: `${stream.length} tokens`,
      expected: `at least ${FEWEST_PREDICTIONS + 1}: the first is not predicted`,
    });
  }
  const windows = cutWindows(predictions, { context, stride, tail });
  const tokens = windows.at(-1)!.end;
  const scored = stream.slice(0, tokens + 1);
  const bytes = scored.slice(1).reduce((total, id) => total + tokenizer.byteLengthOf(id), 0);
  const data = sha256(new Uint8Array(scored.buffer));
  const settings = { task: 'wikitext2', definition: DEFINITION, data, bytes, context, stride };
  return wikitext2FromParts({
    task: 'wikitext2',
    id: sha256(canonicalJson(settings)),
    source,
    scored,
    windows,
    batchTokens,
    options: { context, stride, tail },
    tokensLeftOut: predictions - tokens,
    bytes,
  });
}

/** {@link wikitext2Task} as plain data. */
export interface Wikitext2Parts {
  readonly task: 'wikitext2';
  readonly id: string;
  readonly source: string;
  /** The tokens predicted and the one before them. */
  readonly scored: Int32Array;
  readonly windows: readonly Window[];
  readonly batchTokens: number;
  readonly options: WindowOptions;
  readonly tokensLeftOut: number;
  readonly bytes: number;
  /** Windows in the order they are batched; the order of the text by default. */
  readonly order?: readonly number[];
}

/** The task that was taken apart; its parts were checked when it was made. */
export function wikitext2FromParts(parts: Wikitext2Parts): Wikitext2Task {
  const { id, source, scored, windows, batchTokens, bytes, order } = parts;
  const tokens = scored.length - 1;
  const batches = windowBatches(scored, windows, batchTokens, order);
  const windowTokens = windows.map(({ scoredFrom, end }) => end - scoredFrom);
  const score = (model: SequenceModel, index: number): Promise<BatchScores> =>
    scoreWindows(model, batches[index], windows, source);
  const measure = (
    scores: readonly BatchScores[],
    contextLength: number,
    seconds: number,
  ): PerplexityMeasurement => {
    const windowNll = byItem(scores, windows.length);
    const totalNll = plainSum(windowNll);
    const tokenNll = scores.find((one) => one.tokenNll)?.tokenNll;
    const lengths = windows.map(({ start, end }) => ({ length: end - start }));
    const beyondContext = countBeyond(lengths, contextLength);
    return {
      metric: 'perplexity',
      taskId: id,
      value: perplexityOf(totalNll / tokens),
      interval: tokenNll
        ? perplexityInterval(Array.from(tokenNll), new Array<number>(tokens).fill(1))
        : perplexityInterval(windowNll, windowTokens),
      items: windows.length,
      tokens,
      seconds,
      ...(beyondContext > 0 ? { beyondContext } : {}),
      windowNll,
      windowTokens,
      meanNll: totalNll / tokens,
      bitsPerByte: totalNll / Math.LN2 / bytes,
    };
  };
  return {
    name: 'wikitext2',
    metric: 'perplexity',
    source,
    id,
    ...parts.options,
    items: windows.length,
    tokens,
    tokensLeftOut: parts.tokensLeftOut,
    bytes,
    batches,
    itemTokens: windowTokens,
    score,
    measure,
    parts,
    arranged: (groups) =>
      wikitext2FromParts({ ...parts, order: withTheRest(groups, windows.length).flat() }),
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireKnownTokens([scored], model, source);
      const scores: BatchScores[] = [];
      let [sum, done] = [0, 0];
      const tokensOf = ({ indices }: SequenceBatch): number =>
        indices.reduce((total, index) => total + windowTokens[index], 0);
      await runBatches(
        batches,
        async (batch, index) => {
          const result = await score(model, index);
          scores.push(result);
          sum += result.values.reduce((total, one) => total + one, 0);
          done += tokensOf(batch);
        },
        {
          phase: 'WikiText-2 perplexity',
          unit: 'tokens',
          total: tokens,
          unitsOf: tokensOf,
          note: () => `perplexity ${perplexityOf(sum / done).toPrecision(4)}`,
        },
        options,
      );
      return measure(scores, model.contextLength, (performance.now() - started) / 1000);
    },
  };
}

function requireWindowSettings(
  context: number,
  stride: number,
  limitTokens: number | undefined,
): void {
  requirePositiveInteger(context, 'context');
  requirePositiveInteger(stride, 'stride');
  if (limitTokens !== undefined) requirePositiveInteger(limitTokens, 'limit on tokens');
  if (stride <= context) return;
  throw new UsageError({
    what: 'the stride would leave tokens between windows unscored',
    where: 'stride',
    got: String(stride),
    expected: `at most the context, ${context}`,
  });
}
