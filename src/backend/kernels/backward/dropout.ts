/**
 * The factors of dropout: 0 for a share `rate` of the values, 1 / (1 − rate) for the rest. Which, is a hash of
 * the seed and a value's place (lowbias32, C. Wellons, "Prospecting for Hash Functions", 2018), so that the way
 * back makes the same ones again.
 */
export function dropoutFactors(size: number, rate: number, seed: number): Float32Array {
  const factors = new Float32Array(size);
  const kept = 1 / (1 - rate);
  const least = rate * 2 ** 32;
  const start = mixed(seed | 0);
  for (let i = 0; i < size; i++) if (mixed(i ^ start) >>> 0 >= least) factors[i] = kept;
  return factors;
}

function mixed(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
