/** Settings of {@link AdamW} and of its rate over the steps. */
export interface AdamWSettings {
  /** The highest rate. */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Share of a value that a step takes away, times the rate; of matrices alone. */
  readonly weightDecay: number;
  /** Length that a longer gradient of all parameters together is cut to; 0: never. */
  readonly clip: number;
  /** Steps over which the rate rises from 0. */
  readonly warmup: number;
}

/** PyTorch's defaults, and a gradient cut to length 1. */
export const DEFAULT_ADAMW: AdamWSettings = {
  learningRate: 2e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clip: 1,
  warmup: 100,
};

/** Share of the highest rate that the cosine ends at. */
const LEAST_RATE = 0.1;

/** The rate of step `step`, from 1: a rise to the highest, then half a cosine down to a tenth of it. */
export function rateAt(
  step: number,
  steps: number,
  { learningRate, warmup }: Pick<AdamWSettings, 'learningRate' | 'warmup'>,
): number {
  if (step <= warmup) return (learningRate * step) / warmup;
  const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return learningRate * (LEAST_RATE + ((1 - LEAST_RATE) * (1 + Math.cos(Math.PI * done))) / 2);
}

/** Running means of a parameter's gradient and of its square, in the parameter's layout. */
export interface Moments {
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

/** The numbers of one step of {@link AdamW}, the same for every parameter. */
export interface StepNumbers extends Pick<
  AdamWSettings,
  'beta1' | 'beta2' | 'epsilon' | 'weightDecay'
> {
  /** From 1. */
  readonly step: number;
  readonly rate: number;
  /** Factor of the gradient, so that it is not longer than it may be. */
  readonly scale: number;
}

/**
 * One step of one parameter, element by element: whoever takes it, the numbers are the same. Float32 throughout.
 *
 * @param value changed in place, as are the moments
 * @param decays true for a parameter that weight decay is for
 */
export function updateParameter(
  value: Float32Array,
  gradient: Float32Array,
  { mean, square }: Moments,
  { beta1, beta2, epsilon, weightDecay, step, rate, scale }: StepNumbers,
  decays: boolean,
): void {
  const round = Math.fround;
  const cut = round(scale);
  const [keepMean, addMean] = [round(beta1), round(1 - beta1)];
  const [keepSquare, addSquare] = [round(beta2), round(1 - beta2)];
  const size = round(rate / (1 - beta1 ** step));
  const spread = round(1 / Math.sqrt(1 - beta2 ** step));
  const least = round(epsilon);
  const kept = round(decays ? 1 - rate * weightDecay : 1);
  // Each operation is rounded, so that the engine computes in float32 too: half the time of float64.
  for (let i = 0; i < value.length; i++) {
    const g = round(gradient[i] * cut);
    const m = round(round(keepMean * mean[i]) + round(addMean * g));
    const v = round(round(keepSquare * square[i]) + round(addSquare * round(g * g)));
    mean[i] = m;
    square[i] = v;
    const divisor = round(round(round(Math.sqrt(v)) * spread) + least);
    value[i] = round(round(value[i] * kept) - round(round(size * m) / divisor));
  }
}

/** Sum of squares in float64, in the order of the elements. */
export function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW: values are changed in
 * place ({@link updateParameter}). Its state is plain, to be kept and taken up again bit for bit.
 */
export class AdamW {
  readonly moments = new Map<string, Moments>();

  constructor(private readonly settings: AdamWSettings) {}

  /** The numbers of a step along a gradient of this length. */
  numbersOf(step: number, rate: number, length: number): StepNumbers {
    const { beta1, beta2, epsilon, weightDecay, clip } = this.settings;
    const scale = clip > 0 && length > clip ? clip / length : 1;
    return { beta1, beta2, epsilon, weightDecay, step, rate, scale };
  }

  /** Those of a parameter, zeros before its first step. */
  momentsOf(name: string, size: number): Moments {
    const known = this.moments.get(name);
    if (known !== undefined) return known;
    const fresh = { mean: new Float32Array(size), square: new Float32Array(size) };
    this.moments.set(name, fresh);
    return fresh;
  }
}
