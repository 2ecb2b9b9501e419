// The spiking and mixing kernels for the WebAssembly backend, float32, SIMD. Addresses are bytes in
// the memory of TensorFlow.js; every tensor is row-major with the channel last. The number of channels
// is a multiple of 4; for other widths the caller runs plain loops.

import { exp4, madd, normalizeRow } from './math';

/** x, out: [rows, channels]; gamma, beta: [channels]. */
export function layerNorm(
  x: usize,
  gamma: usize,
  beta: usize,
  epsilon: f32,
  rows: usize,
  channels: usize,
  out: usize,
): void {
  const row = channels << 2;
  for (let i: usize = 0; i < rows; i++)
    normalizeRow(x + i * row, gamma, beta, epsilon, channels, out + i * row);
}

/**
 * Layer norm, token shift and interpolation in one pass.
 * x: [batch, time, channels]; mixes: [count, channels]; shift: [batch, channels], the normalized row
 * before the first; outs: [count] addresses of [batch, time, channels]; last: [batch, channels] receives
 * the last normalized row; rows: scratch of [2, channels].
 */
export function tokenMix(
  x: usize,
  gamma: usize,
  beta: usize,
  epsilon: f32,
  mixes: usize,
  shift: usize,
  batch: usize,
  time: usize,
  channels: usize,
  count: usize,
  out0: usize,
  out1: usize,
  out2: usize,
  last: usize,
  rows: usize,
): void {
  const row = channels << 2;
  for (let n: usize = 0; n < batch; n++) {
    let previous = shift + n * row;
    for (let t: usize = 0; t < time; t++) {
      const at = (n * time + t) * row;
      const current = rows + (t & 1) * row;
      normalizeRow(x + at, gamma, beta, epsilon, channels, current);
      for (let c: usize = 0; c < row; c += 16) {
        const before = v128.load(previous + c);
        const difference = f32x4.sub(v128.load(current + c), before);
        v128.store(out0 + at + c, madd(difference, v128.load(mixes + c), before));
        if (count > 1)
          v128.store(out1 + at + c, madd(difference, v128.load(mixes + row + c), before));
        if (count > 2)
          v128.store(out2 + at + c, madd(difference, v128.load(mixes + 2 * row + c), before));
      }
      previous = current;
    }
    memory.copy(last + n * row, previous, row);
  }
}

/**
 * sigmoid(r) * WKV. k, v, r, out: [batch, time, channels]; rates (e^time_decay), first (time_first):
 * [channels]; state, stateOut: [batch, 3, channels] holding numerator, denominator and their exponent.
 *
 * Of the two weights e^{p - m} and e^{q - m} with m = max(p, q) one is exactly 1, so a step needs one
 * exponential for the output, one for the state and one for the gate.
 */
export function wkv(
  k: usize,
  v: usize,
  r: usize,
  rates: usize,
  first: usize,
  state: usize,
  batch: usize,
  time: usize,
  channels: usize,
  out: usize,
  stateOut: usize,
): void {
  const row = channels << 2;
  const one = f32x4.splat(1);
  memory.copy(stateOut, state, batch * 3 * row);
  for (let n: usize = 0; n < batch; n++) {
    // The state stays in the first-level cache; tokens in the outer loop read k, v and r in order.
    const numerators = stateOut + n * 3 * row;
    const denominators = numerators + row;
    const exponents = denominators + row;
    for (let t: usize = 0; t < time; t++) {
      const token = (n * time + t) * row;
      for (let c: usize = 0; c < row; c += 16) {
        const at = token + c;
        const key = v128.load(k + at);
        const value = v128.load(v + at);
        const a = v128.load(numerators + c);
        const b = v128.load(denominators + c);
        const p = v128.load(exponents + c);

        const now = f32x4.add(v128.load(first + c), key);
        const lead = f32x4.sub(p, now);
        const pastWins = f32x4.ge(lead, f32x4.splat(0));
        const minor = exp4(f32x4.neg(f32x4.abs(lead)));
        const past = v128.bitselect(one, minor, pastWins);
        const present = v128.bitselect(minor, one, pastWins);
        const numerator = madd(past, a, f32x4.mul(present, value));
        const denominator = madd(past, b, present);
        const gate = f32x4.add(one, exp4(f32x4.neg(v128.load(r + at))));
        v128.store(out + at, f32x4.div(numerator, f32x4.mul(denominator, gate)));

        const decayed = f32x4.sub(p, v128.load(rates + c));
        const gap = f32x4.sub(decayed, key);
        const oldWins = f32x4.ge(gap, f32x4.splat(0));
        const small = exp4(f32x4.neg(f32x4.abs(gap)));
        const keep = v128.bitselect(one, small, oldWins);
        const add = v128.bitselect(small, one, oldWins);
        v128.store(numerators + c, madd(keep, a, f32x4.mul(add, value)));
        v128.store(denominators + c, madd(keep, b, add));
        v128.store(exponents + c, v128.bitselect(decayed, key, oldWins));
      }
    }
  }
}

/** out = e^x, for `channels` values. */
export function exponentials(x: usize, channels: usize, out: usize): void {
  for (let c: usize = 0; c < channels << 2; c += 16) v128.store(out + c, exp4(v128.load(x + c)));
}

/**
 * LIF neurons over the token axis, added to the residual stream.
 * x, gate, residual, out, spikes: [batch, time, channels]; membrane, membraneOut: [batch, channels].
 * The input current is x, or sigmoid(gate) * x where `gate` is not 0; `spikes` 0 leaves them out.
 */
export function spikingResidual(
  x: usize,
  gate: usize,
  residual: usize,
  membrane: usize,
  batch: usize,
  time: usize,
  channels: usize,
  out: usize,
  spikes: usize,
  membraneOut: usize,
): void {
  const row = channels << 2;
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  memory.copy(membraneOut, membrane, batch * row);
  for (let n: usize = 0; n < batch; n++) {
    const potentials = membraneOut + n * row;
    for (let t: usize = 0; t < time; t++) {
      const token = (n * time + t) * row;
      for (let c: usize = 0; c < row; c += 16) {
        const at = token + c;
        let current = v128.load(x + at);
        if (gate)
          current = f32x4.div(current, f32x4.add(one, exp4(f32x4.neg(v128.load(gate + at)))));
        const potential = v128.load(potentials + c);
        const charged = madd(f32x4.sub(current, potential), half, potential);
        const fired = f32x4.ge(charged, one);
        const spike = v128.and(fired, one);
        v128.store(potentials + c, v128.andnot(charged, fired));
        v128.store(out + at, f32x4.add(v128.load(residual + at), spike));
        if (spikes) v128.store(spikes + at, spike);
      }
    }
  }
}

/** Mean over the first lengths[n] positions. x: [batch, time, channels]; out: [batch, channels]. */
export function maskedMean(
  x: usize,
  lengths: usize,
  batch: usize,
  time: usize,
  channels: usize,
  out: usize,
): void {
  const row = channels << 2;
  for (let n: usize = 0; n < batch; n++) {
    const length = <usize>load<i32>(lengths + (n << 2));
    for (let c: usize = 0; c < row; c += 16) {
      let sum = f32x4.splat(0);
      for (let t: usize = 0; t < length; t++)
        sum = f32x4.add(sum, v128.load(x + (n * time + t) * row + c));
      v128.store(out + n * row + c, f32x4.div(sum, f32x4.splat(<f32>length)));
    }
  }
}

/** out[i] = table[indices[i]]. table: [.., channels]; indices: int32 [rows]; out: [rows, channels]. */
export function gatherRows(
  table: usize,
  indices: usize,
  rows: usize,
  channels: usize,
  out: usize,
): void {
  const row = channels << 2;
  for (let i: usize = 0; i < rows; i++)
    memory.copy(out + i * row, table + <usize>load<i32>(indices + (i << 2)) * row, row);
}
