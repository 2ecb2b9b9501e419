/**
 * Energy of single operations in a 45 nm process at 0.9 V, in picojoules.
 *
 * Source, where nothing else is said: M. Horowitz, "Computing's energy problem (and what we can do about
 * it)", ISSCC 2014, the table of operations. Papers on spiking networks take the same values (4.6 pJ a
 * multiply–accumulate, 0.9 pJ an accumulate). They are of bare arithmetic units: no instruction, no
 * control, no leakage. So they compare operations; they do not predict what a machine draws.
 */

/** Floating-point addition, 32 bits. */
export const FLOAT_ADD_PJ = 0.9;
/** Floating-point multiplication, 32 bits. */
export const FLOAT_MULTIPLY_PJ = 3.7;
/** A floating-point multiply–accumulate: one multiplication and one addition. */
export const FLOAT_MAC_PJ = FLOAT_MULTIPLY_PJ + FLOAT_ADD_PJ;
/** The cost of a spike at a synapse: the weight is added, nothing is multiplied. */
export const FLOAT_ACCUMULATE_PJ = FLOAT_ADD_PJ;

/** Integer addition, 8 bits. */
export const INTEGER_ADD_8_PJ = 0.03;
/** Integer addition, 32 bits. */
export const INTEGER_ADD_32_PJ = 0.1;
/** Integer multiplication, 8 bits. */
export const INTEGER_MULTIPLY_8_PJ = 0.2;
/** Integer multiplication, 32 bits. */
export const INTEGER_MULTIPLY_32_PJ = 3.1;

/**
 * Floating-point division, 32 bits. Not in Horowitz's table: 7.1 multiplications, as measured on an ARM
 * Cortex-M4F (Frontiers in Neurology 2022, PMC8934428, table 3, which takes all else from Horowitz).
 */
export const FLOAT_DIVIDE_PJ = 7.1 * FLOAT_MULTIPLY_PJ;
/**
 * Exponential function and square root. No value is published with the others; taken as a division, which
 * is an assumption. A token needs some 10 of them a channel and layer where it needs thousands of
 * multiply–accumulates, so that even ten times as much would change little.
 */
export const FLOAT_FUNCTION_PJ = FLOAT_DIVIDE_PJ;
/** Comparison of two 32-bit floats: as an integer addition, since their order is that of their bits. */
export const COMPARE_PJ = INTEGER_ADD_32_PJ;

/**
 * Integer multiplication of `bits` × `bits`: the power law through the two published points, 0.2 pJ at 8
 * and 3.1 pJ at 32 bits, hence 0.2 · (bits / 8)^1.98 pJ. An array multiplier has bits² cells, which would
 * be the exponent 2.
 */
export function integerMultiplyPicojoules(bits: number): number {
  const exponent = Math.log2(INTEGER_MULTIPLY_32_PJ / INTEGER_MULTIPLY_8_PJ) / Math.log2(32 / 8);
  return INTEGER_MULTIPLY_8_PJ * (bits / 8) ** exponent;
}

/**
 * An integer multiply–accumulate: a multiplication of `bits` × `bits`, and an addition in an accumulator of
 * 32 bits, which is what sums of some thousand products need.
 */
export function integerMacPicojoules(bits: number): number {
  return integerMultiplyPicojoules(bits) + INTEGER_ADD_32_PJ;
}

/** Energy of reading one bit, in picojoules: the ends of what is published, and their middle. */
export interface BitEnergy {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

/** Bits that one access of Horowitz's table moves. */
const ACCESS_BITS = 64;

function bitEnergy(low: number, high = low): BitEnergy {
  const [a, b] = [low / ACCESS_BITS, high / ACCESS_BITS];
  return { low: a, middle: (a + b) / 2, high: b };
}

/**
 * The memories that weights are read from. DRAM: 1.3–2.6 nJ for 64 bits. Static memory on the chip, 64 bits
 * from an array of the size named: 10, 20 and 100 pJ.
 */
export const WEIGHT_MEMORIES = {
  DRAM: bitEnergy(1300, 2600),
  'SRAM 1 MB': bitEnergy(100),
  'SRAM 32 KB': bitEnergy(20),
  'SRAM 8 KB': bitEnergy(10),
} as const satisfies Readonly<Record<string, BitEnergy>>;

/** One of {@link WEIGHT_MEMORIES}. */
export type WeightMemory = keyof typeof WEIGHT_MEMORIES;
