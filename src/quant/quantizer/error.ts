/** The error that quantization made in a tensor. */
export interface QuantizationError {
  /** Largest |x − x'|. */
  readonly largest: number;
  /** Signal-to-quantization-noise ratio, 10 · log10(Σ x² / Σ (x − x')²) dB; infinite without error. */
  readonly sqnrDb: number;
}

/** Compares a tensor with its quantized form, [n] each; sums in double precision. */
export function quantizationError(
  values: Float32Array,
  quantized: Float32Array,
): QuantizationError {
  let largest = 0;
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < values.length; i++) {
    const error = values[i] - quantized[i];
    largest = Math.max(largest, Math.abs(error));
    signal += values[i] * values[i];
    noise += error * error;
  }
  return { largest, sqnrDb: noise === 0 ? Infinity : 10 * Math.log10(signal / noise) };
}
