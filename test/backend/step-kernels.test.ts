import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { matMul } from '../../src/backend/kernels/ops.js';
import * as composite from '../../src/backend/kernels/steps/composite.js';
import { WORD_STEPS } from '../../src/backend/kernels/steps/names.js';
import * as ops from '../../src/backend/kernels/steps/ops.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { seededRandom } from '../../src/util/random.js';
import * as reference from './reference-steps.js';
import { close, normal, onCpu, onWasm, withoutLeaks } from './support.js';

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

/** Values without a sign of 0, which some forms give silence. */
const signed = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync(), (value) => value + 0);

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

      for (const inputSteps of new Set([steps, 1]))
        for (const remembers of [true, false])
          it(`ternarySteps ${name} of ${inputSteps} steps${remembers ? '' : ', no memory'}`, () => {
            const x = normal(9, (size / steps) * inputSteps, 2);
            const bias = normal(10, channels);
            const amplitudes = Array.from({ length: steps }, (_, t) => Math.fround(0.7 + 0.4 * t));
            const expected = reference.ternary(x, bias, amplitudes, inputSteps, remembers, extent);
            assert.ok(expected.margin > 1e-6, 'the seed puts a potential on the threshold');
            withoutLeaks(() => {
              const from: typeof shape = [batch, inputSteps, positions, channels];
              const alphas = tf.tensor1d(amplitudes);
              const input = tf.tensor4d(x, from);
              const out = form.ops.ternarySteps(input, tf.tensor1d(bias), alphas, remembers);
              assert.deepEqual(out.shape, shape);
              assert.deepEqual(signed(out), expected.spikes);
              const plain = form.ops.ternarySteps(input, undefined, alphas, remembers);
              const zeros = new Array<number>(channels).fill(0);
              const other = reference.ternary(x, zeros, amplitudes, inputSteps, remembers, extent);
              assert.deepEqual(signed(plain), other.spikes);
            });
          });

      it(`softmaxAttention ${name}, ${heads} heads`, () => {
        const [q, k, v] = [11, 12, 13].map((seed) => normal(seed, size));
        const bias = normal(14, channels);
        const lengths = Array.from({ length: batch }, (_, n) => 1 + ((3 * n + 4) % positions));
        withoutLeaks(() => {
          const [queries, keys, values] = [q, k, v].map((one) => tf.tensor4d(one, shape));
          const real = tf.tensor1d(lengths, 'int32');
          const out = form.ops.softmaxAttention(
            ...([queries, tf.tensor1d(bias), keys, values, real] as const),
            heads,
          );
          const expected = reference.softmaxAttention(q, bias, k, v, lengths, heads, extent);
          close(out.dataSync(), expected, 1e-5);
        });
      });

      it(`biasGelu ${name}`, () => {
        const [x, bias] = [normal(15, size, 3), normal(16, channels)];
        withoutLeaks(() => {
          const out = form.ops.biasGelu(tf.tensor4d(x, shape), tf.tensor1d(bias));
          close(out.dataSync(), reference.biasGelu(x, bias), 3e-6);
        });
      });

      for (const residualSteps of new Set([steps, 1]))
        it(`addNorm ${name}, a residual of ${residualSteps} steps`, () => {
          const x = normal(17, size, 2);
          const residual = normal(18, (size / steps) * residualSteps, 2);
          const [bias, gamma, beta] = [19, 20, 21].map((seed) => normal(seed, channels));
          const sums = x.map(
            (value, at) => value + reference.atStep(residual, residualSteps, extent, at),
          );
          withoutLeaks(() => {
            const norm = {
              ...{ bias: tf.tensor1d(bias), gamma: tf.tensor1d(gamma), beta: tf.tensor1d(beta) },
              epsilon: 1e-5,
            };
            const beside = tf.tensor4d(residual, [batch, residualSteps, positions, channels]);
            const out = form.ops.addNorm(tf.tensor4d(x, shape), beside, norm);
            const expected = reference.normalized(sums, bias, gamma, beta, 1e-5);
            close(out.dataSync(), expected, 5e-5);
          });
        });

      it(`integrateFire ${name}, in one piece and cut in two`, () => {
        const [x, bias] = [normal(22, size), normal(23, channels, 0.3)];
        const expected = reference.integrateFire(x, bias, 0.5, extent);
        assert.ok(expected.margin > 1e-6, 'the seed puts a potential on the threshold');
        withoutLeaks(() => {
          const input = tf.tensor4d(x, shape);
          const added = tf.tensor1d(bias);
          const rest: tf.Tensor3D = tf.zeros([batch, positions, channels]);
          const whole = form.ops.integrateFire(input, added, rest, 0.5);
          assert.deepEqual(Array.from(whole.spikes.dataSync()), expected.spikes);
          if (steps === 1) return;
          const part = (from: number, count: number, membrane: tf.Tensor3D) =>
            form.ops.integrateFire(
              tf.slice(input, [0, from, 0, 0], [batch, count, positions, channels]),
              ...([added, membrane, 0.5] as const),
            );
          const head = part(0, 1, rest);
          const tail = part(1, steps - 1, head.membrane);
          const joined = tf.concat([head.spikes, tail.spikes], 1);
          assert.deepEqual(Array.from(joined.dataSync()), expected.spikes);
          close(tail.membrane.dataSync(), Array.from(whole.membrane.dataSync()), 1e-6);
        });
      });

      for (const count of [steps, WORD_STEPS])
        it(`packSteps and unpackSteps of ${count} steps, ${name}`, () => {
          const fired = spikes(24, (size / steps) * count, 0.5);
          withoutLeaks(() => {
            const input = tf.tensor4d(fired, [batch, count, positions, channels]);
            const words = form.ops.packSteps(input);
            assert.deepEqual(words.shape, [batch, 1, positions, channels]);
            const [first] = words.dataSync();
            const plane = positions * channels;
            const bits = Array.from({ length: count }, (_, t) => fired[t * plane] * 2 ** t);
            assert.equal(
              first,
              bits.reduce((sum, bit) => sum + bit, 0),
            );
            const back = form.ops.unpackSteps(words, count);
            assert.deepEqual(Array.from(back.dataSync()), fired);
          });
        });
    }

    // Composed it is matMul itself.
    for (const rate of form.ops === ops ? [0, 0.1, 0.35, 0.9] : [])
      for (const [rows, inner, columns] of [
        [1, 5, 3],
        [9, 300, 28],
        [70, 96, 48],
      ] as const)
        it(`spikeMatMul [${rows}, ${inner}] · [${inner}, ${columns}], ${rate} spikes, is matMul`, () => {
          withoutLeaks(() => {
            const x = tf.tensor2d(spikes(27, rows * inner, rate), [rows, inner]);
            const weights = tf.tensor2d(normal(28, inner * columns), [inner, columns]);
            const out = ops.spikeMatMul(x, weights);
            assert.deepEqual(out.shape, [rows, columns]);
            assert.deepEqual(out.dataSync(), matMul(x, weights).dataSync());
          });
        });

    it('ternarySteps is silent at half the amplitude, and keeps the membrane after −α alone', () => {
      withoutLeaks(() => {
        const alphas = tf.tensor1d([1, 1, 1, 1]);
        // m: 0.5 (silent), 0.125 − 0.75 = −0.625 (−1), 0.25 · −0.625 · 2 + 1 = 0.6875 (+1), 0.
        const x = tf.tensor4d([0.5, -0.75, 1, 0], [1, 4, 1, 1]);
        const out = form.ops.ternarySteps(x, undefined, alphas, true);
        assert.deepEqual(
          Array.from(out.dataSync(), (value) => value + 0),
          [0, -1, 1, 0],
        );
      });
    });

    it('softmaxAttention is 1 exactly where all values are', () => {
      withoutLeaks(() => {
        const shape: [number, number, number, number] = [1, 1, 7, 8];
        const [q, k] = [25, 26].map((seed) => tf.tensor4d(normal(seed, 56, 2), shape));
        const zeros: tf.Tensor1D = tf.zeros([8]);
        const lengths = tf.tensor1d([7], 'int32');
        const out = form.ops.softmaxAttention(q, zeros, k, tf.ones(shape), lengths, 2);
        const values = Array.from(out.dataSync());
        // Composed, the weights are rounded each before they are added.
        if (form.ops === ops) assert.deepEqual(values, new Array(56).fill(1));
        else close(values, new Array<number>(56).fill(1), 1e-6);
      });
    });

    it('lifSteps fires at the threshold itself, and resets to 0', () => {
      withoutLeaks(() => {
        const x = tf.tensor4d([2, 1, 2, 1], [1, 4, 1, 1]);
        const out = form.ops.lifSteps(x, undefined, { steps: 4, tau: 2, threshold: 1 });
        assert.deepEqual(Array.from(out.dataSync()), [1, 0, 1, 0]);
      });
    });
  });
}
