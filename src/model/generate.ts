import { slice, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import { ModelError, UsageError, throwIfAborted } from '../util/errors.js';
import { yieldToEvents } from '../util/progress.js';
import { seededRandom } from '../util/random.js';
import type { RecurrentForm } from './family.js';
import type { LoadedModel } from './loaded-model.js';

/** Settings of {@link generate}. */
export interface GenerateOptions {
  /** Tokens to generate at most. */
  readonly length: number;
  /** 0 takes the likeliest token each time; above, logits are divided by it. */
  readonly temperature?: number;
  /** Samples from the smallest set of tokens whose probability reaches this, in (0, 1]. */
  readonly topP?: number;
  readonly seed?: number;
  /** Ends the text when it is drawn; it is not emitted. */
  readonly stopToken?: number;
  /** Never drawn: padding and the like. */
  readonly forbidden?: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Continues a prompt token by token with the recurrent form; memory and time a token do not grow with
 * the length. The same seed, prompt and weights give the same tokens.
 *
 * @param prompt token ids, at least one
 * @throws {UsageError} for options out of range, {ModelError} for an empty prompt, a token outside the
 *   vocabulary, or a model that cannot go on from a state
 */
export async function* generate(
  model: LoadedModel,
  prompt: Int32Array,
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  const { length, temperature = 1, topP = 1, seed = 0, signal } = options;
  checkOptions(length, temperature, topP);
  if (prompt.length === 0)
    throw new ModelError({
      what: 'empty prompt',
      where: 'generate',
      expected: 'one token or more',
    });
  const random = seededRandom(seed);
  const form = recurrentForm(model);
  let state = form.start(1);
  try {
    let pending = prompt;
    for (let count = 0; count < length; count++) {
      throwIfAborted(signal, 'generation');
      const tokens = { ids: pending, batch: 1, time: pending.length };
      model.checkTokens(tokens);
      const result = form.step(tokens, state);
      form.dispose(state);
      state = result.state;
      const logits = await lastLogits(model, result.stream);
      for (const token of options.forbidden ?? []) logits[token] = -Infinity;
      const token =
        temperature === 0 ? argmax(logits) : sample(logits, temperature, topP, random.float());
      if (token === options.stopToken) return;
      yield token;
      pending = Int32Array.of(token);
      await yieldToEvents();
    }
  } finally {
    form.dispose(state);
  }
}

function checkOptions(length: number, temperature: number, topP: number): void {
  const refuse = (what: string, got: number, expected: string): never => {
    throw new UsageError({ what, where: 'generate', got: String(got), expected });
  };
  if (!Number.isInteger(length) || length < 0) refuse('length', length, 'an integer from 0');
  if (!(temperature >= 0 && temperature < Infinity)) refuse('temperature', temperature, 'from 0');
  if (!(topP > 0 && topP <= 1)) refuse('top-p', topP, 'above 0, at most 1');
}

function recurrentForm({ network, description }: LoadedModel): RecurrentForm {
  if (network.recurrent !== undefined) return network.recurrent;
  throw new ModelError({
    what: 'the model cannot generate',
    where: description.family.title,
    expected: 'a model that goes on from a state, token by token',
  });
}

/** Logits after the last token, [V], of the stream [1, T, …], which is disposed. */
async function lastLogits(model: LoadedModel, stream: Tensor): Promise<Float32Array> {
  const logitsOf = model.finisher('tokenLogits', 'language-model head');
  const [, time, ...rest] = stream.shape;
  const last = tidy(() =>
    logitsOf(slice(stream, [0, time - 1, ...rest.map(() => 0)], [1, 1, ...rest])),
  );
  stream.dispose();
  return (await readFloat32(last)).slice();
}

/** The first of the largest values. */
function argmax(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++)
    if (values[index] > values[best]) best = index;
  return best;
}

/**
 * Nucleus sampling (Holtzman et al., 2020): tokens by falling probability until `topP` is reached, then
 * one of them in proportion; `draw` in [0, 1) decides.
 */
export function sample(
  logits: Float32Array,
  temperature: number,
  topP: number,
  draw: number,
): number {
  const highest = logits.reduce((top, value) => Math.max(top, value), -Infinity);
  const weights = Array.from(logits, (value) => Math.exp((value - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = weights.map((_, token) => token).sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = 0;
  let mass = 0;
  while (kept < order.length && mass < topP * total) mass += weights[order[kept++]];
  let left = draw * mass;
  for (const token of order.slice(0, kept)) {
    left -= weights[token];
    if (left < 0) return token;
  }
  return order[Math.max(0, kept - 1)];
}
