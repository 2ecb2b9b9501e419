import type { SequenceModel } from '../model/types.js';
import { ModelError } from '../util/errors.js';

/** @throws {ModelError} when the model's embedding does not know one of the tokens. */
export function requireKnownTokens(
  sequences: readonly Int32Array[],
  model: SequenceModel,
  where: string,
): void {
  const isUnknown = (id: number): boolean => id < 0 || id >= model.vocabSize;
  const unknown = sequences.flatMap((ids) => ids.find(isUnknown) ?? []).at(0);
  if (unknown === undefined) return;
  throw new ModelError({
    what: 'a token that the embedding does not know',
    where,
    got: `token ${unknown}`,
    expected: `0 to ${model.vocabSize - 1}: the tokenizer that the model was trained with`,
  });
}

/** @throws {ModelError} when the model answered with another number of values than asked for. */
export function requireCount(values: Float32Array, expected: number, where: string): void {
  if (values.length === expected) return;
  throw new ModelError({
    what: 'wrong number of values from the model',
    where,
    got: String(values.length),
    expected: String(expected),
  });
}

/** @throws {ModelError} for NaN and infinities: they must not end up as a wrong answer or a sum. */
export function requireFinite(value: number, what: string, where: () => string): void {
  if (Number.isFinite(value)) return;
  throw new ModelError({
    what: `${what} is not a finite number`,
    where: where(),
    got: String(value),
    expected: 'a finite number; NaN weights or an overflow cause this',
  });
}

/** Sequences of more tokens than the model saw in training. */
export function countBeyond(
  sequences: readonly { length: number }[],
  contextLength: number,
): number {
  return sequences.filter(({ length }) => length > contextLength).length;
}
