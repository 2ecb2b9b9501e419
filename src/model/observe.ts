import { keep, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import { blockOf } from '../layout/blocks.js';
import type { SpikingLayer } from '../layout/layout.js';
import { ModelError } from '../util/errors.js';
import { groupBy } from '../util/group.js';
import type { NetworkHooks } from './family.js';
import type { LoadedModel } from './loaded-model.js';
import { potentialsOf, type NeuronActivity } from './neurons/membranes.js';
import type { Pooling, TokenBatch } from './types.js';

/** The outputs that {@link observe} is asked for; each costs its memory only when wanted. */
export interface ObserveRequest {
  readonly logits?: boolean;
  /** Real tokens of each sequence, [B]: asks for class logits. */
  readonly classLengths?: Int32Array;
  /** The pooling of class logits; the mean over real tokens by default. */
  readonly pooling?: Pooling;
  readonly residuals?: boolean;
  readonly spikes?: boolean;
  readonly firingRates?: boolean;
  /** Count the embedding among the spiking layers, where it spikes. */
  readonly embedding?: boolean;
  /** Membrane potentials of a sample of channels ({@link sampledChannels}); see {@link MembranePotentials}. */
  readonly membranes?: boolean;
}

/** The spikes of one layer. */
export interface SpikeRecord {
  readonly layer: SpikingLayer;
  /** [B * T * C], of the layer's levels: 0, 1, or −1, 0, 1. */
  readonly spikes: Int8Array;
}

/** The membranes of some channels of one layer. */
export interface MembranePotentials {
  readonly layer: SpikingLayer;
  /** Before they fire, [B * T * S * C'], S time steps. */
  readonly potentials: Float32Array;
}

/** Outputs on the host, row-major. B sequences, T tokens, C channels, V token ids. */
export interface Observation {
  /** [B * T * V] */
  readonly logits?: Float32Array;
  /** [B * classes] */
  readonly classLogits?: Float32Array;
  /** The stream, [B * T * C], before the first block and after each block: layers + 1 of them. */
  readonly residuals?: readonly Float32Array[];
  readonly spikes?: readonly SpikeRecord[];
  readonly membranes?: readonly MembranePotentials[];
  /** Share of values that are not 0 of each spiking layer in the stages: [block] of its layers. */
  readonly firingRates?: readonly (readonly number[])[];
}

/**
 * Runs the model over whole sequences and brings the wanted outputs to the host.
 *
 * @throws {ModelError} for membranes of a family whose network does not tell of them.
 */
export async function observe(
  model: LoadedModel,
  tokens: TokenBatch,
  request: ObserveRequest,
): Promise<Observation> {
  const { network } = model;
  const { stages, spiking } = model.description.layout;
  model.checkTokens(tokens);
  const residuals: Float32Array[] = [];
  const records: SpikeRecord[] = [];
  const membranes: MembranePotentials[] = [];
  if (request.membranes === true) requireMembranes(model);
  const wantsSpikes = request.spikes === true || request.firingRates === true;
  let stream = await watched(
    (hooks) => network.embed(tokens, hooks),
    wantsSpikes && request.embedding === true,
  );
  try {
    if (request.residuals) residuals.push(await valuesOf(stream));
    for (const [stage, { path }] of stages.entries()) {
      const before = stream;
      stream = await watched(
        (hooks) => network.runStages(before, stage, stage + 1, tokens, hooks),
        wantsSpikes,
      );
      before.dispose();
      const next = stages.at(stage + 1)?.path ?? '';
      if (request.residuals && blockOf(next) !== blockOf(path))
        residuals.push(await valuesOf(stream));
    }
    const { classLengths, pooling = 'real-tokens' } = request;
    const classLogitsOf = classLengths && model.finisher('classLogits', 'classifier');
    return {
      ...(request.logits && {
        logits: await readFloat32(model.finisher('tokenLogits', 'language-model head')(stream)),
      }),
      ...(classLogitsOf && {
        classLogits: await readFloat32(classLogitsOf(stream, classLengths, pooling, tokens.time)),
      }),
      ...(request.residuals && { residuals }),
      ...(request.spikes && { spikes: records }),
      ...(request.membranes && { membranes }),
      ...(request.firingRates && { firingRates: ratesByBlock(records) }),
    };
  } finally {
    stream.dispose();
  }

  /** Runs a part of the network; the spikes that it makes come to the host once it is through. */
  async function watched(run: (hooks: NetworkHooks) => Tensor, wanted: boolean): Promise<Tensor> {
    const made: { layer: number; spikes: Tensor }[] = [];
    const active: (NeuronActivity & { layer: number })[] = [];
    const onSpikes = (layer: number, spikes: Tensor): void => {
      made.push({ layer, spikes: keep(spikes.clone()) });
    };
    const onNeurons = (layer: number, { current, spikes, dynamics }: NeuronActivity): void => {
      const kept = { current: keep(current.clone()), spikes: keep(spikes.clone()) };
      active.push({ layer, dynamics, ...kept });
    };
    const result = tidy(() =>
      run({ ...(wanted && { onSpikes }), ...(request.membranes && { onNeurons }) }),
    );
    for (const activity of active)
      membranes.push({
        layer: spiking[activity.layer],
        potentials: await potentialsOfBatch(activity, tokens, spiking[activity.layer].steps ?? 1),
      });
    for (const { layer, spikes } of made)
      records.push({ layer: spiking[layer], spikes: Int8Array.from(await readFloat32(spikes)) });
    return result;
  }
}

/** A copy that stays valid when the tensor is disposed: on some backends the data is a view. */
async function valuesOf(tensor: Tensor): Promise<Float32Array> {
  return (await tensor.data<'float32'>()).slice();
}

/** @throws {ModelError} */
export function requireMembranes({
  description: { family },
}: Pick<LoadedModel, 'description'>): void {
  if (family.membranes === true) return;
  throw new ModelError({
    what: 'the membrane potentials of this family are not known',
    where: family.title,
    got: 'a network that does not tell of its neurons (onNeurons)',
    expected: 'a family that does, or observables without the drift of membranes',
  });
}

async function potentialsOfBatch(
  { current, spikes, dynamics }: NeuronActivity,
  { batch, time }: TokenBatch,
  steps: number,
): Promise<Float32Array> {
  const [currents, fired] = [await readFloat32(current), await readFloat32(spikes)];
  const size = currents.length / batch;
  const extent = { time, steps, channels: size / (time * steps) };
  const all = new Float32Array(currents.length);
  for (let row = 0; row < batch; row++) {
    const part = (values: Float32Array): Float32Array =>
      values.subarray(row * size, (row + 1) * size);
    all.set(potentialsOf(part(currents), part(fired), extent, dynamics), row * size);
  }
  return all;
}

function ratesByBlock(records: readonly SpikeRecord[]): number[][] {
  const inStages = records.filter(({ layer }) => layer.stage !== 'embedding');
  return [...groupBy(inStages, ({ layer }) => blockOf(layer.path)).values()].map((block) =>
    block.map(
      ({ spikes }) => spikes.reduce((sum, spike) => sum + Math.abs(spike), 0) / spikes.length,
    ),
  );
}
