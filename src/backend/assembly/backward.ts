// Gradients of the spiking and mixing kernels. Conventions as in spiking.ts; `d` before a name is the gradient
// of the loss by it. Sums over rows are in the order of the rows.

import { exp4, madd, normalizeRow, sum4 } from './math';

/** Exponent of an empty WKV sum. */
const EMPTY: f32 = -1e38;
const PI: f32 = 3.14159265358979;

/** 1 / (1 + e^-x) in each lane. */
@inline
function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** Adds x to what is at an address. */
@inline
function addTo(address: usize, x: v128): void {
  v128.store(address, f32x4.add(v128.load(address), x));
}

/**
 * The gradient of one row of layer norm. x, dy, dx: [channels]; dgamma, dbeta: [channels], added to; normed:
 * scratch of [channels]. dx may be dy.
 */
@inline
function normalizeRowBackward(
  x: usize,
  gamma: usize,
  epsilon: f32,
  channels: usize,
  dy: usize,
  dx: usize,
  dgamma: usize,
  dbeta: usize,
  normed: usize,
): void {
  const row = channels << 2;
  const count = <f32>channels;
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < row; c += 16) sum = f32x4.add(sum, v128.load(x + c));
  const mean = f32x4.splat(sum4(sum) / count);
  let squares = f32x4.splat(0);
  for (let c: usize = 0; c < row; c += 16) {
    const centred = f32x4.sub(v128.load(x + c), mean);
    squares = madd(centred, centred, squares);
  }
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(sum4(squares) / count + epsilon));
  let plain = f32x4.splat(0);
  let along = f32x4.splat(0);
  for (let c: usize = 0; c < row; c += 16) {
    const unit = f32x4.mul(f32x4.sub(v128.load(x + c), mean), scale);
    v128.store(normed + c, unit);
    const given = v128.load(dy + c);
    v128.store(dgamma + c, madd(given, unit, v128.load(dgamma + c)));
    addTo(dbeta + c, given);
    const scaled = f32x4.mul(given, v128.load(gamma + c));
    plain = f32x4.add(plain, scaled);
    along = madd(scaled, unit, along);
  }
  const plain4 = f32x4.splat(sum4(plain) / count);
  const along4 = f32x4.splat(sum4(along) / count);
  for (let c: usize = 0; c < row; c += 16) {
    const scaled = f32x4.mul(v128.load(dy + c), v128.load(gamma + c));
    const shared = madd(v128.load(normed + c), along4, plain4);
    v128.store(dx + c, f32x4.mul(f32x4.sub(scaled, shared), scale));
  }
}

/** x, dy, dx: [rows, channels]; gamma, dgamma, dbeta, normed (scratch): [channels]. */
export function layerNormBackward(
  x: usize,
  gamma: usize,
  dy: usize,
  epsilon: f32,
  rows: usize,
  channels: usize,
  dx: usize,
  dgamma: usize,
  dbeta: usize,
  normed: usize,
): void {
  const row = channels << 2;
  memory.fill(dgamma, 0, row);
  memory.fill(dbeta, 0, row);
  for (let i: usize = 0; i < rows; i++) {
    const at = i * row;
    normalizeRowBackward(
      x + at, gamma, epsilon, channels, dy + at, dx + at, dgamma, dbeta, normed,
    );
  }
}

/** Adds the parts of one output of the mix to its row, to the row before, and to its share. */
@inline
function mixBackward(
  d: usize,
  mix: usize,
  dmix: usize,
  step: v128,
  own: usize,
  before: usize,
): void {
  const given = v128.load(d);
  const share = v128.load(mix);
  v128.store(dmix, madd(given, step, v128.load(dmix)));
  const mine = f32x4.mul(given, share);
  addTo(own, mine);
  if (before) addTo(before, f32x4.sub(given, mine));
}

/**
 * x, d0, d1, d2, dx: [batch, time, channels], of which d1 and d2 count as `count` says; mixes, dmixes: [count,
 * channels]; gamma, beta, dgamma, dbeta: [channels]; rows: scratch of [3, channels]. dx holds the gradients of
 * the normalized rows first.
 */
export function tokenMixBackward(
  x: usize,
  gamma: usize,
  beta: usize,
  mixes: usize,
  epsilon: f32,
  batch: usize,
  time: usize,
  channels: usize,
  count: usize,
  d0: usize,
  d1: usize,
  d2: usize,
  dx: usize,
  dgamma: usize,
  dbeta: usize,
  dmixes: usize,
  rows: usize,
): void {
  const row = channels << 2;
  memory.fill(dgamma, 0, row);
  memory.fill(dbeta, 0, row);
  memory.fill(dmixes, 0, count * row);
  memory.fill(dx, 0, batch * time * row);
  const normed = rows + 2 * row;
  for (let n: usize = 0; n < batch; n++) {
    memory.fill(rows, 0, 2 * row);
    for (let t: usize = 0; t < time; t++) {
      const at = (n * time + t) * row;
      const current = rows + (t & 1) * row;
      const previous = rows + ((t + 1) & 1) * row;
      normalizeRow(x + at, gamma, beta, epsilon, channels, current);
      for (let c: usize = 0; c < row; c += 16) {
        const step = f32x4.sub(v128.load(current + c), v128.load(previous + c));
        const own = dx + at + c;
        const before = t > 0 ? own - row : 0;
        mixBackward(d0 + at + c, mixes + c, dmixes + c, step, own, before);
        if (count > 1)
          mixBackward(d1 + at + c, mixes + row + c, dmixes + row + c, step, own, before);
        if (count > 2)
          mixBackward(d2 + at + c, mixes + 2 * row + c, dmixes + 2 * row + c, step, own, before);
      }
    }
    for (let t: usize = 0; t < time; t++) {
      const at = (n * time + t) * row;
      const dy = dx + at;
      normalizeRowBackward(x + at, gamma, epsilon, channels, dy, dy, dgamma, dbeta, normed);
    }
  }
}

/**
 * The gradient of sigmoid(r) * WKV, as in kernels/backward/loops.ts. k, v, r, dout, dk, dv, dr: [batch, time,
 * channels]; rates (e^time_decay), first, ddecay, dfirst: [channels]; states: scratch of [time, 3, channels],
 * the sums before each token of one sequence; going: scratch of [3, channels].
 */
export function wkvBackward(
  k: usize,
  v: usize,
  r: usize,
  rates: usize,
  first: usize,
  dout: usize,
  batch: usize,
  time: usize,
  channels: usize,
  dk: usize,
  dv: usize,
  dr: usize,
  ddecay: usize,
  dfirst: usize,
  states: usize,
  going: usize,
): void {
  const row = channels << 2;
  const empty = f32x4.splat(EMPTY);
  const one = f32x4.splat(1);
  memory.fill(ddecay, 0, row);
  memory.fill(dfirst, 0, row);
  for (let n: usize = 0; n < batch; n++) {
    memory.fill(states, 0, 2 * row);
    for (let c: usize = 0; c < row; c += 16) v128.store(states + 2 * row + c, empty);
    for (let t: usize = 0; t + 1 < time; t++) {
      const token = (n * time + t) * row;
      const here = states + t * 3 * row;
      for (let c: usize = 0; c < row; c += 16) {
        const key = v128.load(k + token + c);
        const decayed = f32x4.sub(v128.load(here + 2 * row + c), v128.load(rates + c));
        const gap = f32x4.sub(decayed, key);
        const oldWins = f32x4.ge(gap, f32x4.splat(0));
        const small = exp4(f32x4.neg(f32x4.abs(gap)));
        const keep = v128.bitselect(one, small, oldWins);
        const add = v128.bitselect(small, one, oldWins);
        const next = here + 3 * row + c;
        const value = v128.load(v + token + c);
        v128.store(next, madd(keep, v128.load(here + c), f32x4.mul(add, value)));
        v128.store(next + row, madd(keep, v128.load(here + row + c), add));
        v128.store(next + 2 * row, v128.bitselect(decayed, key, oldWins));
      }
    }
    memory.fill(going, 0, 2 * row);
    for (let c: usize = 0; c < row; c += 16) v128.store(going + 2 * row + c, empty);
    for (let t = time; t-- > 0; ) {
      const token = (n * time + t) * row;
      const here = states + t * 3 * row;
      for (let c: usize = 0; c < row; c += 16) {
        const at = token + c;
        const key = v128.load(k + at);
        const value = v128.load(v + at);
        const a = v128.load(here + c);
        const b = v128.load(here + row + c);
        const p = v128.load(here + 2 * row + c);
        const rate = v128.load(rates + c);
        const dpast = v128.load(going + c);
        const dcount = v128.load(going + row + c);
        const scale = v128.load(going + 2 * row + c);

        const now = f32x4.add(v128.load(first + c), key);
        const lead = f32x4.sub(p, now);
        const pastWins = f32x4.ge(lead, f32x4.splat(0));
        const minor = exp4(f32x4.neg(f32x4.abs(lead)));
        const past = v128.bitselect(one, minor, pastWins);
        const present = v128.bitselect(minor, one, pastWins);
        const top = v128.bitselect(p, now, pastWins);
        const all = f32x4.div(one, madd(past, b, present));
        const average = f32x4.mul(madd(past, a, f32x4.mul(present, value)), all);
        const gate = sigmoid4(v128.load(r + at));
        const gated = f32x4.mul(v128.load(dout + at), gate);
        v128.store(dr + at, f32x4.mul(f32x4.mul(gated, average), f32x4.sub(one, gate)));
        const dnumerator = f32x4.mul(gated, all);
        const ddenominator = f32x4.neg(f32x4.mul(dnumerator, average));

        const fresh = f32x4.mul(present, dnumerator);
        const own = f32x4.mul(fresh, f32x4.sub(value, average));
        const onward = exp4(f32x4.add(key, scale));
        addTo(dfirst + c, own);
        v128.store(dk + at, madd(onward, madd(dpast, value, dcount), own));
        v128.store(dv + at, madd(onward, dpast, fresh));
        const decayed = f32x4.sub(scale, rate);
        const still = exp4(f32x4.add(decayed, p));
        const held = madd(dpast, a, f32x4.mul(dcount, b));
        v128.store(ddecay + c, madd(still, held, v128.load(ddecay + c)));

        const lower = f32x4.neg(top);
        const gap = f32x4.sub(decayed, lower);
        const oldWins = f32x4.ge(gap, f32x4.splat(0));
        const small = exp4(f32x4.neg(f32x4.abs(gap)));
        const keep = v128.bitselect(one, small, oldWins);
        const add = v128.bitselect(small, one, oldWins);
        v128.store(going + c, madd(keep, dpast, f32x4.mul(add, dnumerator)));
        v128.store(going + row + c, madd(keep, dcount, f32x4.mul(add, ddenominator)));
        v128.store(going + 2 * row + c, v128.bitselect(decayed, lower, oldWins));
      }
    }
  }
  // w = -e^decay is its own derivative.
  for (let c: usize = 0; c < row; c += 16)
    v128.store(ddecay + c, f32x4.neg(f32x4.mul(v128.load(ddecay + c), v128.load(rates + c))));
}

/**
 * The gradient of LIF neurons through the surrogate and the reset. x, gate, dout, dx, dgate: [batch, time,
 * channels], gate and dgate 0 where there is none; charges: scratch of [time + 1, channels].
 */
export function spikesBackward(
  x: usize,
  gate: usize,
  dout: usize,
  batch: usize,
  time: usize,
  channels: usize,
  dx: usize,
  dgate: usize,
  charges: usize,
): void {
  const row = channels << 2;
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  const last = charges + time * row;
  for (let n: usize = 0; n < batch; n++) {
    memory.fill(last, 0, row);
    for (let t: usize = 0; t < time; t++) {
      const token = (n * time + t) * row;
      const here = charges + t * row;
      for (let c: usize = 0; c < row; c += 16) {
        const at = token + c;
        let current = v128.load(x + at);
        // As the forward pass divides, so that the same neurons fire.
        if (gate)
          current = f32x4.div(current, f32x4.add(one, exp4(f32x4.neg(v128.load(gate + at)))));
        const potential = v128.load(last + c);
        const charged = madd(f32x4.sub(current, potential), half, potential);
        v128.store(here + c, charged);
        v128.store(last + c, v128.andnot(charged, f32x4.ge(charged, one)));
      }
    }
    // From here on the last row is the gradient by the potential after a token.
    memory.fill(last, 0, row);
    for (let t = time; t-- > 0; ) {
      const token = (n * time + t) * row;
      for (let c: usize = 0; c < row; c += 16) {
        const at = token + c;
        const charged = v128.load(charges + t * row + c);
        const dpotential = v128.load(last + c);
        const distance = f32x4.mul(f32x4.sub(charged, one), f32x4.splat(PI));
        const slope = f32x4.div(one, madd(distance, distance, one));
        const through = f32x4.sub(v128.load(dout + at), f32x4.mul(dpotential, charged));
        const kept = v128.andnot(dpotential, f32x4.ge(charged, one));
        const dcurrent = f32x4.mul(madd(through, slope, kept), half);
        v128.store(last + c, dcurrent);
        if (gate) {
          const open = sigmoid4(v128.load(gate + at));
          const passed = f32x4.mul(dcurrent, open);
          v128.store(dx + at, passed);
          const steep = f32x4.mul(passed, f32x4.sub(one, open));
          v128.store(dgate + at, f32x4.mul(steep, v128.load(x + at)));
        } else v128.store(dx + at, dcurrent);
      }
    }
  }
}

/** x, dy, dx: [values], a multiple of 4. */
export function squaredReluBackward(x: usize, dy: usize, values: usize, dx: usize): void {
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < values << 2; i += 16) {
    const value = v128.load(x + i);
    const twice = f32x4.mul(f32x4.add(value, value), v128.load(dy + i));
    v128.store(dx + i, v128.and(twice, f32x4.gt(value, zero)));
  }
}

/**
 * logits, dlogits: [rows, classes], a multiple of 4; targets: int32 [rows]; weights: [rows]; terms: float64
 * [rows, 2] receives the sum of e^{x - highest} and x[target] - highest, since a logarithm's table would be
 * static data.
 */
export function nllBackward(
  logits: usize,
  targets: usize,
  weights: usize,
  pull: f32,
  rows: usize,
  classes: usize,
  dlogits: usize,
  terms: usize,
): void {
  const row = classes << 2;
  for (let i: usize = 0; i < rows; i++) {
    const x = logits + i * row;
    const dx = dlogits + i * row;
    let high4 = v128.load(x);
    for (let c: usize = 16; c < row; c += 16) high4 = f32x4.pmax(high4, v128.load(x + c));
    const high = max(
      max(f32x4.extract_lane(high4, 0), f32x4.extract_lane(high4, 1)),
      max(f32x4.extract_lane(high4, 2), f32x4.extract_lane(high4, 3)),
    );
    const highest = f32x4.splat(high);
    let total = f64x2.splat(0);
    for (let c: usize = 0; c < row; c += 16) {
      const e = exp4(f32x4.sub(v128.load(x + c), highest));
      v128.store(dx + c, e);
      total = f64x2.add(total, f64x2.promote_low_f32x4(e));
      total = f64x2.add(total, f64x2.promote_low_f32x4(i64x2.shuffle(e, e, 1, 1)));
    }
    const sum = f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
    const weight = load<f32>(weights + (i << 2));
    const share = f32x4.splat(<f32>(<f64>weight / sum));
    for (let c: usize = 0; c < row; c += 16)
      v128.store(dx + c, f32x4.mul(v128.load(dx + c), share));
    const target = <usize>load<i32>(targets + (i << 2)) << 2;
    store<f32>(dx + target, load<f32>(dx + target) - weight);
    if (pull !== 0)
      for (let c: usize = 0; c < row; c += 4)
        if (load<f32>(x + c) === high) {
          store<f32>(dx + c, load<f32>(dx + c) + pull * weight * high);
          break;
        }
    store<f64>(terms + (i << 4), sum);
    store<f64>(terms + (i << 4), <f64>load<f32>(x + target) - <f64>high, 8);
  }
}
