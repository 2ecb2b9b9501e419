import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { LEAST_AMPLITUDE, TERNARY_DECAY } from '../../backend/kernels/steps/names.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { Layout } from '../../layout/layout.js';
import type { TokenBatch } from '../types.js';
import type { SpikeLMConfig } from './config.js';
import { SpikeLMNetwork, type Current } from './network.js';

/**
 * The amplitudes that the published code gives a SpikeLM with its first batch: α_t = 2 · mean |m_t| over all of
 * the batch, padding too, step after step, each layer fed by those before it. It does so for every amplitude
 * that is 1 exactly, in evaluation as well.
 *
 * @param checkpoint of a SpikeLM; its own amplitudes are not looked at
 * @param tokens the batch
 * @returns by the amplitude's name in the checkpoint
 * Source: SpikeLM, spikeLM-BERT/spiking.py.
 */
export async function calibrateAmplitudes(
  checkpoint: Checkpoint,
  { config, layout }: { readonly config: SpikeLMConfig; readonly layout: Layout },
  tokens: TokenBatch,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const network = new SpikeLMNetwork(config, (neurons, current) => {
    const amplitudes = amplitudesOf(current, config.timeSteps);
    for (const [step, value] of amplitudes.entries()) found.set(`${neurons}.${step}`, value);
    return amplitudes;
  });
  try {
    for (const { name } of layout.parameters)
      network.setParameter(name, await checkpoint.readFloat32(name));
    tf.tidy(() => {
      network.runStages(network.embed(tokens), 0, layout.stages.length, tokens);
    });
  } finally {
    network.dispose();
  }
  return found;
}

function amplitudesOf({ x, bias, remembers }: Current, steps: number): number[] {
  return tf.tidy(() => {
    const [batch, given, positions, channels] = x.shape;
    const found: number[] = [];
    let rest: Tensor = tf.scalar(0);
    for (let t = 0; t < steps; t++) {
      const from: [number, number, number, number] = [0, Math.min(t, given - 1), 0, 0];
      const step = tf.slice(x, from, [batch, 1, positions, channels]);
      const potential = tf.add<Tensor4D>(bias ? tf.add(step, bias) : step, rest);
      // Read at once: the next step hangs on it. Calibration is done once a model.
      const amplitude = 2 * tf.mean(tf.abs(potential)).dataSync()[0];
      found.push(amplitude);
      const height = Math.max(amplitude, LEAST_AMPLITUDE);
      const signs = tf.clipByValue(tf.round(tf.div(potential, height)), -1, 1);
      if (remembers)
        rest = tf.mul(tf.mul(potential, TERNARY_DECAY), tf.sub(amplitude, tf.mul(signs, height)));
    }
    return found;
  });
}
