/** Logarithm of the sum of the exponentials of logits [from, to), in double precision. */
export function logSumExp(logits: Float32Array, from: number, to: number): number {
  let largest = -Infinity;
  for (let i = from; i < to; i++) largest = Math.max(largest, logits[i]);
  let sum = 0;
  for (let i = from; i < to; i++) sum += Math.exp(logits[i] - largest);
  return largest + Math.log(sum);
}

/**
 * Kullback–Leibler divergence KL(P‖Q) = Σ p · (ln p − ln q) in nats of two softmax distributions, given by
 * their logits; each term in double precision. NaN where a logit is.
 *
 * @param count logits of one distribution; those of P begin at `at`, those of Q at `other`.
 */
export function klDivergence(
  p: Float32Array,
  at: number,
  q: Float32Array,
  other: number,
  count: number,
): number {
  const [pTotal, qTotal] = [logSumExp(p, at, at + count), logSumExp(q, other, other + count)];
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const logP = p[at + i] - pTotal;
    sum += Math.exp(logP) * (logP - (q[other + i] - qTotal));
  }
  return sum;
}
