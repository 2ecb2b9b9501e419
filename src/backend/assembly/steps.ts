// The kernels of networks that run in time steps. Conventions as in spiking.ts; tensors are [batch, steps,
// positions, channels].

import { normalizeRow } from './math';

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
