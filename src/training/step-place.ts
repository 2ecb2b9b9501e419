import type { GradientOptions, Teacher } from '../model/family.js';
import type { LoadedModel } from '../model/loaded-model.js';
import { sumOfSquares, updateParameter, type AdamW, type StepNumbers } from './adamw.js';
import type { Share } from './shares.js';
import type { StraightThrough } from './straight-through.js';

/** The values of a training, and what its steps change. */
export interface Trained {
  /** Parameters by name, in the checkpoint's layout. */
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly optimizer: AdamW;
}

/** A plan and a teacher of a training, beside its values and its task. */
export interface Lesson {
  /** The plan that the values are seen under; they are seen as they are without one. */
  readonly through?: StraightThrough | undefined;
  readonly teacher?: Teacher | undefined;
}

/** The gradient of a batch, without its arrays, which stay where it was taken. */
export interface BatchGradient {
  /** NLL of each label or target, share by share, in nats. */
  readonly nll: readonly Float32Array[];
  /** Of all parameters together; NaN or infinite where it is broken. */
  readonly length: number;
}

/**
 * The place where steps are computed: this thread or several. All give the same bits: shares are added up in
 * their order, and the rest is done parameter by parameter.
 */
export interface StepPlace {
  /** The gradient at the values as they are, kept until the next one. */
  gradient(shares: readonly Share[], signal?: AbortSignal): Promise<BatchGradient>;
  /** Moves values and moments along the gradient taken last. */
  update(numbers: StepNumbers): Promise<void>;
}

/** Steps computed in this thread by a model of it. */
export class LocalPlace implements StepPlace {
  private sum: ReadonlyMap<string, Float32Array> = new Map();

  /**
   * @param model whose parameters follow the values, from now on
   * @param decays true for a parameter that weight decay is for
   */
  constructor(
    private readonly model: LoadedModel,
    private readonly trained: Trained,
    private readonly decays: (name: string) => boolean,
    private readonly lesson: Lesson = {},
  ) {
    setParameters(model, trained.values, lesson);
  }

  async gradient(shares: readonly Share[], signal?: AbortSignal): Promise<BatchGradient> {
    const nll: Float32Array[] = [];
    const sum = new Map<string, Float32Array>();
    const learning = learningFrom(this.trained.values, this.lesson);
    for (const { tokens, loss, dropout } of shares) {
      const found = await this.model.gradient(tokens, loss, { ...learning, dropout, signal });
      nll.push(found.nll);
      for (const [name, gradient] of found.gradients) {
        const before = sum.get(name);
        if (before === undefined) sum.set(name, gradient);
        else addTo(before, gradient);
      }
    }
    this.sum = new Map(inOrder(this.trained.values.keys(), sum));
    return { nll, length: lengthOf([...this.sum.values()].map(sumOfSquares)) };
  }

  update(numbers: StepNumbers): Promise<void> {
    const { values, optimizer } = this.trained;
    for (const [name, gradient] of this.sum) {
      const value = values.get(name)!;
      const moments = optimizer.momentsOf(name, value.length);
      updateParameter(value, gradient, moments, numbers, this.decays(name));
    }
    setParameters(this.model, values, this.lesson, this.sum.keys());
    return Promise.resolve();
  }
}

/** Entries in the order of the state's names, which the length of a gradient is added up in. */
function* inOrder<T>(
  names: Iterable<string>,
  found: ReadonlyMap<string, T>,
): Iterable<[string, T]> {
  for (const name of names) {
    const value = found.get(name);
    if (value !== undefined) yield [name, value];
  }
}

/**
 * Puts values in a model, all of them by default, as a lesson's plan has them seen. Unlooked at: what is not finite
 * shows in the next loss.
 */
export function setParameters(
  model: LoadedModel,
  values: ReadonlyMap<string, Float32Array>,
  { through }: Lesson,
  names: Iterable<string> = values.keys(),
): void {
  for (const name of names) {
    const masters = values.get(name)!;
    model.network.setParameter(name, through?.seen(name, masters) ?? masters);
  }
}

/** The part of a gradient's options that is the lesson's. */
export function learningFrom(
  values: ReadonlyMap<string, Float32Array>,
  { through, teacher }: Lesson,
): Pick<GradientOptions, 'valuesOf' | 'teacher'> {
  const valuesOf = (name: string): Float32Array => {
    const masters = values.get(name)!;
    return through?.atThreshold(name, masters) ?? masters;
  };
  return { valuesOf, teacher };
}

/** Adds a gradient to another one. */
export function addTo(sum: Float32Array, gradient: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += gradient[i];
}

/** The length of a gradient, of the sum of squares of each parameter in the state's order of names. */
export function lengthOf(squares: readonly number[]): number {
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}
