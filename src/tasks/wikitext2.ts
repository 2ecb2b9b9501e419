import type { SequenceModel } from '../model/types.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { DataError, UsageError } from '../util/errors.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { RunOptions } from '../util/progress.js';
import { DEFAULT_BATCH_TOKENS, requirePositiveInteger } from './batching.js';
import { perplexityInterval, perplexityOf, plainSum } from './intervals.js';
import { countBeyond, requireKnownTokens } from './run-batches.js';
import { scoreTokens, sumWindows, windowBatches } from './score-windows.js';
import type { PerplexityMeasurement, Task } from './task.js';
import { requireText } from './text.js';
import { cutWindows, type WindowOptions } from './windows.js';

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
 * longer than the model's is computed in full and reported as `beyondContext`. The batches are made
 * once, here: each evaluation hands the model the same {@link TokenBatch} objects in the same order.
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
  const batches = windowBatches(scored, windows, batchTokens);
  const bytes = scored.slice(1).reduce((total, id) => total + tokenizer.byteLengthOf(id), 0);
  const data = sha256(new Uint8Array(scored.buffer));
  const task = {
    name: 'wikitext2',
    metric: 'perplexity',
    source,
    id: sha256(
      canonicalJson({
        task: 'wikitext2',
        definition: DEFINITION,
        data,
        bytes,
        context,
        stride,
      }),
    ),
    context,
    stride,
    tail,
    items: windows.length,
    tokens,
    tokensLeftOut: predictions - tokens,
    bytes,
  } as const;
  return {
    ...task,
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireKnownTokens([scored], model, source);
      const nll = await scoreTokens({ model, batches, windows, tokens, source }, options);
      const { windowNll, windowTokens } = sumWindows(nll, windows);
      const totalNll = plainSum(windowNll);
      const beyondContext = countBeyond(
        windows.map(({ start, end }) => ({ length: end - start })),
        model.contextLength,
      );
      return {
        metric: 'perplexity',
        taskId: task.id,
        value: perplexityOf(totalNll / tokens),
        interval:
          windows.length > 1
            ? perplexityInterval(windowNll, windowTokens)
            : perplexityInterval(Array.from(nll), new Array<number>(tokens).fill(1)),
        items: windows.length,
        tokens,
        seconds: (performance.now() - started) / 1000,
        ...(beyondContext > 0 ? { beyondContext } : {}),
        windowNll,
        windowTokens,
        meanNll: totalNll / tokens,
        bitsPerByte: totalNll / Math.LN2 / bytes,
      };
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
