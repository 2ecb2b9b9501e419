import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { divergenceBackward, nllBackward } from '../../backend/kernels/backward/ops.js';
import type { Loss, Teacher } from '../family.js';
import type { TokenBatch } from '../types.js';

/** Terms of a loss, of each target or label. */
export interface LossTerms {
  /** [N] */
  readonly nll: Tensor1D;
  /** [N]; absent without a teacher. */
  readonly divergence?: Tensor1D;
}

/** A teacher with one batch's outputs at hand. */
export interface Guide extends Pick<Teacher, 'weight' | 'temperature'> {
  /** Its logits of rows `from` up to `to` of the targets or labels, [to − from, V]. */
  readonly logits: (from: number, to: number) => Tensor2D;
  /** Frees its stream. */
  readonly dispose: () => void;
}

/** Runs a teacher over a batch. Of it the stream is kept, [B, T, C]; logits are made a part at a time. */
export function guideOf(
  { network, weight, temperature }: Teacher,
  stages: number,
  tokens: TokenBatch,
  loss: Loss,
): Guide {
  const stream = tf.tidy(() =>
    network.runStages(network.embed(tokens), 0, stages, tokens),
  ) as Tensor3D;
  const [batch, time, width] = stream.shape;
  const dispose = (): void => {
    stream.dispose();
  };
  const logits = (from: number, to: number): Tensor2D => {
    if (loss.kind === 'classes')
      return network.classLogits!(stream, loss.lengths, loss.pooling, time) as Tensor2D;
    const rows: Tensor2D = tf.reshape(stream, [batch * time, width]);
    const some = tf.slice(rows, [from, 0], [to - from, width]);
    const found = network.tokenLogits!(tf.reshape(some, [1, to - from, width]));
    return tf.reshape(found, [to - from, found.size / (to - from)]);
  };
  return { weight, temperature, logits, dispose };
}

/**
 * Terms of the loss of some targets, and its gradient by their logits, [N, V].
 *
 * @param from row of the first of them among all, for the guide
 */
export function lossBack(
  logits: Tensor2D,
  { targets, shares, from }: { targets: Int32Array; shares: Float32Array; from: number },
  pull: number,
  guide: Guide | undefined,
): LossTerms & { readonly dlogits: Tensor2D } {
  const [wanted, weights] = [tf.tensor1d(targets, 'int32'), tf.tensor1d(shares)];
  if (guide === undefined) return nllBackward(logits, wanted, weights, pull);
  const { weight, temperature } = guide;
  const own = tf.mul<Tensor1D>(weights, 1 - weight);
  const { nll, dlogits } = nllBackward(logits, wanted, own, pull);
  const toward = divergenceBackward(
    ...([logits, guide.logits(from, from + targets.length)] as const),
    ...([tf.mul<Tensor1D>(weights, weight), temperature] as const),
  );
  const { divergence } = toward;
  return { nll, divergence, dlogits: tf.add<Tensor2D>(dlogits, toward.dlogits) };
}

/** Terms of all parts, joined. */
export function joinedTerms(parts: readonly LossTerms[]): LossTerms {
  const divergences = parts.flatMap(({ divergence }) => divergence ?? []);
  return {
    nll: tf.concat(parts.map(({ nll }) => nll)),
    ...(divergences.length > 0 && { divergence: tf.concat(divergences) }),
  };
}
