import type { Layout } from '../layout/layout.js';
import type { ResolvedPlan } from '../quant/plan.js';
import { fakeQuantize } from '../quant/quantizer/quantize.js';
import { UNQUANTIZED_BITS } from '../quant/scheme/scheme.js';

/**
 * Quantization-aware training by the straight-through estimator (Bengio et al., 2013): both passes see the weights
 * as a plan's quantizers round them, ranges found anew at each step, and the gradient by the rounded values is
 * taken as that by the float32 masters, values beyond a clipped range included.
 */
export class StraightThrough {
  private readonly shapes: ReadonlyMap<string, readonly number[]>;

  constructor(
    readonly plan: ResolvedPlan,
    { parameters }: Pick<Layout, 'parameters'>,
  ) {
    this.shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  }

  /**
   * A parameter as the passes see it: `quantize` and `dequantize`, or the masters themselves where the plan
   * leaves it alone.
   *
   * @param masters in the checkpoint's layout; not changed
   * @throws {QuantError} for a value that is not finite.
   */
  seen(name: string, masters: Float32Array): Float32Array {
    const scheme = this.plan.get(name);
    if (scheme === undefined || scheme.bits === UNQUANTIZED_BITS) return masters;
    return fakeQuantize(masters, this.shapes.get(name)!, scheme, name);
  }

  /**
   * The values that the surrogate of a spike embedding is taken at: those whose signs are its spikes. Of a scheme
   * that keeps signs alone, which are the masters' own, these are the masters: ±1 would be as far from the threshold
   * for every value.
   */
  atThreshold(name: string, masters: Float32Array): Float32Array {
    return this.plan.get(name)?.method === 'sign' ? masters : this.seen(name, masters);
  }
}
