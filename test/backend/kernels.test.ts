import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import * as composite from '../../src/backend/kernels/composite.js';
import { LAYER_NORM_EPSILON, EMPTY_EXPONENT } from '../../src/backend/kernels/names.js';
import * as ops from '../../src/backend/kernels/ops.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { HAS_NATIVE } from '../support/native.js';
import * as reference from './reference-kernels.js';
import { close, normal, onCpu, onWasm, withoutLeaks } from './support.js';

const onNative = async (): Promise<void> => {
  await startBackend('tensorflow');
};

/**
 * Every fast form: our kernels on wasm and cpu, and the whole-tensor scans that `tensorflow` runs. Where
 * the processor or the engine has no fused multiply–add, `fused` cannot be compiled or rounds twice.
 */
const FORMS = [
  { title: 'kernels on wasm, multiply–add rounded twice', start: onWasm('separate'), ops },
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'kernels on wasm, fused multiply–add', start: onWasm('fused'), ops }]
    : []),
  { title: 'kernels on cpu', start: onCpu, ops },
  { title: 'composed of tfjs operations', start: onWasm('separate'), ops: composite },
  ...(HAS_NATIVE
    ? [
        { title: 'operations of native TensorFlow', start: onNative, ops },
        { title: 'composed of native operations', start: onNative, ops: composite },
      ]
    : []),
] as const;

/** One group of lanes and below, an odd width, the width of the bundled model; one token, many. */
const EXTENTS = [
  { batch: 1, time: 1, channels: 1 },
  { batch: 2, time: 5, channels: 3 },
  { batch: 2, time: 1, channels: 6 },
  { batch: 3, time: 17, channels: 10 },
  { batch: 1, time: 150, channels: 48 },
  { batch: 2, time: 33, channels: 192 },
] as const;

/** Rows, inner and columns: single ones, edges of tiles, panels and blocks, the head of the bundled model. */
const PRODUCTS = [
  [1, 1, 1],
  [1, 7, 5],
  [5, 12, 50],
  [6, 3, 4],
  [7, 5, 12],
  [8, 33, 13],
  [10, 20, 47],
  [31, 16, 48],
  [9, 64, 101],
  [50, 192, 192],
  [20, 192, 4096],
  // More than the logits that are held at once.
  [130, 2, 16400],
] as const;

for (const form of FORMS) {
  describe(`spiking kernels, ${form.title}`, () => {
    before(form.start);
    // As other suites find it.
    after(onWasm(wasmArithmetic()));

    for (const extent of EXTENTS) {
      const { batch, time, channels } = extent;
      const size = batch * time * channels;
      const shape: [number, number, number] = [batch, time, channels];
      const name = `[${shape.join(', ')}]`;

      it(`layerNorm ${name}`, () => {
        const [x, gamma, beta] = [normal(1, size, 3), normal(2, channels), normal(3, channels)];
        withoutLeaks(() => {
          const out = form.ops.layerNorm(
            tf.tensor3d(x, shape),
            tf.tensor1d(gamma),
            tf.tensor1d(beta),
          );
          close(out.dataSync(), reference.layerNorm(x, gamma, beta, LAYER_NORM_EPSILON), 2e-5);
        });
      });

      for (const mixes of [1, 2, 3])
        it(`tokenMix ${name}, ${mixes} mixes`, () => {
          const [x, gamma, beta] = [normal(4, size, 3), normal(5, channels), normal(6, channels)];
          const mix = normal(7, mixes * channels);
          const shift = normal(8, batch * channels);
          const normed = reference.layerNorm(x, gamma, beta, LAYER_NORM_EPSILON);
          withoutLeaks(() => {
            const result = form.ops.tokenMix(
              tf.tensor3d(x, shape),
              tf.tensor1d(gamma),
              tf.tensor1d(beta),
              tf.tensor2d(mix, [mixes, channels]),
              tf.tensor2d(shift, [batch, channels]),
            );
            assert.equal(result.mixed.length, mixes);
            result.mixed.forEach((mixed, index) => {
              const row = mix.slice(index * channels, (index + 1) * channels);
              close(mixed.dataSync(), reference.tokenShift(normed, row, shift, extent), 5e-5);
            });
            const last = Array.from({ length: batch }, (_, n) =>
              normed.slice(((n + 1) * time - 1) * channels, (n + 1) * time * channels),
            );
            close(result.last.dataSync(), last.flat(), 2e-5);
          });
        });

      for (const scale of [1, 30])
        it(`wkv ${name}, keys of size ${scale}, in one piece and cut in two`, () => {
          const [k, v, r] = [normal(9, size, scale), normal(10, size), normal(11, size)];
          const [decay, first] = [normal(12, channels, 2), normal(13, channels)];
          const expected = reference.wkv(k, v, r, decay, first, extent);
          withoutLeaks(() => {
            const empty = tf.concat<tf.Tensor3D>(
              [tf.zeros([batch, 2, channels]), tf.fill([batch, 1, channels], EMPTY_EXPONENT)],
              1,
            );
            const inputs = [k, v, r].map((values) => tf.tensor3d(values, shape));
            const run = (from: number, count: number, state: tf.Tensor3D) => {
              const [keys, values, gates] = inputs.map((input) =>
                tf.slice(input, [0, from, 0], [batch, count, channels]),
              );
              return form.ops.wkv(
                keys,
                values,
                gates,
                tf.tensor1d(decay),
                tf.tensor1d(first),
                state,
              );
            };
            const whole = run(0, time, empty);
            close(whole.out.dataSync(), expected, 2e-5 * scale);
            if (time < 2) return;
            const cut = Math.floor(time / 3) + 1;
            const head = run(0, cut, empty);
            const tail = run(cut, time - cut, head.state);
            const joined = tf.concat([head.out, tail.out], 1);
            close(joined.dataSync(), expected, 2e-5 * scale);
          });
        });

      for (const gated of [false, true])
        it(`spikingResidual ${name}${gated ? ', gated' : ''}, in one piece and cut in two`, () => {
          const [x, gate, residual] = [normal(14, size, 3), normal(15, size), normal(16, size)];
          const current = gated ? x.map((value, i) => value / (1 + Math.exp(-gate[i]))) : x;
          const { spikes, charged } = reference.lif(current, extent);
          const margin = Math.min(...charged.map((h) => Math.abs(h - 1)));
          assert.ok(margin > 1e-6, 'the seed puts a potential on the threshold: choose another');
          withoutLeaks(() => {
            const inputs = [x, gate, residual].map((values) => tf.tensor3d(values, shape));
            const run = (from: number, count: number, membrane: tf.Tensor2D) => {
              const [values, open, stream] = inputs.map((input) =>
                tf.slice(input, [0, from, 0], [batch, count, channels]),
              );
              const chosen = gated ? open : undefined;
              return form.ops.spikingResidual(values, chosen, stream, membrane, true);
            };
            const rest: tf.Tensor2D = tf.zeros([batch, channels]);
            const whole = run(0, time, rest);
            assert.ok(whole.spikes);
            assert.deepEqual(Array.from(whole.spikes.dataSync()), spikes);
            close(
              whole.out.dataSync(),
              residual.map((value, i) => value + spikes[i]),
              1e-6,
            );
            if (time < 2) return;
            const cut = Math.floor(time / 3) + 1;
            const head = run(0, cut, rest);
            const tail = run(cut, time - cut, head.membrane);
            assert.ok(head.spikes && tail.spikes);
            const joined = tf.concat([head.spikes, tail.spikes], 1);
            assert.deepEqual(Array.from(joined.dataSync()), spikes);
          });
        });

      it(`maskedMean ${name}`, () => {
        const x = normal(17, size);
        const lengths = Array.from({ length: batch }, (_, n) => 1 + ((n * 7) % time));
        withoutLeaks(() => {
          const out = form.ops.maskedMean(tf.tensor3d(x, shape), tf.tensor1d(lengths, 'int32'));
          close(out.dataSync(), reference.maskedMean(x, lengths, extent), 1e-5);
        });
      });
    }

    it('fires at the threshold itself, and resets to 0', () => {
      withoutLeaks(() => {
        // h: 1 (fires, reset), 0.5, 1.25 (fires), 0.5: exact in float32.
        const x = tf.tensor3d([2, 1, 2, 1], [1, 4, 1]);
        const zero: tf.Tensor3D = tf.zeros([1, 4, 1]);
        const { spikes, membrane } = form.ops.spikingResidual(
          x,
          undefined,
          zero,
          tf.zeros([1, 1]),
          true,
        );
        assert.deepEqual(Array.from(spikes?.dataSync() ?? []), [1, 0, 1, 0]);
        assert.deepEqual(Array.from(membrane.dataSync()), [0.5]);
      });
    });

    it('keeps wkv finite where plain exponentials overflow', () => {
      withoutLeaks(() => {
        const k = tf.tensor3d([200, -200, 150, 90], [1, 4, 1]);
        const v = tf.tensor3d([1, 2, 3, 4], [1, 4, 1]);
        const r = tf.tensor3d([100, 100, 100, 100], [1, 4, 1]);
        const state = tf.tensor3d([0, 0, EMPTY_EXPONENT], [1, 3, 1]);
        const { out } = form.ops.wkv(k, v, r, tf.tensor1d([0]), tf.tensor1d([0]), state);
        // e^200 outweighs all else: after token 0 the average stays at its value.
        close(out.dataSync(), [1, 1, 1, 1], 1e-6);
      });
    });

    for (const [rows, hidden, channels] of [
      [1, 1, 1],
      [2, 7, 3],
      [5, 12, 4],
      [33, 30, 10],
      [40, 64, 48],
      [3, 96, 106],
      [70, 768, 192],
      [9, 300, 52],
      [8, 513, 24],
    ])
      it(`squaredReluMatMul [${rows}, ${hidden}] · [${hidden}, ${channels}]`, () => {
        // Shifted down so that most activations are zero; one row has none at all.
        const x = normal(18, rows * hidden).map((value, index) =>
          index < hidden ? -1 : Math.fround(value - 0.8),
        );
        const weights = normal(20, hidden * channels);
        withoutLeaks(() => {
          const out = form.ops.squaredReluMatMul(
            tf.tensor3d(x, [1, rows, hidden]),
            tf.tensor2d(weights, [hidden, channels]),
          );
          assert.deepEqual(out.shape, [1, rows, channels]);
          close(out.dataSync(), reference.squaredReluMatMul(x, weights, hidden), 2e-5);
        });
      });

    for (const channels of [1, 6, 192])
      it(`gatherRows of ${channels} channels`, () => {
        const table = normal(21, 11 * channels);
        const indices = [0, 10, 3, 3, 7];
        withoutLeaks(() => {
          const out = form.ops.gatherRows(
            tf.tensor2d(table, [11, channels]),
            tf.tensor1d(indices, 'int32'),
          );
          const rows = indices.map((row) => table.slice(row * channels, (row + 1) * channels));
          assert.deepEqual(Array.from(out.dataSync()), rows.flat());
        });
      });

    it('squaredReluMatMul hides no NaN', () => {
      withoutLeaks(() => {
        const x = tf.tensor3d([-1, NaN, 0, 2, -3, 4, 1, 1], [1, 2, 4]);
        const weights: tf.Tensor2D = tf.ones([4, 5]);
        const out = Array.from(form.ops.squaredReluMatMul(x, weights).dataSync());
        assert.ok(out.slice(0, 5).every((value) => Number.isNaN(value)));
        assert.deepEqual(out.slice(5), [18, 18, 18, 18, 18]);
      });
    });

    for (const classes of [1, 3, 5, 331, 4096])
      it(`tokenNll over ${classes} classes`, () => {
        const rows = 7;
        const logits = normal(19, rows * classes, 8);
        const targets = Array.from({ length: rows }, (_, row) => (row * 13) % classes);
        withoutLeaks(() => {
          const out = form.ops.tokenNll(
            tf.tensor2d(logits, [rows, classes]),
            tf.tensor1d(targets, 'int32'),
          );
          close(out.dataSync(), reference.tokenNll(logits, targets, classes), 3e-6);
        });
      });

    // The rest is made of these, or TensorFlow.js's own.
    if (form.ops !== ops) return;

    for (const [rows, inner, columns] of PRODUCTS) {
      const x = normal(23, rows * inner);
      const weights = normal(24, inner * columns);

      it(`matMul [${rows}, ${inner}] · [${inner}, ${columns}]`, () => {
        withoutLeaks(() => {
          const out = ops.matMul(
            tf.tensor2d(x, [rows, inner]),
            tf.tensor2d(weights, [inner, columns]),
          );
          assert.deepEqual(out.shape, [rows, columns]);
          close(out.dataSync(), reference.matMul(x, weights, inner), 2e-5);
        });
      });

      it(`headNll [${rows}, ${inner}] · [${inner}, ${columns}]`, () => {
        const targets = Array.from({ length: rows }, (_, row) => (row * 13 + 5) % columns);
        const logits = reference.matMul(x, weights, inner);
        withoutLeaks(() => {
          const out = ops.headNll(
            tf.tensor2d(x, [rows, inner]),
            tf.tensor2d(weights, [inner, columns]),
            tf.tensor1d(targets, 'int32'),
          );
          close(out.dataSync(), reference.tokenNll(logits, targets, columns), 2e-5);
        });
      });
    }

    it('gives a row the same bits whatever rows are beside it', () => {
      const [inner, columns] = [50, 29];
      const x = tf.tensor2d(normal(25, 13 * inner), [13, inner]);
      const weights = tf.tensor2d(normal(26, inner * columns), [inner, columns]);
      const targets = tf.tensor1d(
        Array.from({ length: 13 }, (_, row) => row),
        'int32',
      );
      const products = ops.matMul(x, weights).arraySync();
      const likelihoods = ops.headNll(x, weights, targets).arraySync();
      for (const [from, count] of [
        [0, 1],
        [3, 2],
        [2, 5],
        [1, 7],
        [4, 9],
      ] as const) {
        const some = tf.slice(x, [from, 0], [count, inner]);
        assert.deepEqual(ops.matMul(some, weights).arraySync(), products.slice(from, from + count));
        assert.deepEqual(
          ops.headNll(some, weights, tf.slice(targets, [from], [count])).arraySync(),
          likelihoods.slice(from, from + count),
        );
      }
    });

    it('headNll: NaN and far apart logits', () => {
      const row = [0, 500, -500, 1];
      const x = tf.tensor2d([...row, ...row.map((value) => (value === 0 ? NaN : value))], [2, 4]);
      const identity = tf.eye(4);
      const at = (target: number): number[] =>
        Array.from(ops.headNll(x, identity, tf.tensor1d([target, target], 'int32')).dataSync());
      for (const [target, expected] of [500, 0, 1000, 499].entries()) {
        const [finite, broken] = at(target);
        assert.equal(finite, expected);
        assert.ok(Number.isNaN(broken), `got ${broken}`);
      }
    });
  });
}
