// Four-lane float32 helpers shared by the kernels. Nothing here or in the kernels has static data: the
// module lives in the memory of the TensorFlow.js WebAssembly backend and must not lay anything there.

/** 1.5 * 2^23: adding it rounds a small float to an integer that sits in the low mantissa bits. */
const ROUND_TO_INTEGER: f32 = 12582912.0;
const LOG2_E: f32 = 1.44269504088896341;
/** ln 2 in two parts, so that x - n ln 2 keeps its last bits (Cody and Waite). */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Below this e^x is under the smallest normal float32 and 0 is returned. */
const EXP_LOWEST: f32 = -87.3;
const EXP_HIGHEST: f32 = 88.3;

/**
 * a * b + c in each lane: rounded once where the module is compiled with relaxed SIMD and the processor
 * has the instruction, else twice.
 */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * e^x in each lane, relative error below 2e-7 (Cephes' expf polynomial on [-ln 2 / 2, ln 2 / 2]).
 * 0 below -87.3; x above 88.3 counts as 88.3; NaN stays NaN.
 */
@inline
export function exp4(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(EXP_LOWEST));
  // With x first, pmax and pmin pass NaN on; they are one instruction, max and min seven.
  const clamped = f32x4.pmin(f32x4.pmax(x, f32x4.splat(EXP_LOWEST)), f32x4.splat(EXP_HIGHEST));
  const shifted = madd(clamped, f32x4.splat(LOG2_E), f32x4.splat(ROUND_TO_INTEGER));
  const n = f32x4.sub(shifted, f32x4.splat(ROUND_TO_INTEGER));
  let r = madd(n, f32x4.splat(-LN2_HIGH), clamped);
  r = madd(n, f32x4.splat(-LN2_LOW), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, f32x4.splat(1.0)));
  // Times 2^n: n is in the low bits of `shifted`; moved up by 23 it adds to the exponent field.
  const scaled = i32x4.add(p, i32x4.shl(shifted, 23));
  return v128.andnot(scaled, tiny);
}

/**
 * erf(x) in each lane, absolute error below 5e-7: the rational approximation of kernels/erf.ts, whose
 * coefficients these are.
 */
@inline
export function erf4(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-4)), f32x4.splat(4));
  const square = f32x4.mul(clamped, clamped);
  let p = f32x4.splat(-2.72614225801306e-10);
  p = madd(p, square, f32x4.splat(2.77068142495902e-8));
  p = madd(p, square, f32x4.splat(-2.10102402082508e-6));
  p = madd(p, square, f32x4.splat(-5.69250639462346e-5));
  p = madd(p, square, f32x4.splat(-7.34990630326855e-4));
  p = madd(p, square, f32x4.splat(-2.95459980854025e-3));
  p = madd(p, square, f32x4.splat(-1.60960333262415e-2));
  let q = f32x4.splat(-1.45660718464996e-5);
  q = madd(q, square, f32x4.splat(-2.13374055278905e-4));
  q = madd(q, square, f32x4.splat(-1.68282697438203e-3));
  q = madd(q, square, f32x4.splat(-7.37332916720468e-3));
  q = madd(q, square, f32x4.splat(-1.42647390514189e-2));
  return f32x4.div(f32x4.mul(clamped, p), q);
}

/** The sum of the four lanes, pairwise. */
@inline
export function sum4(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 2) +
    (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3))
  );
}

/** out[c] = (x[c] - mean) / sqrt(variance + epsilon) * gamma[c] + beta[c] for one row. */
@inline
export function normalizeRow(
  x: usize,
  gamma: usize,
  beta: usize,
  epsilon: f32,
  channels: usize,
  out: usize,
): void {
  const row = channels << 2;
  let sum = f32x4.splat(0);
  for (let c: usize = 0; c < row; c += 16) sum = f32x4.add(sum, v128.load(x + c));
  const mean4 = f32x4.splat(sum4(sum) / <f32>channels);

  let squares = f32x4.splat(0);
  for (let c: usize = 0; c < row; c += 16) {
    const centred = f32x4.sub(v128.load(x + c), mean4);
    squares = madd(centred, centred, squares);
  }
  const variance = sum4(squares) / <f32>channels;
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(variance + epsilon));

  for (let c: usize = 0; c < row; c += 16) {
    const centred = f32x4.sub(v128.load(x + c), mean4);
    const scaled = f32x4.mul(centred, scale);
    v128.store(out + c, madd(scaled, v128.load(gamma + c), v128.load(beta + c)));
  }
}

/** One lane from memory in lane 0; the other lanes repeat it. */
@inline
export function splatAt(address: usize): v128 {
  return v128.load32_splat(address);
}
