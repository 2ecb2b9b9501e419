import type { SequenceModel } from '../model/types.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { DataError, UsageError } from '../util/errors.js';
import { formatCount } from '../util/format.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';
import type { RunOptions } from '../util/progress.js';
import { DEFAULT_BATCH_TOKENS, requirePositiveInteger } from './batching.js';
import { requireText } from './data/text.js';
import { scoreAll, type EvaluationReport } from './evaluate.js';
import { groupedTask } from './groups.js';
import { perplexityInterval, perplexityOf, plainSum } from './metrics/intervals.js';
import type { PerplexityMeasurement } from './metrics/perplexity.js';
import { countBeyond, requireKnownTokens } from './require.js';
import { lossOfWindows, scoreWindows, windowBatches } from './score-windows.js';
import { byFalling, byItem } from './scores.js';
import { titleOf, type BatchScores, type Task, type TaskParts } from './task.js';
import { cutWindows, type Window, type WindowOptions } from './windows.js';

export interface Wikitext2Options extends Partial<WindowOptions> {
  /** In WikiText's style, as the model was trained on: words and punctuation between spaces. */
  readonly text: string;
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'byteLengthOf'>;
  /** The origin of the text, for people and errors. */
  readonly source: string;
  /** Its name in titles; by default the file's name. */
  readonly title?: string;
  /** Predict this many tokens at most, from the start of the text; whole windows of them count. */
  readonly limitTokens?: number;
  /** Tokens a batch: changes speed and memory, not results. */
  readonly batchTokens?: number;
}

/** {@link Task} of {@link wikitext2Task}. `items` are windows, `tokens` the tokens predicted. */
export interface Wikitext2Task extends Task, WindowOptions {
  readonly metric: 'perplexity';
  readonly context: number;
  /** Tokens at the end of the (limited) text that no window predicts; 0 with tail `keep`. */
  readonly tokensLeftOut: number;
  /** UTF-8 bytes that the predicted tokens stand for. */
  readonly bytes: number;
  evaluate(model: SequenceModel, options?: RunOptions): Promise<PerplexityMeasurement>;
  measure(
    scores: readonly BatchScores[],
    contextLength: number,
    seconds: number,
  ): PerplexityMeasurement;
}

/** Raise when the definition changes, so that stored measurements of the old one are not taken for it. */
const DEFINITION = 1;

/** One prediction has no variance, and without one there is no interval. */
const FEWEST_PREDICTIONS = 2;

/**
 * Perplexity of a language model on a text, WikiText-2's by name. The text is tokenized as one stream
 * and cut into windows of `context` inputs (`cutWindows`; default 256, not overlapping, a rest
 * that fills no window dropped). Each window starts from a cleared state, and each of its scored inputs
 * predicts the token after it. With N predictions in all:
 *
 * - perplexity = exp(Σ NLL / N), NLL in nats, a token;
 * - bits per byte = Σ NLL / ln 2 / UTF-8 bytes that the N predicted tokens stand for.
 *
 * The first token of the text is never predicted. Sums are in float64 and in the order of the text, so
 * the size of the batches does not show in them. The 95 % interval takes windows as the sampling unit
 * (`perplexityInterval`); with a single window, tokens, which makes it too narrow. A context
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
  title = titleOf(source),
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
    const expected = `at least ${FEWEST_PREDICTIONS + 1}: the first is not predicted`;
    const got = `${stream.length} tokens`;
    throw new DataError({ what: 'text is too short', where: source, got, expected });
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
    title,
    scored,
    windows,
    batchTokens,
    options: { context, stride, tail },
    tokensLeftOut: predictions - tokens,
    bytes,
  });
}

/** {@link wikitext2Task} as plain data. */
export interface Wikitext2Parts extends TaskParts {
  readonly task: 'wikitext2';
  /** The tokens predicted and the one before them. */
  readonly scored: Int32Array;
  readonly windows: readonly Window[];
  readonly batchTokens: number;
  readonly options: WindowOptions;
  readonly tokensLeftOut: number;
  readonly bytes: number;
  /** Windows that are batched together, in their order; all in the order of the text by default. */
  readonly groups?: readonly (readonly number[])[];
}

/** The task that was taken apart; its parts were checked when it was made. */
export function wikitext2FromParts(parts: Wikitext2Parts): Wikitext2Task {
  const { id, source, title, scored, windows, batchTokens, bytes, tokensLeftOut } = parts;
  const { context, stride, tail } = parts.options;
  const { groups = [windows.map((_, index) => index)] } = parts;
  const batches = groups.flatMap((group) => windowBatches(scored, windows, batchTokens, group));
  const windowTokens = windows.map(({ scoredFrom, end }) => end - scoredFrom);
  const tokens = plainSum(windowTokens);
  const task: Wikitext2Task = {
    name: 'wikitext2',
    metric: 'perplexity',
    source,
    title,
    id,
    ...parts.options,
    items: windows.length,
    tokens,
    tokensLeftOut,
    bytes,
    batches,
    itemTokens: windowTokens,
    sentenceTokens: 1,
    settings: { context, stride, tail, tokensLeftOut, bytes },
    parts,
    describe: () => {
      const cut = stride === context ? 'not overlapping' : `stride ${formatCount(stride)}`;
      return [
        ['task', 'wikitext2: token perplexity'],
        ['data', source],
        ['windows', `${formatCount(windows.length)} of ${formatCount(context)} tokens, ${cut}`],
      ];
    },
    score: (model, index) => scoreWindows(model, batches[index], windows, source),
    lossOf: (index) => lossOfWindows(batches[index], windows),
    measure: (scores, contextLength, seconds) => {
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
    },
    // The part of a window that no other window scores.
    scoredPositions: (item) => {
      const { start, scoredFrom, end } = windows[item];
      return [scoredFrom - start, end - start];
    },
    arrangedByRisk: (baseline) => {
      const { windowNll } = baseline as PerplexityMeasurement;
      const risk = windowNll.map((nll, window) => nll / windowTokens[window]);
      return wikitext2FromParts({ ...parts, groups: [byFalling(risk)] });
    },
    inGroups: (wanted) =>
      groupedTask(task, wanted, {
        arranged: (arranged) => wikitext2FromParts({ ...parts, groups: arranged }),
        part: (chosen, partId) => wikitext2FromParts(partOf(parts, chosen, partId)),
      }),
    evaluate: async (model, options = {}) => {
      const started = performance.now();
      requireKnownTokens([scored], model, source);
      const report: EvaluationReport = {
        phase: 'WikiText-2 perplexity',
        unit: 'tokens',
        total: tokens,
        unitsOf: ({ indices }) => indices.reduce((total, index) => total + windowTokens[index], 0),
        note: (sum, _windows, done) => `perplexity ${perplexityOf(sum / done).toPrecision(4)}`,
      };
      const scores = await scoreAll(task, model, report, options);
      return task.measure(scores, model.contextLength, (performance.now() - started) / 1000);
    },
  };
  return task;
}

/** Some windows; of the bytes of the text as much as of its tokens. */
function partOf(parts: Wikitext2Parts, items: readonly number[], id: string): Wikitext2Parts {
  const windows = items.map((item) => parts.windows[item]);
  const tokensOf = (some: readonly Window[]): number =>
    some.reduce((sum, { scoredFrom, end }) => sum + end - scoredFrom, 0);
  const bytes = (parts.bytes * tokensOf(windows)) / tokensOf(parts.windows);
  return { ...parts, id, windows, bytes, groups: [items.map((_, index) => index)] };
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
  const what = 'the stride would leave tokens between windows unscored';
  const expected = `at most the context, ${context}`;
  throw new UsageError({ what, where: 'stride', got: String(stride), expected });
}
