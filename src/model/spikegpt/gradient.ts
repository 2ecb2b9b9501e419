import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import { dropoutFactors } from '../../backend/kernels/backward/dropout.js';
import { scatterRows, surrogate } from '../../backend/kernels/backward/ops.js';
import { readFloat32 } from '../../backend/read.js';
import { scoped } from '../../backend/scope.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents } from '../../util/progress.js';
import type { Gradient, GradientOptions, Loss } from '../family.js';
import type { TokenBatch } from '../types.js';
import {
  classesBack,
  stageBack,
  tokensBack,
  type Back,
  type Found,
  type Parts,
} from './backward.js';
import type { SpikeGPTConfig } from './config.js';
import { guideOf } from './loss-back.js';

/**
 * The gradient of a loss, stage by stage. Forward, the stream before each stage is kept and nothing else;
 * backward, the inside of one stage at a time is computed again.
 */
export async function gradientOf(
  parts: Parts,
  tokens: TokenBatch,
  loss: Loss,
  { valuesOf, dropout, teacher, signal }: GradientOptions,
): Promise<Gradient> {
  const { network, config } = parts;
  const gradients = new Map<string, Float32Array>();
  const take = async (found: Found): Promise<void> => {
    for (const [name, tensor] of Object.entries(found))
      await takeOne(config, name, tensor, gradients);
    throwIfAborted(signal, 'gradient');
    await yieldToEvents();
  };
  const drop = (x: Tensor3D, stage: number): Tensor3D =>
    dropout === undefined || stage % 2 === 0 ? x.clone() : dropped(x, stage, dropout);

  const stages = 2 * config.layers;
  const streams = [network.embed(tokens) as Tensor3D];
  let dx: Tensor3D | undefined;
  const guide = teacher && guideOf(teacher, stages, tokens, loss);
  try {
    for (let stage = 0; stage < stages; stage++) {
      streams.push(
        tf.tidy(() =>
          drop(network.runStages(streams[stage], stage, stage + 1, tokens) as Tensor3D, stage),
        ),
      );
      throwIfAborted(signal, 'gradient');
    }
    const last = streams[stages];
    const output = scoped(() =>
      loss.kind === 'tokens'
        ? tokensBack(parts, last, loss, guide)
        : classesBack(parts, last, loss, guide),
    );
    ({ dx } = output);
    const nll = await readFloat32(output.nll);
    const divergence = output.divergence && (await readFloat32(output.divergence));
    await take(output.found);
    for (let stage = stages - 1; stage >= 0; stage--) {
      streams.pop()!.dispose();
      const dout: Tensor3D = dx;
      const back: Back = scoped(() => stageBack(parts, stage, streams[stage], drop(dout, stage)));
      dout.dispose();
      ({ dx } = back);
      await take(back.found);
    }
    const rows = await readFloat32(dx);
    gradients.set('emb.weight', embeddingGradient(config, rows, tokens, valuesOf));
    return { nll, ...(divergence && { divergence }), gradients };
  } finally {
    guide?.dispose();
    tf.dispose(streams);
    if (dx?.isDisposed === false) dx.dispose();
  }
}

/** Drops the same values of x, forward, and of its gradient, on the way back. */
function dropped(
  x: Tensor3D,
  stage: number,
  { rate, seed }: NonNullable<GradientOptions['dropout']>,
): Tensor3D {
  // Stages apart by more than there are values in a stream of any size here.
  const factors = dropoutFactors(x.size, rate, seed ^ Math.imul(stage + 1, 0x9e3779b1));
  return tf.mul(x, tf.tensor3d(factors, x.shape));
}

/** Reads a gradient; the rows of stacked mixes under their own names. */
async function takeOne(
  { width }: SpikeGPTConfig,
  name: string,
  tensor: Tensor,
  gradients: Map<string, Float32Array>,
): Promise<void> {
  const values = await readFloat32(tensor);
  const module = /^(.*)\.mixes$/.exec(name)?.[1];
  if (module === undefined) {
    gradients.set(name, values);
    return;
  }
  const rows = values.length / width === 3 ? ['k', 'v', 'r'] : ['k', 'r'];
  for (const [at, row] of rows.entries())
    gradients.set(`${module}.time_mix_${row}`, values.slice(at * width, (at + 1) * width));
}

/**
 * The gradient by the embedding, [vocab, width]: sums over the positions of each token; through the surrogate
 * of its spikes where the embedding's values are at hand.
 */
function embeddingGradient(
  { vocabSize, width, embedding }: SpikeGPTConfig,
  rows: Float32Array,
  { ids }: TokenBatch,
  valuesOf: GradientOptions['valuesOf'],
): Float32Array {
  const gradient = new Float32Array(vocabSize * width);
  scatterRows(rows, ids, gradient);
  if (embedding === 'dense' || valuesOf === undefined) return gradient;
  const values = valuesOf('emb.weight');
  for (let i = 0; i < gradient.length; i++)
    if (gradient[i] !== 0) gradient[i] *= surrogate(values[i]);
  return gradient;
}
