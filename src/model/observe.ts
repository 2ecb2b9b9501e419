import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import type { SpikingModule } from './spikegpt/block.js';
import type { SpikeGPT } from './spikegpt/model.js';
import type { TokenBatch } from './types.js';

/** What `observe` is asked for; each output costs its memory only when wanted. */
export interface ObserveRequest {
  readonly logits?: boolean;
  /** Real tokens of each sequence, [B]: asks for class logits. */
  readonly classLengths?: Int32Array;
  readonly residuals?: boolean;
  readonly spikes?: boolean;
  readonly firingRates?: boolean;
}

/** A LIF layer, by block and module. */
export interface SpikeRecord {
  readonly block: number;
  readonly module: SpikingModule;
  /** [B * T * C], 0 or 1. */
  readonly spikes: Uint8Array;
}

/** Outputs on the host, row-major. B sequences, T tokens, C channels, V token ids. */
export interface Observation {
  /** [B * T * V] */
  readonly logits?: Float32Array;
  /** [B * classes] */
  readonly classLogits?: Float32Array;
  /** The residual stream [B * T * C] entering block 0, 1, … and leaving the last: layers + 1 of them. */
  readonly residuals?: readonly Float32Array[];
  readonly spikes?: readonly SpikeRecord[];
  /** Fraction of ones of each LIF layer: [block] of [SRWKV, SRFFN]. */
  readonly firingRates?: readonly (readonly [number, number])[];
}

/** Runs the model over whole sequences and brings the wanted outputs to the host. */
export function observe(model: SpikeGPT, tokens: TokenBatch, request: ObserveRequest): Observation {
  const spikes: SpikeRecord[] = [];
  const rates = Array.from({ length: model.config.layers }, (): [number, number] => [0, 0]);
  const residuals: Float32Array[] = [];
  const probe = (block: number, module: SpikingModule, fired: Tensor3D): void => {
    const values = fired.dataSync<'float32'>();
    const ones = values.reduce((sum, spike) => sum + spike, 0);
    rates[block][module === 'SRWKV' ? 0 : 1] = ones / values.length;
    if (request.spikes) spikes.push({ block, module, spikes: Uint8Array.from(values) });
  };
  let logits: Float32Array | undefined;
  let classLogits: Float32Array | undefined;
  tf.tidy(() => {
    const x = model.embed(tokens);
    if (request.residuals) residuals.push(toHost(x));
    const stream = model.runStages(x, 0, model.stages, {
      probe: request.spikes || request.firingRates ? probe : undefined,
      onStage: request.residuals
        ? (stage, residual) => {
            if (stage % 2 === 1) residuals.push(toHost(residual));
          }
        : undefined,
    });
    const hidden = model.normalize(stream);
    if (request.logits) logits = toHost(model.headLogits(hidden));
    if (request.classLengths)
      classLogits = toHost(model.poolAndClassify(hidden, request.classLengths));
  });
  return {
    ...(logits && { logits }),
    ...(classLogits && { classLogits }),
    ...(request.residuals && { residuals }),
    ...(request.spikes && { spikes }),
    ...(request.firingRates && { firingRates: rates }),
  };
}

/** A copy that stays valid when the tensor is disposed: on some backends the data is a view. */
function toHost(tensor: Tensor): Float32Array {
  return tensor.dataSync<'float32'>().slice();
}
