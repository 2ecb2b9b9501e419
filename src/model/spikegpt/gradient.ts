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
import { classesBack, stageBack, tokensBack, type Back, type Found } from './backward.js';
import type { SpikeGPTConfig } from './config.js';
import { disposeInside, insideBytes, stageThere, type Parts, type StageInside } from './inside.js';
import { guideOf } from './loss-back.js';

/**
 * The gradient of a loss, stage by stage. Forward, the stream before each stage is kept, and the inside of as many
 * stages as there is room for; backward, the inside of the others is computed again, one at a time.
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
  const stages = 2 * config.layers;
  const streams = [network.embed(tokens) as Tensor3D];
  const factors = new Map<number, Tensor3D>();
  const drop = (x: Tensor3D, stage: number): Tensor3D => {
    const factor = factors.get(stage);
    return factor === undefined ? x.clone() : tf.mul(x, factor);
  };
  const insides = new Map<number, StageInside>();
  const keptFrom = firstKept(stages, streams[0].size);
  let dx: Tensor3D | undefined;
  const guide = teacher && guideOf(teacher, stages, tokens, loss);
  try {
    for (let stage = 0; stage < stages; stage++) {
      if (dropout !== undefined && stage % 2 === 1)
        factors.set(stage, factorsOf(streams[stage], stage, dropout));
      const { out, inside } = scoped(() => {
        const there = stageThere(parts, stage, streams[stage]);
        const out = drop(there.out, stage);
        return stage < keptFrom ? { out, inside: undefined } : { out, inside: there.inside };
      });
      streams.push(out);
      if (inside !== undefined) insides.set(stage, inside);
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
      const inside = insides.get(stage);
      const back: Back = scoped(() =>
        stageBack(parts, stage, streams[stage], drop(dout, stage), inside),
      );
      dout.dispose();
      factors.get(stage)?.dispose();
      if (inside !== undefined) disposeInside(inside);
      factors.delete(stage);
      insides.delete(stage);
      ({ dx } = back);
      await take(back.found);
    }
    const rows = await readFloat32(dx);
    gradients.set('emb.weight', embeddingGradient(config, rows, tokens, valuesOf));
    return { nll, ...(divergence && { divergence }), gradients };
  } finally {
    guide?.dispose();
    tf.dispose([...streams, ...factors.values()]);
    for (const inside of insides.values()) disposeInside(inside);
    if (dx?.isDisposed === false) dx.dispose();
  }
}

/** Bytes of stages' insides that are kept from the way there to the way back; those beyond are computed twice. */
const KEPT_BYTES = 256e6;

/** The first stage whose inside is kept: the last ones are, as many as there is room for. */
function firstKept(stages: number, values: number): number {
  return Math.max(0, stages - Math.floor(KEPT_BYTES / insideBytes(values)));
}

/** Factors of a stage's output, forward, and of its gradient, on the way back. */
function factorsOf(
  { size, shape }: Tensor3D,
  stage: number,
  { rate, seed }: NonNullable<GradientOptions['dropout']>,
): Tensor3D {
  // Stages apart by more than there are values in a stream of any size here.
  return tf.tensor3d(dropoutFactors(size, rate, seed ^ Math.imul(stage + 1, 0x9e3779b1)), shape);
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
