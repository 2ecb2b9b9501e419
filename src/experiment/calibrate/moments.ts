import { secondMoments } from '../../model/neurons/staged-inputs.js';
import type { InputMoments } from '../../quant/calibrated/compensate.js';

/** Second moments of a matrix's inputs, added up batch by batch in double precision. */
export class MomentSum {
  readonly moments: Float64Array;

  /** @param rows of the matrix that they are for; all by default */
  constructor(
    private readonly inputs: number,
    private readonly rows?: Int32Array,
  ) {
    this.moments = new Float64Array(inputs * inputs);
  }

  /** Adds those of some positions. @param values [positions, in]; those that do not count are 0. */
  async add(values: Float32Array): Promise<void> {
    const { moments, inputs } = this;
    const some = await secondMoments(values, inputs);
    for (let i = 0; i < moments.length; i++) moments[i] += some[i];
  }

  /** The moments so far, and the rows that they are for. */
  get known(): InputMoments {
    return { moments: this.moments, ...(this.rows && { rows: this.rows }) };
  }
}

/** The inputs [B * T, n] with 0 at all padding. */
export function withoutPadding(
  values: Float32Array,
  { lengths, time }: { readonly lengths: Int32Array; readonly time: number },
): Float32Array {
  if (lengths.every((length) => length === time)) return values;
  const counted = values.slice();
  const n = values.length / (lengths.length * time);
  for (const [row, length] of lengths.entries())
    counted.fill(0, (row * time + length) * n, (row + 1) * time * n);
  return counted;
}
