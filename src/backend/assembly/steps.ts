// The kernels of networks that run in time steps. Conventions as in spiking.ts; tensors are [batch, steps,
// positions, channels].

import { erf4, exp4, madd, normalizeRow } from './math';

/**
 * LIF neurons over steps, at rest before the first. x: [batch, inputSteps, positions, channels], where one
 * step stands for all; bias, gamma, beta: [channels], or 0 without a norm, where `scale` multiplies x;
 * residual: [batch, residualSteps, positions, channels] or 0; out: spikes, or residual + spikes; spikes: 0
 * leaves them out; rows: scratch of [2, channels].
 */
export function lifSteps(
  x: usize,
  bias: usize,
  gamma: usize,
  beta: usize,
  residual: usize,
  batch: usize,
  inputSteps: usize,
  residualSteps: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  epsilon: f32,
  tau: f32,
  threshold: f32,
  scale: f32,
  out: usize,
  spikes: usize,
  rows: usize,
): void {
  const row = channels << 2;
  const plane = positions * row;
  const potentials = rows + row;
  const one = f32x4.splat(1);
  const tau4 = f32x4.splat(tau);
  const threshold4 = f32x4.splat(threshold);
  const scale4 = f32x4.splat(scale);
  for (let n: usize = 0; n < batch; n++)
    for (let l: usize = 0; l < positions; l++) {
      memory.fill(potentials, 0, row);
      for (let t: usize = 0; t < steps; t++) {
        if (t < inputSteps) {
          const from = x + (n * inputSteps + t) * plane + l * row;
          if (gamma) {
            for (let c: usize = 0; c < row; c += 16)
              v128.store(rows + c, f32x4.add(v128.load(from + c), v128.load(bias + c)));
            normalizeRow(rows, gamma, beta, epsilon, channels, rows);
          } else {
            for (let c: usize = 0; c < row; c += 16)
              v128.store(rows + c, f32x4.mul(v128.load(from + c), scale4));
          }
        }
        const at = (n * steps + t) * plane + l * row;
        const beside = residual + (n * residualSteps + min(t, residualSteps - 1)) * plane + l * row;
        for (let c: usize = 0; c < row; c += 16) {
          const potential = v128.load(potentials + c);
          const change = f32x4.div(f32x4.sub(v128.load(rows + c), potential), tau4);
          const charged = f32x4.add(potential, change);
          const fired = f32x4.ge(charged, threshold4);
          const spike = v128.and(fired, one);
          v128.store(potentials + c, v128.andnot(charged, fired));
          v128.store(out + at + c, residual ? f32x4.add(v128.load(beside + c), spike) : spike);
          if (spikes) v128.store(spikes + at + c, spike);
        }
      }
    }
}

/**
 * q (kᵀ W v) of each head of `width` channels, a multiple of 4. q, k, v: spikes; weights: [batch, positions],
 * the diagonal of W; out: as q; sums: scratch of [width, width].
 */
export function spikeAttention(
  q: usize,
  k: usize,
  v: usize,
  weights: usize,
  batch: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  width: usize,
  out: usize,
  sums: usize,
): void {
  const row = channels << 2;
  const head = width << 2;
  memory.fill(out, 0, batch * steps * positions * row);
  for (let n: usize = 0; n < batch; n++)
    for (let t: usize = 0; t < steps; t++)
      for (let first: usize = 0; first < row; first += head) {
        const plane = (n * steps + t) * positions * row + first;
        memory.fill(sums, 0, width * head);
        for (let l: usize = 0; l < positions; l++) {
          const weight = v128.load32_splat(weights + ((n * positions + l) << 2));
          const at = plane + l * row;
          for (let i: usize = 0; i < width; i++) {
            if (load<f32>(k + at + (i << 2)) === 0) continue;
            const sum = sums + i * head;
            for (let c: usize = 0; c < head; c += 16)
              v128.store(
                sum + c,
                f32x4.add(v128.load(sum + c), f32x4.mul(weight, v128.load(v + at + c))),
              );
          }
        }
        for (let l: usize = 0; l < positions; l++) {
          const at = plane + l * row;
          for (let i: usize = 0; i < width; i++) {
            if (load<f32>(q + at + (i << 2)) === 0) continue;
            const sum = sums + i * head;
            for (let c: usize = 0; c < head; c += 16)
              v128.store(out + at + c, f32x4.add(v128.load(out + at + c), v128.load(sum + c)));
          }
        }
      }
}

/**
 * Ternary neurons over steps. x: [batch, inputSteps, positions, channels]; bias: [channels] or 0; amplitudes:
 * [steps]; remembers: 0 leaves the membrane out; out: spikes of ±amplitude; row: scratch of [channels].
 */
export function ternarySteps(
  x: usize,
  bias: usize,
  amplitudes: usize,
  remembers: i32,
  batch: usize,
  inputSteps: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  decay: f32,
  least: f32,
  out: usize,
  rests: usize,
): void {
  const row = channels << 2;
  const plane = positions * row;
  const half = f32x4.splat(0.5);
  const minusHalf = f32x4.splat(-0.5);
  const decay4 = f32x4.splat(decay);
  for (let n: usize = 0; n < batch; n++)
    for (let l: usize = 0; l < positions; l++) {
      memory.fill(rests, 0, row);
      for (let t: usize = 0; t < steps; t++) {
        const from = x + (n * inputSteps + min(t, inputSteps - 1)) * plane + l * row;
        const at = out + (n * steps + t) * plane + l * row;
        const amplitude = v128.load32_splat(amplitudes + (t << 2));
        const height = f32x4.max(amplitude, f32x4.splat(least));
        const down = f32x4.neg(height);
        for (let c: usize = 0; c < row; c += 16) {
          let current = v128.load(from + c);
          if (bias) current = f32x4.add(current, v128.load(bias + c));
          const potential = f32x4.add(v128.load(rests + c), current);
          const share = f32x4.div(potential, height);
          const spike = v128.or(
            v128.and(f32x4.gt(share, half), height),
            v128.and(f32x4.lt(share, minusHalf), down),
          );
          v128.store(at + c, spike);
          if (remembers)
            v128.store(
              rests + c,
              f32x4.mul(f32x4.mul(decay4, potential), f32x4.sub(amplitude, spike)),
            );
        }
      }
    }
}

/**
 * softmax((q + bias) kᵀ / √width) v of each head of `width` channels, a multiple of 4, over the first
 * lengths[n] positions. q, k, v, out: [batch, steps, positions, channels]; lengths: int32 [batch]; columns:
 * positions rounded up to whole vectors; room: scratch of [width + 1, columns].
 *
 * The weights are added up in the order in which they meet the values, so that where all values of a channel
 * are 1 the result is 1 exactly.
 */
export function softmaxAttention(
  q: usize,
  bias: usize,
  k: usize,
  v: usize,
  lengths: usize,
  batch: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  width: usize,
  columns: usize,
  out: usize,
  room: usize,
): void {
  const row = channels << 2;
  const head = width << 2;
  const line = columns << 2;
  const scores = room + width * line;
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(<f32>width));
  for (let n: usize = 0; n < batch; n++) {
    const length = <usize>load<i32>(lengths + (n << 2));
    const used = ((length + 3) >> 2) << 4; // bytes, whole vectors
    for (let t: usize = 0; t < steps; t++)
      for (let first: usize = 0; first < row; first += head) {
        const plane = (n * steps + t) * positions * row + first;
        for (let c: usize = 0; c < width; c++) {
          const turned = room + c * line;
          memory.fill(turned, 0, used);
          for (let j: usize = 0; j < length; j++)
            store<f32>(turned + (j << 2), load<f32>(k + plane + j * row + (c << 2)));
        }
        for (let l: usize = 0; l < positions; l++) {
          const at = plane + l * row;
          memory.fill(scores, 0, used);
          for (let c: usize = 0; c < width; c++) {
            const value = f32x4.splat(
              load<f32>(q + at + (c << 2)) + load<f32>(bias + first + (c << 2)),
            );
            const turned = room + c * line;
            for (let j: usize = 0; j < used; j += 16)
              v128.store(scores + j, madd(value, v128.load(turned + j), v128.load(scores + j)));
          }
          let highest: f32 = -Infinity;
          for (let j: usize = 0; j < length; j++)
            highest = max(highest, load<f32>(scores + (j << 2)));
          const highest4 = f32x4.mul(f32x4.splat(highest), scale);
          for (let j: usize = 0; j < used; j += 16) {
            const score = f32x4.mul(v128.load(scores + j), scale);
            v128.store(scores + j, exp4(f32x4.sub(score, highest4)));
          }
          let total = f32x4.splat(0);
          memory.fill(out + at, 0, head);
          for (let j: usize = 0; j < length; j++) {
            const weight = v128.load32_splat(scores + (j << 2));
            total = f32x4.add(total, weight);
            const value = v + plane + j * row;
            for (let c: usize = 0; c < head; c += 16)
              v128.store(out + at + c, madd(weight, v128.load(value + c), v128.load(out + at + c)));
          }
          for (let c: usize = 0; c < head; c += 16)
            v128.store(out + at + c, f32x4.div(v128.load(out + at + c), total));
        }
      }
  }
}

/** GELU of x + bias. x, out: [rows, channels]; bias: [channels]. */
export function biasGelu(x: usize, bias: usize, rows: usize, channels: usize, out: usize): void {
  const row = channels << 2;
  const half = f32x4.splat(0.5);
  const one = f32x4.splat(1);
  const root = f32x4.splat(0.70710678118654752);
  for (let i: usize = 0; i < rows; i++) {
    for (let c: usize = 0; c < row; c += 16) {
      const sum = f32x4.add(v128.load(x + c), v128.load(bias + c));
      const share = f32x4.add(one, erf4(f32x4.mul(sum, root)));
      v128.store(out + c, f32x4.mul(f32x4.mul(half, sum), share));
    }
    x += row;
    out += row;
  }
}

/**
 * Layer norm of x + bias + residual. x, out: [batch, steps, positions, channels]; residual: [batch,
 * residualSteps, positions, channels]; bias, gamma, beta: [channels].
 */
export function addNorm(
  x: usize,
  residual: usize,
  bias: usize,
  gamma: usize,
  beta: usize,
  batch: usize,
  residualSteps: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  epsilon: f32,
  out: usize,
): void {
  const row = channels << 2;
  const plane = positions * row;
  for (let n: usize = 0; n < batch; n++)
    for (let t: usize = 0; t < steps; t++) {
      const from = residual + (n * residualSteps + min(t, residualSteps - 1)) * plane;
      const at = (n * steps + t) * plane;
      for (let l: usize = 0; l < plane; l += row) {
        const target = out + at + l;
        for (let c: usize = 0; c < row; c += 16) {
          const sum = f32x4.add(v128.load(x + at + l + c), v128.load(bias + c));
          v128.store(target + c, f32x4.add(sum, v128.load(from + l + c)));
        }
        normalizeRow(target, gamma, beta, epsilon, channels, target);
      }
    }
}

/**
 * Integrate-and-fire neurons over steps. x, out: [batch, steps, positions, channels]; bias: [channels] or 0;
 * membrane, membraneOut: [batch, positions, channels].
 */
export function integrateFire(
  x: usize,
  bias: usize,
  membrane: usize,
  batch: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  threshold: f32,
  out: usize,
  membraneOut: usize,
): void {
  const row = channels << 2;
  const plane = positions * row;
  const one = f32x4.splat(1);
  const threshold4 = f32x4.splat(threshold);
  memory.copy(membraneOut, membrane, batch * plane);
  for (let n: usize = 0; n < batch; n++)
    for (let t: usize = 0; t < steps; t++) {
      const at = (n * steps + t) * plane;
      for (let l: usize = 0; l < plane; l += row) {
        const potentials = membraneOut + n * plane + l;
        for (let c: usize = 0; c < row; c += 16) {
          let current = v128.load(x + at + l + c);
          if (bias) current = f32x4.add(current, v128.load(bias + c));
          const charged = f32x4.add(v128.load(potentials + c), current);
          const fired = f32x4.ge(charged, threshold4);
          v128.store(out + at + l + c, v128.and(fired, one));
          v128.store(potentials + c, f32x4.sub(charged, v128.and(fired, threshold4)));
        }
      }
    }
}

/** Spikes of at most 24 steps as bits. spikes: [batch, steps, positions, channels]; out: one step. */
export function packSteps(
  spikes: usize,
  batch: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  out: usize,
): void {
  const plane = (positions * channels) << 2;
  for (let n: usize = 0; n < batch; n++)
    for (let at: usize = 0; at < plane; at += 16) {
      let word = f32x4.splat(0);
      let power: f32 = 1;
      for (let t: usize = 0; t < steps; t++) {
        const spike = v128.load(spikes + (n * steps + t) * plane + at);
        word = f32x4.add(word, f32x4.mul(spike, f32x4.splat(power)));
        power *= 2;
      }
      v128.store(out + n * plane + at, word);
    }
}

/** The way back: words [batch, 1, positions, channels]; out: [batch, steps, positions, channels]. */
export function unpackSteps(
  words: usize,
  batch: usize,
  steps: usize,
  positions: usize,
  channels: usize,
  out: usize,
): void {
  const plane = (positions * channels) << 2;
  const one = i32x4.splat(1);
  for (let n: usize = 0; n < batch; n++)
    for (let at: usize = 0; at < plane; at += 16) {
      let word = i32x4.trunc_sat_f32x4_s(v128.load(words + n * plane + at));
      for (let t: usize = 0; t < steps; t++) {
        const spike = f32x4.convert_i32x4_s(v128.and(word, one));
        v128.store(out + (n * steps + t) * plane + at, spike);
        word = i32x4.shr_u(word, 1);
      }
    }
}
