// The spiking and mixing kernels for the WebAssembly backend, float32, SIMD. Addresses are bytes in
// the memory of TensorFlow.js; every tensor is row-major with the channel last. `channels` is at least
// 4; when it is no multiple of 4 the last group of four lanes overlaps the one before it, which writes
// the same values twice (no kernel works in place).

import { exp4, sum4 } from './math';

/** First channel of the group that begins at `c`: the last one is moved back to end at `channels`. */
// @ts-ignore: decorator
@inline
function group(c: usize, channels: usize): usize {
  return c + 4 <= channels ? c : channels - 4;
}

/** out[c] = (x[c] - mean) / sqrt(variance + epsilon) * gamma[c] + beta[c] for one row. */
// @ts-ignore: decorator
@inline
function normalizeRow(
  x: usize,
  gamma: usize,
  beta: usize,
  epsilon: f32,
  channels: usize,
  out: usize,
): void {
  let sum = f32x4.splat(0);
  let c: usize = 0;
  for (; c + 4 <= channels; c += 4) sum = f32x4.add(sum, v128.load(x + (c << 2)));
  let total = sum4(sum);
  for (; c < channels; c++) total += load<f32>(x + (c << 2));
  const mean = total / <f32>channels;

  const mean4 = f32x4.splat(mean);
  let squares = f32x4.splat(0);
  for (c = 0; c + 4 <= channels; c += 4) {
    const centred = f32x4.sub(v128.load(x + (c << 2)), mean4);
    squares = f32x4.add(squares, f32x4.mul(centred, centred));
  }
  let variance = sum4(squares);
  for (; c < channels; c++) {
    const centred = load<f32>(x + (c << 2)) - mean;
    variance += centred * centred;
  }
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(variance / <f32>channels + epsilon));

  for (let start: usize = 0; start < channels; start += 4) {
    const at = group(start, channels) << 2;
    const centred = f32x4.sub(v128.load(x + at), mean4);
    const scaled = f32x4.mul(f32x4.mul(centred, scale), v128.load(gamma + at));
    v128.store(out + at, f32x4.add(scaled, v128.load(beta + at)));
  }
}

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
      for (let start: usize = 0; start < channels; start += 4) {
        const c = group(start, channels) << 2;
        const before = v128.load(previous + c);
        const difference = f32x4.sub(v128.load(current + c), before);
        v128.store(
          out0 + at + c,
          f32x4.add(before, f32x4.mul(difference, v128.load(mixes + c))),
        );
        if (count > 1)
          v128.store(
            out1 + at + c,
            f32x4.add(before, f32x4.mul(difference, v128.load(mixes + row + c))),
          );
        if (count > 2)
          v128.store(
            out2 + at + c,
            f32x4.add(before, f32x4.mul(difference, v128.load(mixes + 2 * row + c))),
          );
      }
      previous = current;
    }
    memory.copy(last + n * row, previous, row);
  }
}

/**
 * sigmoid(r) * WKV. k, v, r, out: [batch, time, channels]; decay (time_decay), first (time_first):
 * [channels]; state, stateOut: [batch, 3, channels] holding numerator, denominator and their exponent.
 *
 * Of the two weights e^{p - m} and e^{q - m} with m = max(p, q) one is exactly 1, so a step needs one
 * exponential for the output, one for the state and one for the gate.
 */
export function wkv(
  k: usize,
  v: usize,
  r: usize,
  decay: usize,
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
  for (let n: usize = 0; n < batch; n++) {
    const before = state + n * 3 * row;
    const after = stateOut + n * 3 * row;
    for (let start: usize = 0; start < channels; start += 4) {
      const c = group(start, channels) << 2;
      const w = f32x4.neg(exp4(v128.load(decay + c)));
      const u = v128.load(first + c);
      let a = v128.load(before + c);
      let b = v128.load(before + row + c);
      let p = v128.load(before + 2 * row + c);
      let at = n * time * row + c;
      for (let t: usize = 0; t < time; t++, at += row) {
        const key = v128.load(k + at);
        const value = v128.load(v + at);

        const now = f32x4.add(u, key);
        const lead = f32x4.sub(p, now);
        const pastWins = f32x4.ge(lead, f32x4.splat(0));
        const minor = exp4(f32x4.neg(f32x4.abs(lead)));
        const past = v128.bitselect(one, minor, pastWins);
        const present = v128.bitselect(minor, one, pastWins);
        const numerator = f32x4.add(f32x4.mul(past, a), f32x4.mul(present, value));
        const denominator = f32x4.add(f32x4.mul(past, b), present);
        const gate = f32x4.add(one, exp4(f32x4.neg(v128.load(r + at))));
        v128.store(out + at, f32x4.div(numerator, f32x4.mul(denominator, gate)));

        const decayed = f32x4.add(w, p);
        const gap = f32x4.sub(decayed, key);
        const oldWins = f32x4.ge(gap, f32x4.splat(0));
        const small = exp4(f32x4.neg(f32x4.abs(gap)));
        const keep = v128.bitselect(one, small, oldWins);
        const add = v128.bitselect(small, one, oldWins);
        a = f32x4.add(f32x4.mul(keep, a), f32x4.mul(add, value));
        b = f32x4.add(f32x4.mul(keep, b), add);
        p = v128.bitselect(decayed, key, oldWins);
      }
      v128.store(after + c, a);
      v128.store(after + row + c, b);
      v128.store(after + 2 * row + c, p);
    }
  }
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
  for (let n: usize = 0; n < batch; n++) {
    for (let start: usize = 0; start < channels; start += 4) {
      const c = group(start, channels) << 2;
      let potential = v128.load(membrane + n * row + c);
      let at = n * time * row + c;
      for (let t: usize = 0; t < time; t++, at += row) {
        let current = v128.load(x + at);
        if (gate)
          current = f32x4.div(current, f32x4.add(one, exp4(f32x4.neg(v128.load(gate + at)))));
        const charged = f32x4.add(potential, f32x4.mul(f32x4.sub(current, potential), half));
        const fired = f32x4.ge(charged, one);
        const spike = v128.and(fired, one);
        potential = v128.andnot(charged, fired);
        v128.store(out + at, f32x4.add(v128.load(residual + at), spike));
        if (spikes) v128.store(spikes + at, spike);
      }
      v128.store(membraneOut + n * row + c, potential);
    }
  }
}

/** Rows whose non-zero activations are listed before their products: a tile of the weights serves all. */
const TILE_ROWS: usize = 32;
/** Bytes of a list entry: the offset of a row of the weights, and an activation. */
const ENTRY: usize = 8;

/** Scratch bytes that squaredReluMatMul needs. */
export function squaredReluMatMulScratch(hidden: usize): usize {
  return TILE_ROWS * (hidden * ENTRY + 4);
}

/** Appends one activation's entry at `at`. */
// @ts-ignore: decorator
@inline
function list(at: usize, weightRow: usize, x: f32): usize {
  store<u32>(at, <u32>weightRow);
  store<f32>(at + 4, x * x);
  return at + ENTRY;
}

/** Lists the activations of one row that are not zero, NaN among them; returns how many. */
function listActive(x: usize, hidden: usize, weightRow: usize, entries: usize): usize {
  let at = entries;
  let j: usize = 0;
  for (; j + 4 <= hidden; j += 4) {
    let active = i32x4.bitmask(v128.not(f32x4.le(v128.load(x + (j << 2)), f32x4.splat(0))));
    while (active) {
      const lane = <usize>ctz(active);
      active &= active - 1;
      at = list(at, (j + lane) * weightRow, load<f32>(x + ((j + lane) << 2)));
    }
  }
  for (; j < hidden; j++) {
    const value = load<f32>(x + (j << 2));
    if (!(value <= 0)) at = list(at, j * weightRow, value);
  }
  return (at - entries) / ENTRY;
}

/** Sum over the entries of activation * weights[row][c .. c + 4). */
// @ts-ignore: decorator
@inline
function product4(entries: usize, end: usize, weights: usize, out: usize): void {
  let sum = f32x4.splat(0);
  for (let at = entries; at < end; at += ENTRY)
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(at + 4), v128.load(weights + load<u32>(at))));
  v128.store(out, sum);
}

/** The same for 48 columns: twelve sums stay in registers while the list is walked once. */
function product48(entries: usize, end: usize, weights: usize, out: usize): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  let s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  for (let at = entries; at < end; at += ENTRY) {
    const x = v128.load32_splat(at + 4);
    const row = weights + load<u32>(at);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(row)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(row, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(row, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(row, 48)));
    s4 = f32x4.add(s4, f32x4.mul(x, v128.load(row, 64)));
    s5 = f32x4.add(s5, f32x4.mul(x, v128.load(row, 80)));
    s6 = f32x4.add(s6, f32x4.mul(x, v128.load(row, 96)));
    s7 = f32x4.add(s7, f32x4.mul(x, v128.load(row, 112)));
    s8 = f32x4.add(s8, f32x4.mul(x, v128.load(row, 128)));
    s9 = f32x4.add(s9, f32x4.mul(x, v128.load(row, 144)));
    s10 = f32x4.add(s10, f32x4.mul(x, v128.load(row, 160)));
    s11 = f32x4.add(s11, f32x4.mul(x, v128.load(row, 176)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
  v128.store(out, s8, 128);
  v128.store(out, s9, 144);
  v128.store(out, s10, 160);
  v128.store(out, s11, 176);
}

/**
 * max(x, 0)^2 · weights, skipping the activations that are zero: in trained SpikeGPTs about four of five.
 * x: [rows, hidden]; weights: [hidden, channels]; out: [rows, channels]; scratch: see above. Each output
 * is summed in the order of `hidden`, whatever rows it is computed beside.
 */
export function squaredReluMatMul(
  x: usize,
  weights: usize,
  rows: usize,
  hidden: usize,
  channels: usize,
  out: usize,
  scratch: usize,
): void {
  const counts = scratch + TILE_ROWS * hidden * ENTRY;
  const row = channels << 2;
  for (let top: usize = 0; top < rows; top += TILE_ROWS) {
    const height = min(TILE_ROWS, rows - top);
    for (let i: usize = 0; i < height; i++) {
      const entries = scratch + i * hidden * ENTRY;
      const active = listActive(x + (top + i) * (hidden << 2), hidden, row, entries);
      store<u32>(counts + (i << 2), <u32>active);
    }
    for (let c: usize = 0; c < channels; ) {
      const wide = c + 48 <= channels;
      const at = wide ? c << 2 : group(c, channels) << 2;
      for (let i: usize = 0; i < height; i++) {
        const entries = scratch + i * hidden * ENTRY;
        const end = entries + <usize>load<u32>(counts + (i << 2)) * ENTRY;
        const target = out + (top + i) * row + at;
        if (wide) product48(entries, end, weights + at, target);
        else product4(entries, end, weights + at, target);
      }
      c += wide ? 48 : 4;
    }
  }
}

/**
 * What the negative log-likelihood of one target a row needs, apart from the logarithm (whose table
 * would be static data): sum of e^{x - max}, and x[target] - max.
 * logits: [rows, classes]; targets: int32 [rows]; out: float64 [rows, 2].
 */
export function softmaxTerms(
  logits: usize,
  targets: usize,
  rows: usize,
  classes: usize,
  out: usize,
): void {
  for (let i: usize = 0; i < rows; i++) {
    const row = logits + ((i * classes) << 2);
    let highest = load<f32>(row);
    let c: usize = 0;
    if (classes >= 4) {
      let highest4 = v128.load(row);
      for (c = 4; c + 4 <= classes; c += 4)
        highest4 = f32x4.max(highest4, v128.load(row + (c << 2)));
      highest = max(
        max(f32x4.extract_lane(highest4, 0), f32x4.extract_lane(highest4, 1)),
        max(f32x4.extract_lane(highest4, 2), f32x4.extract_lane(highest4, 3)),
      );
    }
    for (; c < classes; c++) highest = max(highest, load<f32>(row + (c << 2)));

    // Summed in float64: 50,000 float32 additions would lose digits of the likelihood.
    const highest4 = f32x4.splat(highest);
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    for (c = 0; c + 4 <= classes; c += 4) {
      const e = exp4(f32x4.sub(v128.load(row + (c << 2)), highest4));
      low = f64x2.add(low, f64x2.promote_low_f32x4(e));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(e, e, 1, 1)));
    }
    const both = f64x2.add(low, high);
    let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
    for (; c < classes; c++) {
      const e = exp4(f32x4.splat(load<f32>(row + (c << 2)) - highest));
      total += <f64>f32x4.extract_lane(e, 0);
    }
    const target = <usize>load<i32>(targets + (i << 2));
    store<f64>(out + (i << 4), total);
    store<f64>(out + (i << 4) + 8, <f64>load<f32>(row + (target << 2)) - <f64>highest);
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
    for (let start: usize = 0; start < channels; start += 4) {
      const c = group(start, channels) << 2;
      let sum = f32x4.splat(0);
      for (let t: usize = 0; t < length; t++)
        sum = f32x4.add(sum, v128.load(x + (n * time + t) * row + c));
      v128.store(out + n * row + c, f32x4.div(sum, f32x4.splat(<f32>length)));
    }
  }
}
