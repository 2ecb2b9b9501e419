import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import * as composite from '../../src/backend/kernels/steps/composite.js';
import * as ops from '../../src/backend/kernels/steps/ops.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { seededRandom } from '../../src/util/random.js';
import * as reference from './reference-steps.js';
import { normal, onCpu, onWasm, withoutLeaks } from './support.js';

/** Every form of the kernels of networks in time steps, as kernels.test.ts has them of the others. */
const FORMS = [
  { title: 'on wasm, multiply–add rounded twice', start: onWasm('separate'), ops },
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'on wasm, fused multiply–add', start: onWasm('fused'), ops }]
    : []),
  { title: 'on cpu', start: onCpu, ops },
  { title: 'composed of tfjs operations', start: onWasm('separate'), ops: composite },
] as const;

/** A single value, odd widths, lanes and vectors; one step and many. [B, T, L, C] and heads. */
const EXTENTS = [
  [1, 1, 1, 1, 1],
  [2, 3, 5, 6, 2],
  [1, 4, 9, 16, 4],
  [3, 5, 7, 24, 3],
  [2, 4, 17, 48, 6],
] as const;

/** Zeros and ones. */
function spikes(seed: number, size: number, rate = 0.3): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: size }, () => (random.float() < rate ? 1 : 0));
}

for (const form of FORMS) {
  describe(`step kernels, ${form.title}`, () => {
    before(form.start);
    after(onWasm(wasmArithmetic()));

    for (const [batch, steps, positions, channels, heads] of EXTENTS) {
      const extent = { batch, steps, positions, channels };
      const shape: [number, number, number, number] = [batch, steps, positions, channels];
      const size = batch * steps * positions * channels;
      const name = `[${shape.join(', ')}]`;

      for (const inputSteps of new Set([steps, 1]))
        for (const normed of [true, false])
          for (const tau of [2, 10])
            it(`lifSteps ${name} of ${inputSteps} steps, tau ${tau}${normed ? ', normed' : ''}`, () => {
              const from: typeof shape = [batch, inputSteps, positions, channels];
              const x = normal(1, (size / steps) * inputSteps, 3);
              const [bias, gamma, beta] = [2, 3, 4].map((seed) => normal(seed, channels, 2));
              const settings = { steps, tau, threshold: 0.5, scale: 0.75 };
              const currents = normed
                ? reference.normalized(x, bias, gamma, beta, 1e-5)
                : x.map((value) => 0.75 * value);
              const { spikes, charged } = reference.lif(currents, inputSteps, settings, extent);
              const margin = Math.min(...charged.map((u) => Math.abs(u - 0.5)));
              assert.ok(margin > 1e-6, 'the seed puts a potential on the threshold');
              withoutLeaks(() => {
                const norm = {
                  ...{
                    bias: tf.tensor1d(bias),
                    gamma: tf.tensor1d(gamma),
                    beta: tf.tensor1d(beta),
                  },
                  epsilon: 1e-5,
                };
                const input = tf.tensor4d(x, from);
                const out = form.ops.lifSteps(input, normed ? norm : undefined, settings);
                assert.deepEqual(out.shape, shape);
                assert.deepEqual(Array.from(out.dataSync()), spikes);
                if (form.ops !== ops || !normed) return;
                const residual = normal(5, (size / steps) * inputSteps);
                const stream = tf.tensor4d(residual, from);
                const unscaled = { steps, tau, threshold: 0.5 };
                for (const withSpikes of [false, true]) {
                  const both = ops.lifResidual(input, norm, unscaled, stream, withSpikes);
                  const plane = positions * channels;
                  const sums = spikes.map((spike, at) => {
                    const [n, t] = [Math.floor(at / plane / steps), Math.floor(at / plane) % steps];
                    const step = Math.min(t, inputSteps - 1);
                    const beside = residual[(n * inputSteps + step) * plane + (at % plane)];
                    return Math.fround(beside + spike);
                  });
                  assert.deepEqual(Array.from(both.out.dataSync()), sums);
                  const apart = both.spikes && Array.from(both.spikes.dataSync());
                  assert.deepEqual(apart, withSpikes ? spikes : undefined);
                }
              });
            });

      it(`spikeAttention ${name}, ${heads} heads`, () => {
        const [q, k, v] = [6, 7, 8].map((seed) => spikes(seed, size));
        const weights = Array.from({ length: batch * positions }, (_, at) => (at * 5) % 4);
        withoutLeaks(() => {
          const [queries, keys, values] = [q, k, v].map((one) => tf.tensor4d(one, shape));
          const counts = tf.tensor2d(weights, [batch, positions]);
          const out = form.ops.spikeAttention(queries, keys, values, counts, heads);
          // Whole numbers: exact.
          assert.deepEqual(
            Array.from(out.dataSync()),
            reference.spikeAttention(q, k, v, weights, heads, extent),
          );
        });
      });
    }

    it('lifSteps fires at the threshold itself, and resets to 0', () => {
      withoutLeaks(() => {
        const x = tf.tensor4d([2, 1, 2, 1], [1, 4, 1, 1]);
        const out = form.ops.lifSteps(x, undefined, { steps: 4, tau: 2, threshold: 1 });
        assert.deepEqual(Array.from(out.dataSync()), [1, 0, 1, 0]);
      });
    });
  });
}
