import { meetsLimit } from '../../src/search/constraints.js';
import type { Evaluate, Evaluation, EvaluationContext } from '../../src/search/evaluation.js';
import type { Assignment, SearchSpace, UnitInfo } from '../../src/search/space.js';

/** A unit of the toy spaces, with its number of weights. */
export interface ToyUnit extends UnitInfo {
  readonly weights: number;
}

/** Input, attention blocks of two modules, output: 'input/embedding', 'attention.0/SRWKV', … */
export function toyUnits(attentionBlocks: number, weights = 800): ToyUnit[] {
  const unit = (block: string, name: string, inModuleTier: boolean): ToyUnit => ({
    id: `${block}/${name}`,
    block,
    module: `${block}/${name}`,
    inModuleTier,
    weights,
  });
  return [
    unit('input', 'embedding', false),
    ...Array.from({ length: attentionBlocks }, (_, index) => [
      unit(`attention.${index}`, 'SRWKV', true),
      unit(`attention.${index}`, 'SRFFN', true),
    ]).flat(),
    unit('output', 'head', false),
  ];
}

/** Whole bytes: the weights' bits, rounded up, and 8 bytes of scale and zero point where quantized. */
export function toySpace(units: readonly ToyUnit[], fixedBytes = 0): SearchSpace {
  return {
    units,
    bytes: (assignment) =>
      units.reduce((sum, { id, weights }) => {
        const bits = assignment.bitsOf(id);
        return sum + Math.ceil((weights * bits) / 8) + (bits < 32 ? 8 : 0);
      }, fixedBytes),
  };
}

/** An evaluator that always measures to the end, and remembers what it was asked. */
export function exactly(metricOf: (assignment: Assignment) => number): {
  evaluate: Evaluate;
  asked: { assignment: Assignment; context: EvaluationContext }[];
} {
  const asked: { assignment: Assignment; context: EvaluationContext }[] = [];
  return {
    asked,
    evaluate: (assignment, context) => {
      asked.push({ assignment, context });
      return Promise.resolve({ kind: 'exact', metric: metricOf(assignment) });
    },
  };
}

/** An evaluator that says no more than it must: a verdict wherever the context allows one. */
export function tersely(metricOf: (assignment: Assignment) => number): Evaluate {
  return (assignment, { need, limit }): Promise<Evaluation> => {
    const metric = metricOf(assignment);
    if (limit === undefined || need === 'exact' || Number.isNaN(metric))
      return Promise.resolve({ kind: 'exact', metric });
    const passes = meetsLimit(limit, metric);
    if (passes && need === 'exact-if-passes') return Promise.resolve({ kind: 'exact', metric });
    // The bound lies between the metric and the limit: certain, and less than the whole truth.
    const edge =
      limit.metric === 'accuracy'
        ? limit.baseline - limit.allowedLoss
        : limit.baseline + limit.allowedLoss;
    const halfway = (metric + edge) / 2;
    const bound = meetsLimit(limit, halfway) === passes ? halfway : metric;
    return Promise.resolve({ kind: 'verdict', passes, bound });
  };
}

/** A number in [0, 1) that depends on the text alone (FNV-1a): noise that is the same each time. */
export function hashNoise(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  // A last mix: texts that differ at their end only must differ in the high bits too.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return ((hash ^ (hash >>> 12)) >>> 0) / 2 ** 32;
}

/** Losses that add up over units and grow as bits fall: `weight · 2^(−bits)`, for `weights[unit]`. */
export function additiveLoss(
  units: readonly { readonly id: string }[],
  sensitivity: readonly number[],
): (assignment: Assignment) => number {
  return (assignment) =>
    units.reduce((sum, { id }, index) => {
      const bits = assignment.bitsOf(id);
      return sum + (bits < 32 ? sensitivity[index] * 2 ** -bits : 0);
    }, 0);
}
