import { keep, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import { blockOf } from '../layout/blocks.js';
import type { SpikingLayer } from '../layout/layout.js';
import { groupBy } from '../util/group.js';
import type { NetworkHooks } from './family.js';
import type { LoadedModel } from './loaded-model.js';
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
}

/** The spikes of one layer. */
export interface SpikeRecord {
  readonly layer: SpikingLayer;
  /** [B * T * C], of the layer's levels: 0, 1, or −1, 0, 1. */
  readonly spikes: Int8Array;
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
  /** Share of values that are not 0 of each spiking layer in the stages: [block] of its layers. */
  readonly firingRates?: readonly (readonly number[])[];
}

/** Runs the model over whole sequences and brings the wanted outputs to the host. */
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
      ...(request.firingRates && { firingRates: ratesByBlock(records) }),
    };
  } finally {
    stream.dispose();
  }

  /** Runs a part of the network; the spikes that it makes come to the host once it is through. */
  async function watched(run: (hooks: NetworkHooks) => Tensor, wanted: boolean): Promise<Tensor> {
    const made: { layer: number; spikes: Tensor }[] = [];
    const onSpikes = (layer: number, spikes: Tensor): void => {
      made.push({ layer, spikes: keep(spikes.clone()) });
    };
    const result = tidy(() => run(wanted ? { onSpikes } : {}));
    for (const { layer, spikes } of made)
      records.push({ layer: spiking[layer], spikes: Int8Array.from(await readFloat32(spikes)) });
    return result;
  }
}

/** A copy that stays valid when the tensor is disposed: on some backends the data is a view. */
async function valuesOf(tensor: Tensor): Promise<Float32Array> {
  return (await tensor.data<'float32'>()).slice();
}

function ratesByBlock(records: readonly SpikeRecord[]): number[][] {
  const inStages = records.filter(({ layer }) => layer.stage !== 'embedding');
  return [...groupBy(inStages, ({ layer }) => blockOf(layer.path)).values()].map((block) =>
    block.map(
      ({ spikes }) => spikes.reduce((sum, spike) => sum + Math.abs(spike), 0) / spikes.length,
    ),
  );
}
