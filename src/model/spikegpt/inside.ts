import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import {
  layerNorm,
  spikingResidual,
  squaredReluMatMul,
  tokenMix,
  wkv,
} from '../../backend/kernels/ops.js';
import type { SpikingNetwork } from '../family.js';
import { linear } from './block.js';
import type { SpikeGPTConfig } from './config.js';
import { mixPart } from './layout.js';
import { initialBlockState } from './state.js';
import type { Weights } from './weights.js';

/** The parts of a network that its gradient is taken of. */
export interface Parts {
  readonly network: SpikingNetwork;
  readonly config: SpikeGPTConfig;
  readonly weights: Weights;
}

/** The parameters of a stage, by the beginnings of their names. */
interface Place {
  readonly kind: StageInside['kind'];
  readonly module: string;
  readonly norm: string;
  /** Of the first stage, whose input is normalized before anything else. */
  readonly norm0: string | undefined;
}

/** Values inside of SRWKV that the way back needs, [B, T, C] each. */
export interface TimeInside {
  readonly kind: 'time';
  readonly mixed: readonly Tensor3D[];
  readonly k: Tensor3D;
  readonly v: Tensor3D;
  readonly r: Tensor3D;
  readonly average: Tensor3D;
  /** Into the neurons. */
  readonly current: Tensor3D;
}

/** The same of SRFFN; hidden: [B, T, 4 C]. */
export interface ChannelInside {
  readonly kind: 'channel';
  readonly mixed: readonly Tensor3D[];
  readonly hidden: Tensor3D;
  readonly gate: Tensor3D;
  /** Into the neurons, before the gate. */
  readonly current: Tensor3D;
}

/** The inside of a stage. */
export type StageInside = TimeInside | ChannelInside;

/** Values of a stage's inside for each one of its input: either kind has 8, the hidden layer counted as four. */
const INSIDE_VALUES = 8;

/** Bytes of a stage's inside. @param values of the stream, B * T * C */
export function insideBytes(values: number): number {
  return INSIDE_VALUES * values * Float32Array.BYTES_PER_ELEMENT;
}

/** Frees the inside of a stage. */
export function disposeInside(inside: StageInside): void {
  for (const value of Object.values<unknown>({ ...inside }))
    if (typeof value === 'object') tf.dispose(value as Tensor3D | Tensor3D[]);
}

/** The names of a stage. */
export function placeOf({ config }: Pick<Parts, 'config'>, stage: number): Place {
  const block = Math.floor(stage / 2);
  const prefix = `blocks.${block}`;
  if (stage % 2 === 1)
    return { kind: 'channel', module: `${prefix}.ffn`, norm: `${prefix}.ln2`, norm0: undefined };
  const part = mixPart(config, block);
  return {
    kind: part === 'att' ? 'time' : 'channel',
    module: `${prefix}.${part}`,
    norm: `${prefix}.ln1`,
    norm0: block === 0 ? `${prefix}.ln0` : undefined,
  };
}

/** Layer norm of x by the parameters of that name. */
export function normalized({ weights }: Parts, norm: string, x: Tensor3D): Tensor3D {
  return layerNorm(x, weights.vector(`${norm}.weight`), weights.vector(`${norm}.bias`));
}

/** Computes the inside of a stage. @param x its input, after norm0 where there is one */
export function insideOf(
  { weights, config }: Parts,
  { kind, module, norm }: Place,
  x: Tensor3D,
): StageInside {
  const weightOf = (name: string): Tensor2D => weights.matrix(`${module}.${name}.weight`);
  const [gamma, beta] = ['weight', 'bias'].map((part) => weights.vector(`${norm}.${part}`));
  const shift: Tensor2D = tf.zeros([x.shape[0], config.width]);
  const { mixed } = tokenMix(x, gamma, beta, weights.matrix(`${module}.mixes`), shift);
  if (kind === 'channel') {
    const hidden = linear(mixed[0], weightOf('key'));
    const gate = linear(mixed[1], weightOf('receptance'));
    return { kind, mixed, hidden, gate, current: squaredReluMatMul(hidden, weightOf('value')) };
  }
  const [decay, first] = ['decay', 'first'].map((name) => weights.vector(`${module}.time_${name}`));
  const [k, v, r] = ['key', 'value', 'receptance'].map((name, at) =>
    linear(mixed[at], weightOf(name)),
  );
  const { wkv: start } = initialBlockState(config, x.shape[0]);
  const average = wkv(k, v, r, decay, first, start).out;
  return { kind, mixed, k, v, r, average, current: linear(average, weightOf('output')) };
}

/** A stage, and its inside. @param x the stream before it */
export function stageThere(
  parts: Parts,
  stage: number,
  x: Tensor3D,
): { readonly out: Tensor3D; readonly inside: StageInside } {
  const place = placeOf(parts, stage);
  const input = place.norm0 === undefined ? x : normalized(parts, place.norm0, x);
  const inside = insideOf(parts, place, input);
  const gate = inside.kind === 'channel' ? inside.gate : undefined;
  const rest: Tensor2D = tf.zeros([x.shape[0], parts.config.width]);
  return { out: spikingResidual(inside.current, gate, input, rest, false).out, inside };
}
