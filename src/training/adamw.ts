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

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW: values are changed in
 * place. Its state is plain, to be kept and taken up again bit for bit.
 */
export class AdamW {
  readonly moments = new Map<string, Moments>();

  constructor(private readonly settings: AdamWSettings) {}

  /**
   * One step.
   *
   * @param step from 1
   * @param decays true for parameters that weight decay is for
   * @returns length of the gradient before it was cut, NaN or infinite where it is broken: then nothing changes
   */
  step(
    values: ReadonlyMap<string, Float32Array>,
    gradients: ReadonlyMap<string, Float32Array>,
    step: number,
    rate: number,
    decays: (name: string) => boolean,
  ): number {
    const { beta1, beta2, epsilon, weightDecay, clip } = this.settings;
    const length = lengthOf(gradients);
    if (!Number.isFinite(length)) return length;
    const scale = clip > 0 && length > clip ? clip / length : 1;
    const size = rate / (1 - beta1 ** step);
    const correction = Math.sqrt(1 - beta2 ** step);
    for (const [name, gradient] of gradients) {
      const value = values.get(name)!;
      const { mean, square } = this.momentsOf(name, value.length);
      const kept = decays(name) ? 1 - rate * weightDecay : 1;
      for (let i = 0; i < value.length; i++) {
        const g = gradient[i] * scale;
        mean[i] = beta1 * mean[i] + (1 - beta1) * g;
        square[i] = beta2 * square[i] + (1 - beta2) * g * g;
        const spread = Math.sqrt(square[i]) / correction + epsilon;
        value[i] = value[i] * kept - (size * mean[i]) / spread;
      }
    }
    return length;
  }

  private momentsOf(name: string, size: number): Moments {
    const known = this.moments.get(name);
    if (known !== undefined) return known;
    const fresh = { mean: new Float32Array(size), square: new Float32Array(size) };
    this.moments.set(name, fresh);
    return fresh;
  }
}

function lengthOf(gradients: ReadonlyMap<string, Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients.values())
    for (let i = 0; i < gradient.length; i++) sum += gradient[i] * gradient[i];
  return Math.sqrt(sum);
}
