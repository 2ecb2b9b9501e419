import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import * as composite from '../../src/backend/kernels/backward/composite.js';
import { dropoutFactors } from '../../src/backend/kernels/backward/dropout.js';
import * as ops from '../../src/backend/kernels/backward/ops.js';
import { LAYER_NORM_EPSILON } from '../../src/backend/kernels/names.js';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { HAS_NATIVE } from '../support/native.js';
import * as reference from './reference-kernels.js';
import { normal, onCpu, onWasm, withoutLeaks } from './support.js';

/** Every form of the gradients, as in kernels.test.ts. */
const FORMS = [
  { title: 'kernels on wasm, multiply–add rounded twice', start: onWasm('separate'), ops },
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'kernels on wasm, fused multiply–add', start: onWasm('fused'), ops }]
    : []),
  { title: 'kernels on cpu', start: onCpu, ops },
  { title: 'composed of tfjs operations', start: onWasm('separate'), ops: composite },
  ...(HAS_NATIVE
    ? [{ title: 'native TensorFlow', start: () => startBackend('tensorflow'), ops }]
    : []),
] as const;

const EXTENTS = [
  { batch: 1, time: 1, channels: 1 },
  { batch: 2, time: 5, channels: 3 },
  { batch: 2, time: 1, channels: 8 },
  { batch: 3, time: 17, channels: 12 },
  { batch: 1, time: 70, channels: 48 },
] as const;

type Values = readonly number[];
/** A function of some arrays in float64. */
type Formula = (...inputs: Values[]) => Values;

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, at) => sum + value * b[at], 0);

/** Half of a central difference's distance: its error is near 1e-9 of the third derivative. */
const STEP = 3e-5;
/** Of float32 sums, beside the lengths of gradient and direction. */
const TOLERANCE = 2e-5;

/**
 * Holds a gradient against central differences of the formula in float64: by each input in turn, along random
 * directions, and along single entries.
 *
 * @param weights of the outputs in the loss
 * @param gradients by each input
 */
function requireGradient(
  formula: Formula,
  inputs: readonly Values[],
  weights: Values,
  gradients: readonly ArrayLike<number>[],
): void {
  assert.equal(gradients.length, inputs.length);
  inputs.forEach((input, which) => {
    const gradient = gradients[which];
    assert.equal(gradient.length, input.length);
    const along = (direction: Values): number => {
      const at = (step: number): number => {
        const moved = input.map((value, i) => value + step * direction[i]);
        return dot(formula(...inputs.with(which, moved)), weights);
      };
      return (at(STEP) - at(-STEP)) / (2 * STEP);
    };
    const single = (entry: number): Values => input.map((_, i) => (i === entry ? 1 : 0));
    const directions = [
      ...[1, 2, 3].map((seed) => normal(900 + seed, input.length)),
      ...[0, Math.floor(input.length / 2), input.length - 1].map(single),
    ];
    for (const direction of directions) {
      const expected = along(direction);
      const actual = dot(gradient, direction);
      const size = Math.sqrt(dot(gradient, gradient) * dot(direction, direction));
      const error = Math.abs(actual - expected);
      assert.ok(
        error <= TOLERANCE * Math.max(1, size),
        `input ${which}: ${actual} along a direction, by differences ${expected}`,
      );
    }
  });
}

const read = (tensors: readonly tf.Tensor[]): Float32Array[] =>
  tensors.map((tensor) => tensor.dataSync<'float32'>());

for (const form of FORMS)
  describe(`gradients of spiking kernels, ${form.title}`, () => {
    before(form.start);
    after(onWasm(wasmArithmetic()));

    for (const extent of EXTENTS) {
      const { batch, time, channels } = extent;
      const size = batch * time * channels;
      const shape: [number, number, number] = [batch, time, channels];
      const name = `[${shape.join(', ')}]`;
      const tensor3 = (values: Values): tf.Tensor3D => tf.tensor3d([...values], shape);
      const vector = (values: Values): tf.Tensor1D => tf.tensor1d([...values]);
      const [dy, x] = [normal(1, size), normal(2, size)];
      const [gamma, beta] = [normal(3, channels), normal(4, channels)];

      it(`layerNorm ${name}`, () => {
        withoutLeaks(() => {
          const found = form.ops.layerNormBackward(tensor3(x), vector(gamma), tensor3(dy));
          // By one channel's variance of 0 nothing can be told.
          requireGradient(
            (x, gamma, beta) => reference.layerNorm(x, gamma, beta, LAYER_NORM_EPSILON),
            ...([[x, gamma, beta], dy] as const),
            read([found.dx, found.dgamma, found.dbeta]),
          );
        });
      });

      for (const count of [1, 2, 3])
        it(`tokenMix with ${count} outputs ${name}`, () => {
          const mixes = normal(5, count * channels);
          const all = normal(6, count * size);
          const part = (mix: number): Values => all.slice(mix * size, (mix + 1) * size);
          const formula: Formula = (x, gamma, beta, mixes) => {
            const normed = reference.layerNorm(x, gamma, beta, LAYER_NORM_EPSILON);
            const shift = new Array<number>(batch * channels).fill(0);
            return Array.from({ length: count }, (_, mix) => {
              const row = mixes.slice(mix * channels, (mix + 1) * channels);
              return reference.tokenShift(normed, row, shift, extent);
            }).flat();
          };
          withoutLeaks(() => {
            const found = form.ops.tokenMixBackward(
              ...([tensor3(x), vector(gamma), vector(beta)] as const),
              tf.tensor2d(mixes, [count, channels]),
              Array.from({ length: count }, (_, mix) => tensor3(part(mix))),
            );
            const gradients = read([found.dx, found.dgamma, found.dbeta, found.dmixes]);
            requireGradient(formula, [x, gamma, beta, mixes], all, gradients);
          });
        });

      it(`wkv ${name}`, () => {
        const [k, v, r] = [normal(7, size, 3), normal(8, size), normal(9, size)];
        const [decay, first] = [normal(10, channels), normal(11, channels)];
        withoutLeaks(() => {
          const { dk, dv, dr, ddecay, dfirst } = form.ops.wkvBackward(
            ...([tensor3(k), tensor3(v), tensor3(r)] as const),
            ...([vector(decay), vector(first), tensor3(dy)] as const),
          );
          requireGradient(
            (k, v, r, decay, first) => reference.wkv(k, v, r, decay, first, extent),
            ...([[k, v, r, decay, first], dy] as const),
            read([dk, dv, dr, ddecay, dfirst]),
          );
        });
      });

      it(`wkv with keys far apart ${name}`, () => {
        const [k, v, r] = [normal(7, size, 60), normal(8, size), normal(9, size)];
        const [decay, first] = [normal(10, channels, 2), normal(11, channels)];
        const found = form.ops.wkvBackward(
          ...([tensor3(k), tensor3(v), tensor3(r)] as const),
          ...([vector(decay), vector(first), tensor3(dy)] as const),
        );
        for (const values of read([found.dk, found.dv, found.dr, found.ddecay, found.dfirst]))
          assert.ok(values.every(Number.isFinite));
        tf.dispose(Object.values(found));
      });

      for (const gated of [false, true])
        it(`spikes${gated ? ' behind a gate' : ''} ${name}`, () => {
          // Strong enough that about half of the neurons fire.
          const [current, gate] = [normal(12, size, 3).map((value) => value + 1), normal(13, size)];
          withoutLeaks(() => {
            const { dx, dgate } = form.ops.spikesBackward(
              ...([tensor3(current), gated ? tensor3(gate) : undefined, tensor3(dy)] as const),
            );
            for (const seed of [1, 2, 3]) {
              const [along, alongGate] = [normal(20 + seed, size), normal(30 + seed, size)];
              const expected = dot(
                dy,
                spikeTangent({ current, along, gate, alongGate, gated }, extent),
              );
              const actual =
                dot(dx.dataSync(), along) + (dgate ? dot(dgate.dataSync(), alongGate) : 0);
              const error = Math.abs(actual - expected);
              assert.ok(error <= 1e-4 * Math.max(1, Math.sqrt(size)), `${actual}, ${expected}`);
            }
          });
        });

      it(`squaredRelu ${name}`, () => {
        const rows: [number, number] = [batch * time, channels];
        withoutLeaks(() => {
          const dx = form.ops.squaredReluBackward(tf.tensor2d(x, rows), tf.tensor2d(dy, rows));
          const formula: Formula = (x) => x.map((value) => Math.max(value, 0) ** 2);
          requireGradient(formula, [x], dy, read([dx]));
        });
      });

      it(`tokenNll ${name}`, () => {
        const [rows, classes] = [batch * time, channels];
        const logits = normal(14, size, 4);
        const targets = Array.from({ length: rows }, (_, row) => (row * 7) % classes);
        const weights = normal(15, rows);
        withoutLeaks(() => {
          const { nll, dlogits } = form.ops.nllBackward(
            tf.tensor2d(logits, [rows, classes]),
            tf.tensor1d(targets, 'int32'),
            ...([vector(weights), 0] as const),
          );
          const formula: Formula = (logits) => reference.tokenNll(logits, targets, classes);
          requireGradient(formula, [logits], weights, read([dlogits]));
          for (const [row, expected] of formula(logits).entries())
            assert.ok(Math.abs(nll.dataSync()[row] - expected) < 1e-4);
        });
      });

      it(`divergence from a teacher ${name}`, () => {
        const rows = batch * time;
        const [logits, teacher] = [normal(17, size, 3), normal(18, size, 3)];
        const weights = normal(19, rows);
        const matrix = (values: Values): tf.Tensor2D => tf.tensor2d([...values], [rows, channels]);
        withoutLeaks(() => {
          const { divergence, dlogits } = form.ops.divergenceBackward(
            ...([matrix(logits), matrix(teacher), vector(weights), 2.5] as const),
          );
          const formula: Formula = (logits) => reference.divergence(logits, teacher, channels, 2.5);
          requireGradient(formula, [logits], weights, read([dlogits]));
          for (const [row, expected] of formula(logits).entries())
            assert.ok(Math.abs(divergence.dataSync()[row] - expected) < 1e-4);
        });
      });

      it(`maskedMean ${name}`, () => {
        const lengths = Array.from({ length: batch }, (_, n) => Math.max(1, time - 2 * n));
        const weights = normal(16, batch * channels);
        withoutLeaks(() => {
          const dx = form.ops.maskedMeanBackward(
            tf.tensor2d(weights, [batch, channels]),
            tf.tensor1d(lengths, 'int32'),
            time,
          );
          const formula: Formula = (x) => reference.maskedMean(x, lengths, extent);
          requireGradient(formula, [x], weights, read([dx]));
        });
      });
    }

    it('pulls on the largest logit of a row alone', () => {
      withoutLeaks(() => {
        const logits = tf.tensor2d([1, 5, 2, 0, 3, -1, -2, -3], [2, 4]);
        const [targets, weights] = [tf.tensor1d([0, 1], 'int32'), tf.tensor1d([1, 0.5])];
        const { dlogits: with0 } = form.ops.nllBackward(logits, targets, weights, 0);
        const { dlogits } = form.ops.nllBackward(logits, targets, weights, 0.1);
        const pulled = Array.from(tf.sub(dlogits, with0).dataSync(), (value) => value.toFixed(4));
        const expected = [0, 0.5, 0, 0, 0.15, 0, 0, 0].map((value) => value.toFixed(4));
        assert.deepEqual(pulled, expected);
      });
    });
  });

/** The change of spikes along a direction, with the surrogate as their derivative: forward, in float64. */
function spikeTangent(
  {
    current,
    along,
    gate,
    alongGate,
    gated,
  }: {
    readonly current: Values;
    readonly along: Values;
    readonly gate: Values;
    readonly alongGate: Values;
    readonly gated: boolean;
  },
  { batch, time, channels }: { batch: number; time: number; channels: number },
): number[] {
  const changes = new Array<number>(current.length).fill(0);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      let [v, dv] = [0, 0];
      for (let t = 0; t < time; t++) {
        const i = (n * time + t) * channels + c;
        const open = gated ? 1 / (1 + Math.exp(-gate[i])) : 1;
        const dopen = gated ? open * (1 - open) * alongGate[i] : 0;
        const [x, dx] = [current[i] * open, along[i] * open + current[i] * dopen];
        const [h, dh] = [v + (x - v) / 2, dv + (dx - dv) / 2];
        const s = h >= 1 ? 1 : 0;
        // ATan with α = 2: α / 2 / (1 + (π / 2 · α · x)²).
        const ds = (2 / 2 / (1 + ((Math.PI / 2) * 2 * (h - 1)) ** 2)) * dh;
        changes[i] = ds;
        [v, dv] = [h * (1 - s), dh * (1 - s) - h * ds];
      }
    }
  return changes;
}

describe('dropout', () => {
  it('drops its share, keeps the mean, and is the same for the same seed', () => {
    const factors = dropoutFactors(100_000, 0.25, 7);
    const dropped = factors.filter((factor) => factor === 0).length;
    assert.ok(Math.abs(dropped / 100_000 - 0.25) < 0.01, String(dropped));
    assert.ok(factors.every((factor) => factor === 0 || Math.abs(factor - 4 / 3) < 1e-6));
    assert.deepEqual(dropoutFactors(100_000, 0.25, 7), factors);
    assert.notDeepEqual(dropoutFactors(100_000, 0.25, 8), factors);
  });
});

describe('products on the way back that skip zeros, wasm', () => {
  /** About four of five values are not above zero, as in a trained model. */
  const sparse = (seed: number, count: number): number[] =>
    normal(seed, count).map((value) => (value > 0.8 ? value : -Math.abs(value)));

  for (const arithmetic of ['separate', 'fused'] as const)
    for (const [rows, hidden, channels] of [
      [1, 1, 1],
      [7, 5, 6],
      [5, 37, 8],
      [70, 300, 28],
    ] as const)
      it(`equal dense ones, [${rows}, ${hidden}] and ${channels} channels, ${arithmetic}`, async function () {
        if (arithmetic === 'fused' && wasmArithmetic() !== 'fused') this.skip();
        await onWasm(arithmetic)();
        const [x, w, dy] = [
          sparse(1, rows * hidden),
          normal(2, hidden * channels),
          normal(3, rows * channels),
        ];
        const [xT, wT, dyT] = [
          tf.tensor2d(x, [rows, hidden]),
          tf.tensor2d(w, [hidden, channels]),
          tf.tensor2d(dy, [rows, channels]),
        ];
        const positive = tf.relu(xT);
        const found = {
          product: await ops.sparseMatMul(positive, wT).data(),
          back: await ops.squaredReluMatMulBackward(xT, dyT, wT).data(),
          turned: await ops.transpose(xT).data(),
        };
        const at = (i: number, j: number): number => Math.max(0, Math.fround(x[i * hidden + j]));
        const near = (actual: number, expected: number): void => {
          assert.ok(
            Math.abs(actual - expected) <= 1e-4 * (1 + Math.abs(expected)),
            `${actual}, ${expected}`,
          );
        };
        for (let i = 0; i < rows; i++) {
          for (let c = 0; c < channels; c++) {
            let sum = 0;
            for (let j = 0; j < hidden; j++) sum += at(i, j) * w[j * channels + c];
            near(found.product[i * channels + c], sum);
          }
          for (let j = 0; j < hidden; j++) {
            let sum = 0;
            for (let c = 0; c < channels; c++) sum += dy[i * channels + c] * w[j * channels + c];
            near(found.back[i * hidden + j], 2 * at(i, j) * sum);
            assert.equal(found.turned[j * rows + i], Math.fround(x[i * hidden + j]));
          }
        }
        tf.dispose([xT, wT, dyT, positive]);
      });
});
