import { slice } from '@tensorflow/tfjs-core';
import { scoped } from '../backend/scope.js';
import { ModelError, UsageError, throwIfAborted } from '../util/errors.js';
import { breathe } from '../util/progress.js';
import { seededRandom } from '../util/random.js';
import type { SpikeGPT } from './spikegpt/model.js';
import { disposeState, type RecurrentState } from './spikegpt/state.js';

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
 * @throws {UsageError} for options out of range, {ModelError} for an empty prompt
 */
export async function* generate(
  model: SpikeGPT,
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
  let state: RecurrentState = model.initialState(1);
  try {
    let pending = prompt;
    for (let count = 0; count < length; count++) {
      throwIfAborted(signal, 'generation');
      const result = advance(model, pending, state);
      disposeState(state);
      state = result.state;
      for (const token of options.forbidden ?? []) result.logits[token] = -Infinity;
      const token =
        temperature === 0
          ? argmax(result.logits)
          : sample(result.logits, temperature, topP, random.float());
      if (token === options.stopToken) return;
      yield token;
      pending = Int32Array.of(token);
      await breathe();
    }
  } finally {
    disposeState(state);
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

/** Feeds tokens [1, T] and returns the logits after the last one, [V]. */
function advance(
  model: SpikeGPT,
  ids: Int32Array,
  before: RecurrentState,
): { logits: Float32Array; state: RecurrentState } {
  const tokens = { ids, batch: 1, time: ids.length };
  const { last, state } = scoped(() => {
    const result = model.step(tokens, before);
    const last = slice(result.hidden, [0, ids.length - 1, 0], [1, 1, model.config.width]);
    return { last: model.headLogits(last), state: result.state };
  });
  const logits = last.dataSync<'float32'>().slice();
  last.dispose();
  return { logits, state };
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
