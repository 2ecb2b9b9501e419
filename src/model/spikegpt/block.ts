import {
  mul,
  relu,
  reshape,
  sigmoid,
  square,
  tidy,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';
import {
  layerNorm,
  matMul,
  spikingResidual,
  squaredReluMatMul,
  tokenMix,
  wkv,
} from '../../backend/kernels/ops.js';
import type { Factor } from '../../backend/kernels/packed/packed.js';
import type { NetworkHooks } from '../family.js';
import { sampleChannels, type NeuronActivity } from '../neurons/membranes.js';
import type { BlockState } from './state.js';
import type { Weights } from './weights.js';

/** Looks into a stage's LIF layer; what it is shown is disposed after the call. */
export interface Probe {
  /** [B, T, C] */
  readonly spikes: (spikes: Tensor3D) => void;
  readonly neurons?: (activity: NeuronActivity) => void;
  readonly inputs?: NonNullable<NetworkHooks['onInputs']>;
}

const TAU = 2;

/** Shows a LIF layer that goes on from token to token. */
function show(
  probe: Probe | undefined,
  { out, gate }: Pick<Current, 'out' | 'gate'>,
  spikes?: Tensor3D,
): void {
  if (probe === undefined || spikes === undefined) return;
  probe.spikes(spikes);
  if (probe.neurons === undefined) return;
  const input = sampleChannels(out, 1);
  const current = gate ? mul<Tensor3D>(input, sigmoid(sampleChannels(gate, 1))) : input;
  const dynamics = { kind: 'leaky', over: 'tokens', tau: TAU } as const;
  probe.neurons({ current, spikes: sampleChannels(spikes, 1), dynamics });
}

/** x [B, T, in] · W [in, out]. */
export function linear(x: Tensor3D, weight: Factor): Tensor3D {
  const [batch, time, width] = x.shape;
  const rows: Tensor2D = reshape(x, [batch * time, width]);
  return reshape(matMul(rows, weight), [batch, time, weight.shape[1]]);
}

/** A stage's output, and the part of a block's state that it leaves behind. */
export interface StageResult<State> {
  readonly x: Tensor3D;
  readonly state: State;
}
export type MixState = Pick<BlockState, 'mixShift' | 'wkv' | 'mixMembrane'>;
export type FfnState = Pick<BlockState, 'ffnShift' | 'ffnMembrane'>;

/**
 * The first half of a block on x [B, T, C]: x + LIF(TimeMix(ln1(x))); block 0 normalizes with ln0 first,
 * and has ChannelMix (`ffnPre`) in place of TimeMix (`att`) in that variant.
 * Source: SpikeGPT, src/model.py, class Block.
 */
export function runMixStage(
  weights: Weights,
  block: number,
  part: 'att' | 'ffnPre',
  x: Tensor3D,
  state: MixState,
  probe: Probe | undefined,
): StageResult<MixState> {
  return tidy(() => {
    const prefix = `blocks.${block}`;
    const input =
      block === 0
        ? layerNorm(x, weights.vector(`${prefix}.ln0.weight`), weights.vector(`${prefix}.ln0.bias`))
        : x;
    const mixed =
      part === 'ffnPre'
        ? {
            ...channelMix(
              weights,
              `${prefix}.ffnPre`,
              `${prefix}.ln1`,
              input,
              state.mixShift,
              probe,
            ),
            wkv: state.wkv.clone(),
          }
        : timeMix(weights, `${prefix}.att`, `${prefix}.ln1`, input, state, probe);
    const { out, membrane, spikes } = spikingResidual(
      mixed.out,
      mixed.gate,
      input,
      state.mixMembrane,
      probe !== undefined,
    );
    show(probe, mixed, spikes);
    return { x: out, state: { mixShift: mixed.shift, wkv: mixed.wkv, mixMembrane: membrane } };
  });
}

/** The second half of a block: x + LIF(ChannelMix(ln2(x))). */
export function runFfnStage(
  weights: Weights,
  block: number,
  x: Tensor3D,
  state: FfnState,
  probe: Probe | undefined,
): StageResult<FfnState> {
  return tidy(() => {
    const prefix = `blocks.${block}`;
    const ffn = channelMix(weights, `${prefix}.ffn`, `${prefix}.ln2`, x, state.ffnShift, probe);
    const { out, membrane, spikes } = spikingResidual(
      ffn.out,
      ffn.gate,
      x,
      state.ffnMembrane,
      probe !== undefined,
    );
    show(probe, ffn, spikes);
    return { x: out, state: { ffnShift: ffn.shift, ffnMembrane: membrane } };
  });
}

/** Input of a module's LIF layer: the current, and a gate still to be applied to it. */
interface Current {
  readonly out: Tensor3D;
  readonly gate: Tensor3D | undefined;
  readonly shift: Tensor2D;
}

/** output(sigmoid(receptance) · WKV(key, value)) of the token-shifted, normalized x. */
function timeMix(
  weights: Weights,
  module: string,
  norm: string,
  x: Tensor3D,
  state: MixState,
  probe: Probe | undefined,
): Current & { readonly wkv: Tensor3D } {
  const { mixed, last } = tokenMix(
    x,
    weights.vector(`${norm}.weight`),
    weights.vector(`${norm}.bias`),
    weights.matrix(`${module}.mixes`),
    state.mixShift,
  );
  const [k, v, r] = ['key', 'value', 'receptance'].map((name, index) => {
    probe?.inputs?.(`${module}.${name}.weight`, { inputs: mixed[index] });
    return linear(mixed[index], weights.factor(`${module}.${name}.weight`));
  });
  const average = wkv(
    k,
    v,
    r,
    weights.vector(`${module}.time_decay`),
    weights.vector(`${module}.time_first`),
    state.wkv,
  );
  const out = linear(average.out, weights.factor(`${module}.output.weight`));
  probe?.inputs?.(`${module}.output.weight`, {
    inputs: average.out,
    neurons: { product: out, tau: TAU },
  });
  return { out, gate: undefined, shift: last, wkv: average.state };
}

/** sigmoid(receptance(x_r)) · value(relu(key(x_k))²); the gate is applied by the LIF kernel. */
function channelMix(
  weights: Weights,
  module: string,
  norm: string,
  x: Tensor3D,
  shift: Tensor2D,
  probe: Probe | undefined,
): Current {
  const { mixed, last } = tokenMix(
    x,
    weights.vector(`${norm}.weight`),
    weights.vector(`${norm}.bias`),
    weights.matrix(`${module}.mixes`),
    shift,
  );
  const hidden = linear(mixed[0], weights.factor(`${module}.key.weight`));
  const out = squaredReluMatMul(hidden, weights.factor(`${module}.value.weight`));
  const gate = linear(mixed[1], weights.factor(`${module}.receptance.weight`));
  if (probe?.inputs) {
    probe.inputs(`${module}.key.weight`, { inputs: mixed[0] });
    probe.inputs(`${module}.receptance.weight`, { inputs: mixed[1] });
    const inputs = square(relu(hidden));
    probe.inputs(`${module}.value.weight`, { inputs, neurons: { product: out, gate, tau: TAU } });
  }
  return { out, gate, shift: last };
}
