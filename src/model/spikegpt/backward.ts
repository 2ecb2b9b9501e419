import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import {
  layerNormBackward,
  maskedMeanBackward,
  sparseMatMul,
  spikesBackward,
  squaredReluMatMulBackward,
  tokenMixBackward,
  transpose,
  wkvBackward,
} from '../../backend/kernels/backward/ops.js';
import { layerNorm, maskedMean, matMul, squaredReluMatMul } from '../../backend/kernels/ops.js';
import type { ClassLoss, TokenLoss } from '../family.js';
import {
  insideOf,
  normalized,
  placeOf,
  type ChannelInside,
  type Parts,
  type StageInside,
  type TimeInside,
} from './inside.js';
import { joinedTerms, lossBack, type Guide, type LossTerms } from './loss-back.js';

/** Gradients on the device, by parameter, in the checkpoint's layout. */
export type Found = Record<string, Tensor>;

/** The gradient by the input of a part of the network, and those by the parameters in it. */
export interface Back {
  readonly dx: Tensor3D;
  readonly found: Found;
}

/** Of [rows, V] logits, as many as are held at once. */
const LOGITS_AT_ONCE = 1 << 21;

/** From the loss of each position to the stream after the last stage. */
export function tokensBack(
  { weights, config }: Parts,
  x: Tensor3D,
  { targets, weights: shares, pull = 0 }: TokenLoss,
  guide?: Guide,
): Back & LossTerms {
  const gamma = weights.vector('ln_out.weight');
  const [batch, time, width] = x.shape;
  const rows = batch * time;
  const normed = layerNorm(x, gamma, weights.vector('ln_out.bias'));
  const hidden: Tensor2D = tf.reshape(normed, [rows, width]);
  const head = weights.matrix('head.weight');
  const turned = transpose(head);
  const most = Math.max(1, Math.floor(LOGITS_AT_ONCE / config.vocabSize));
  const terms: LossTerms[] = [];
  const dhidden: Tensor2D[] = [];
  let dhead: Tensor2D = tf.zeros([config.vocabSize, width]);
  for (let from = 0; from < rows; from += most) {
    const to = Math.min(rows, from + most);
    const found = tf.tidy(() => {
      const part = tf.slice(hidden, [from, 0], [to - from, width]);
      const { dlogits, ...rest } = lossBack(
        matMul(part, head),
        { targets: targets.subarray(from, to), shares: shares.subarray(from, to), from },
        ...([pull, guide] as const),
      );
      const sum = tf.add<Tensor2D>(dhead, matMul(transpose(dlogits), part));
      return { terms: rest, back: matMul(dlogits, turned), sum };
    });
    terms.push(found.terms);
    dhidden.push(found.back);
    dhead.dispose();
    dhead = found.sum;
  }
  const dnormed = tf.reshape<tf.Rank.R3>(tf.concat(dhidden), [batch, time, width]);
  const { dx, dgamma, dbeta } = layerNormBackward(x, gamma, dnormed);
  return {
    dx,
    ...joinedTerms(terms),
    found: { 'head.weight': dhead, 'ln_out.weight': dgamma, 'ln_out.bias': dbeta },
  };
}

/** From the loss of each sequence to the stream after the last stage. */
export function classesBack(
  { weights }: Parts,
  x: Tensor3D,
  { labels, lengths, pooling, weights: shares }: ClassLoss,
  guide?: Guide,
): Back & LossTerms {
  const gamma = weights.vector('ln_out.weight');
  const [batch, time] = x.shape;
  const counted = pooling === 'real-tokens' ? lengths : new Int32Array(batch).fill(time);
  const counts = tf.tensor1d(counted, 'int32');
  const classifier = weights.matrix('classifier.weight');
  const pooled = maskedMean(layerNorm(x, gamma, weights.vector('ln_out.bias')), counts);
  const rows = { targets: labels, shares, from: 0 };
  const { dlogits, ...terms } = lossBack(matMul(pooled, classifier), rows, 0, guide);
  const dpooled = matMul(dlogits, transpose(classifier));
  const dnormed = maskedMeanBackward(dpooled, counts, time);
  const { dx, dgamma, dbeta } = layerNormBackward(x, gamma, dnormed);
  return {
    dx,
    ...terms,
    found: {
      'classifier.weight': matMul(transpose(dlogits), pooled),
      'ln_out.weight': dgamma,
      'ln_out.bias': dbeta,
    },
  };
}

/**
 * From the stream after a stage to the stream before it.
 *
 * @param kept of the way there; computed again where it was not kept
 */
export function stageBack(
  parts: Parts,
  stage: number,
  x: Tensor3D,
  dout: Tensor3D,
  kept?: StageInside,
): Back {
  const place = placeOf(parts, stage);
  const input = place.norm0 === undefined ? x : normalized(parts, place.norm0, x);
  const inside = kept ?? insideOf(parts, place, input);
  const { module, norm } = place;
  const back =
    inside.kind === 'time'
      ? timeBack(parts, module, norm, input, inside, dout)
      : channelBack(parts, module, norm, input, inside, dout);
  if (place.norm0 === undefined) return back;
  const gamma = parts.weights.vector(`${place.norm0}.weight`);
  const { dx, dgamma, dbeta } = layerNormBackward(x, gamma, back.dx);
  const norms = { [`${place.norm0}.weight`]: dgamma, [`${place.norm0}.bias`]: dbeta };
  return { dx, found: { ...back.found, ...norms } };
}

/** Through a linear layer: the gradient by its input, and by its weight as [out, in]. */
function linearBack(
  x: Tensor3D,
  weight: Tensor2D,
  dy: Tensor3D,
): { readonly dx: Tensor3D; readonly dweight: Tensor2D } {
  const [batch, time, width] = x.shape;
  const rows = batch * time;
  const [input, output]: Tensor2D[] = [
    tf.reshape(x, [rows, width]),
    tf.reshape(dy, [rows, weight.shape[1]]),
  ];
  return {
    dx: tf.reshape(matMul(output, transpose(weight)), x.shape),
    dweight: matMul(transpose(output), input),
  };
}

/** Through layer norm, token shift and the addition to the stream. */
function mixBack(
  { weights }: Parts,
  module: string,
  norm: string,
  x: Tensor3D,
  dout: Tensor3D,
  dmixed: readonly Tensor3D[],
): Back {
  const [gamma, beta] = ['weight', 'bias'].map((part) => weights.vector(`${norm}.${part}`));
  const mixes = weights.matrix(`${module}.mixes`);
  const { dx, dgamma, dbeta, dmixes } = tokenMixBackward(x, gamma, beta, mixes, dmixed);
  return {
    dx: tf.add<Tensor3D>(dx, dout),
    found: { [`${norm}.weight`]: dgamma, [`${norm}.bias`]: dbeta, [`${module}.mixes`]: dmixes },
  };
}

function timeBack(
  parts: Parts,
  module: string,
  norm: string,
  x: Tensor3D,
  { mixed, k, v, r, average, current }: TimeInside,
  dout: Tensor3D,
): Back {
  const { weights } = parts;
  const weightOf = (name: string): Tensor2D => weights.matrix(`${module}.${name}.weight`);
  const [decay, first] = ['decay', 'first'].map((name) => weights.vector(`${module}.time_${name}`));
  const names = ['key', 'value', 'receptance'];
  const { dx: dcurrent } = spikesBackward(current, undefined, dout);
  const output = linearBack(average, weightOf('output'), dcurrent);
  const { dk, dv, dr, ddecay, dfirst } = wkvBackward(k, v, r, decay, first, output.dx);
  const inner = [dk, dv, dr].map((d, at) => linearBack(mixed[at], weightOf(names[at]), d));
  const back = mixBack(
    ...([parts, module, norm, x, dout] as const),
    inner.map(({ dx }) => dx),
  );
  const matrices = [...inner, output].map(
    ({ dweight }, at) => [`${module}.${[...names, 'output'][at]}.weight`, dweight] as const,
  );
  return {
    dx: back.dx,
    found: {
      ...back.found,
      ...Object.fromEntries(matrices),
      [`${module}.time_decay`]: ddecay,
      [`${module}.time_first`]: dfirst,
    },
  };
}

function channelBack(
  parts: Parts,
  module: string,
  norm: string,
  x: Tensor3D,
  { mixed, hidden, gate, current }: ChannelInside,
  dout: Tensor3D,
): Back {
  const { weights } = parts;
  const weightOf = (name: string): Tensor2D => weights.matrix(`${module}.${name}.weight`);
  const [batch, time, width] = x.shape;
  const rows = batch * time;
  const { dx: dcurrent, dgate } = spikesBackward(current, gate, dout);
  const width4 = hidden.shape[2];
  const [flat, dflat]: Tensor2D[] = [
    tf.reshape(hidden, [rows, width4]),
    tf.reshape(dcurrent, [rows, width]),
  ];
  // Of the activations most are zero, and so are the gradients by them: products skip them on the way back too.
  const columns = tf.reshape<tf.Rank.R3>(transpose(flat), [1, width4, rows]);
  const dvalue = tf.reshape<tf.Rank.R2>(squaredReluMatMul(columns, dflat), [width4, width]);
  const dhidden = squaredReluMatMulBackward(flat, dflat, weightOf('value'));
  const input: Tensor2D = tf.reshape(mixed[0], [rows, width]);
  const dinput = sparseMatMul(dhidden, transpose(weightOf('key')));
  const dkey = sparseMatMul(transpose(dhidden), input);
  const receptance = linearBack(mixed[1], weightOf('receptance'), dgate!);
  const back = mixBack(parts, module, norm, x, dout, [tf.reshape(dinput, x.shape), receptance.dx]);
  return {
    dx: back.dx,
    found: {
      ...back.found,
      [`${module}.key.weight`]: dkey,
      [`${module}.value.weight`]: transpose(dvalue),
      [`${module}.receptance.weight`]: receptance.dweight,
    },
  };
}
