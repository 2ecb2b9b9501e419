import type { Pooling, SequenceModel, TokenBatch } from '../../src/model/types.js';

/** Lower-case letters are tokens 0 to 25, a space is 26, é (two bytes) is 27. */
export const lettersTokenizer = {
  encode: (text: string): Int32Array => Int32Array.from(text, letterId),
  byteLengthOf: (id: number): number => (id === 27 ? 2 : 1),
};

function letterId(letter: string): number {
  if (letter === ' ') return 26;
  return letter === 'é' ? 27 : letter.charCodeAt(0) - 'a'.charCodeAt(0);
}

/** What a fake language model says at one position of a row. */
type Score = (prefix: Int32Array, target: number, position: number) => number;

/** A causal language model whose NLL is any function of what it has read, the target and the position. */
export function fakeLanguageModel(
  score: Score,
  { vocabSize = 28, contextLength = 1024 } = {},
): SequenceModel & { readonly batches: TokenBatch[] } {
  const batches: TokenBatch[] = [];
  return {
    batches,
    vocabSize,
    contextLength,
    classes: 0,
    tokenNll: ({ ids, batch, time }, targets) => {
      batches.push({ ids, batch, time });
      const nll = targets.map(() => 0);
      const result = Float32Array.from(nll, (_, i) => {
        const row = Math.floor(i / time) * time;
        return score(ids.subarray(row, i + 1), targets[i], i - row);
      });
      return Promise.resolve(result);
    },
    classLogits: () => Promise.reject(new Error('a language model was asked for classes')),
  };
}

/** The tokens a sentence is classified by, and its two logits. */
type Classify = (tokens: Int32Array) => readonly number[];

/** A classifier whose logits are any function of the tokens that are pooled. */
export function fakeClassifier(
  classify: Classify,
  { vocabSize = 28, contextLength = 1024, classes = 2 } = {},
): SequenceModel & { readonly batches: TokenBatch[] } {
  const batches: TokenBatch[] = [];
  return {
    batches,
    vocabSize,
    contextLength,
    classes,
    tokenNll: () => Promise.reject(new Error('a classifier was asked for likelihoods')),
    classLogits: ({ ids, batch, time }, lengths, pooling: Pooling) => {
      batches.push({ ids, batch, time });
      const logits = Array.from(lengths, (length, row) => {
        const pooled = pooling === 'real-tokens' ? length : time;
        return classify(ids.subarray(row * time, row * time + pooled));
      });
      return Promise.resolve(Float32Array.from(logits.flat()));
    },
  };
}

/** A number in [0, 1) that depends on every token. */
export function mixed(tokens: Iterable<number>): number {
  let state = 17;
  for (const token of tokens) state = (state * 31 + token + 1) % 10007;
  return state / 10007;
}
