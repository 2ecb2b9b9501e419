import { gather, tensor1d, tile, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { TERNARY_DECAY } from '../../backend/kernels/steps/names.js';

/** The way from a neuron's potential u before it fires and its spike s to the rest v of the next step. */
export type Dynamics =
  /** u = v + (x − v)/τ, v = u (1 − s). */
  | { readonly kind: 'leaky'; readonly tau: number; readonly over: 'tokens' | 'steps' }
  /** u = v + x, v = u − θ s. */
  | { readonly kind: 'integrate'; readonly threshold: number }
  /** u = v + x, v = 0.25 u (α − s) with α of each step; without `remembers` v is 0. */
  | {
      readonly kind: 'ternary';
      readonly amplitudes: ArrayLike<number>;
      readonly remembers: boolean;
    };

/** The input of a layer's neurons and what they fired, of some of their channels. */
export interface NeuronActivity {
  /** Input current, [B, T, S * C'], positions first as spikes are. */
  readonly current: Tensor;
  /** Spikes of the same shape; in the unit of the reset where they have amplitudes. */
  readonly spikes: Tensor;
  readonly dynamics: Dynamics;
}

/** Values of a position that are looked at: channels, fewer of them where a neuron has many steps. */
const VALUES_A_POSITION = 256;
const MOST_CHANNELS = 64;
const LEAST_CHANNELS = 8;

/** The channels that stand for a layer: at most 64, evenly spaced, the same for the same width and steps. */
export function sampledChannels(width: number, steps: number): Int32Array {
  const wanted = Math.max(LEAST_CHANNELS, Math.floor(VALUES_A_POSITION / steps));
  const count = Math.min(width, MOST_CHANNELS, wanted);
  return Int32Array.from({ length: count }, (_, at) => Math.floor((at * width) / count));
}

/** Those channels of x [..., C]. @param steps of a layer's neurons */
export function sampleChannels<T extends Tensor>(x: T, steps: number): T {
  const width = x.shape[x.shape.length - 1];
  const channels = sampledChannels(width, steps);
  if (channels.length === width) return x.clone();
  return gather<T>(x, tensor1d(channels, 'int32'), x.shape.length - 1);
}

/** x [B, S, L, C], or [B, 1, L, C] where all steps are alike, at all steps. */
export function atAllSteps(x: Tensor4D, steps: number): Tensor4D {
  return x.shape[1] === steps ? x : tile(x, [1, steps, 1, 1]);
}

/**
 * Membrane potentials before neurons fire, from what they were given and what they did: each at rest before its
 * first step. Computed here, in double precision, whatever backend fired them.
 *
 * @param current of one sequence, [T, S, C]
 * @param spikes the same
 * @returns u, [T, S, C]
 */
export function potentialsOf(
  current: Float32Array,
  spikes: Float32Array,
  { time, steps, channels }: { time: number; steps: number; channels: number },
  dynamics: Dynamics,
): Float32Array {
  const potentials = new Float32Array(current.length);
  const overTokens = dynamics.kind === 'leaky' && dynamics.over === 'tokens';
  const run = (first: number, count: number, stride: number): void => {
    let rest = 0;
    for (let step = 0, at = first; step < count; step++, at += stride) {
      const x = current[at];
      const fired = spikes[at];
      let u = rest + x;
      if (dynamics.kind === 'leaky') {
        u = rest + (x - rest) / dynamics.tau;
        rest = u * (1 - fired);
      } else if (dynamics.kind === 'integrate') rest = u - dynamics.threshold * fired;
      else rest = dynamics.remembers ? TERNARY_DECAY * u * (dynamics.amplitudes[step] - fired) : 0;
      potentials[at] = u;
    }
  };
  if (overTokens)
    for (let first = 0; first < steps * channels; first++) run(first, time, steps * channels);
  else
    for (let token = 0; token < time; token++)
      for (let channel = 0; channel < channels; channel++)
        run(token * steps * channels + channel, steps, channels);
  return potentials;
}
