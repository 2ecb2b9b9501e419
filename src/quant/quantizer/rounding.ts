/**
 * 1.5 · 2^52. Adding it to a double of magnitude below 2^51 pushes the fraction out of the mantissa, and
 * the hardware rounds half to even as it does; taking it away again leaves the rounded value. Several
 * times faster than a branch on the fraction, and never −0.
 */
export const ROUNDER = 1.5 * 2 ** 52;

/** The nearest integer, halves to the even one (IEEE 754, Python's and PyTorch's `round`); |x| < 2^51. */
export function roundHalfToEven(x: number): number {
  return x + ROUNDER - ROUNDER;
}
