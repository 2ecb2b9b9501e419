import { QuantError } from '../../util/errors.js';

/**
 * The factor that error compensation needs: U, upper triangular, with Uᵀ U = H⁻¹. Computed as the inverse of
 * R, upper triangular, with R Rᵀ = H: Cholesky's factorization begun at the last row, so that H⁻¹ itself is
 * never formed.
 *
 * @param moments H, [n, n], symmetric and positive definite; overwritten by U, with zeros below its diagonal.
 * @param name of the matrix whose inputs they are of, for the error.
 * @throws {QuantError} where H is not positive definite.
 */
export function inverseFactor(moments: Float64Array, n: number, name: string): Float64Array {
  reversedCholesky(moments, n, name);
  invertUpper(moments, n);
  return moments;
}

/** R in the upper triangle of H, row by row from the last; what is below the diagonal is set to 0. */
function reversedCholesky(h: Float64Array, n: number, name: string): void {
  for (let j = n - 1; j >= 0; j--) {
    const ofJ = j * n;
    let pivot = h[ofJ + j];
    for (let k = j + 1; k < n; k++) pivot -= h[ofJ + k] * h[ofJ + k];
    if (!(pivot > 0 && pivot < Infinity))
      throw new QuantError({
        what: 'second moments are not positive definite',
        where: `inputs of ${name}`,
        got: `pivot ${pivot} at input ${j} of ${n}`,
        expected: 'finite inputs, and a damping above 0',
      });
    const root = Math.sqrt(pivot);
    h[ofJ + j] = root;
    for (let i = 0; i < j; i++) {
      const ofI = i * n;
      let sum = h[ofI + j];
      for (let k = j + 1; k < n; k++) sum -= h[ofI + k] * h[ofJ + k];
      h[ofI + j] = sum / root;
    }
    h.fill(0, ofJ, ofJ + j);
  }
}

/** R⁻¹ in place of R, both upper triangular: row i from the rows below it. */
function invertUpper(r: Float64Array, n: number): void {
  const row = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    const ofI = i * n;
    const inverse = 1 / r[ofI + i];
    row.fill(0);
    row[i] = inverse;
    for (let k = i + 1; k < n; k++) {
      const factor = -inverse * r[ofI + k];
      if (factor === 0) continue;
      const ofK = k * n;
      for (let j = k; j < n; j++) row[j] += factor * r[ofK + j];
    }
    r.set(row, ofI);
  }
}
