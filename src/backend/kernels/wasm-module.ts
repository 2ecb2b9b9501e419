import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { BackendError } from '../../util/errors.js';
import { packagePath } from '../../util/paths.js';

/**
 * The rounding of a multiply–add of the kernels: once (`fused`), by the instruction that relaxed SIMD gives
 * where the processor has it, or after the product and again after the sum (`separate`), as plain SIMD
 * does anywhere. Fused is the faster (ARCHITECTURE.md has figures); the results differ in the last bits.
 */
export type Arithmetic = 'fused' | 'separate';

/** Set to `separate` to compute on any processor as on one without fused multiply–add. */
export const ARITHMETIC_VARIABLE = 'QSLM_ARITHMETIC';

type Export = (...operands: number[]) => void;

/** The exports of src/backend/assembly; addresses and sizes as numbers. */
export interface SpikingModule {
  readonly gatherRows: Export;
  readonly layerNorm: Export;
  readonly tokenMix: Export;
  readonly exponentials: Export;
  readonly wkv: Export;
  readonly spikingResidual: Export;
  readonly squaredReluMatMul: Export;
  readonly squaredReluMatMulScratch: (hidden: number, channels: number) => number;
  readonly matMul: Export;
  readonly headTerms: Export;
  readonly matMulScratch: (inner: number) => number;
  readonly maskedMean: Export;
  readonly lifSteps: Export;
  readonly spikeAttention: Export;
  readonly ternarySteps: Export;
  readonly softmaxAttention: Export;
  readonly biasGelu: Export;
  readonly addNorm: Export;
  readonly integrateFire: Export;
  readonly packSteps: Export;
  readonly unpackSteps: Export;
  readonly squareLess: (x: number, y: number) => number;
}

function compile(arithmetic: Arithmetic): WebAssembly.Module {
  const name = arithmetic === 'fused' ? 'spiking-fused.wasm' : 'spiking.wasm';
  const path = packagePath('dist', 'backend', name);
  let code: Buffer;
  try {
    code = readFileSync(path);
  } catch (cause) {
    throw new BackendError(
      { what: 'the compiled kernels are missing', where: path, expected: 'npm run build first' },
      { cause },
    );
  }
  // Node 20 has relaxed SIMD behind a flag, from 22 on it is always there.
  if (arithmetic === 'fused' && !WebAssembly.validate(code))
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  return new WebAssembly.Module(code);
}

/**
 * Compiles the kernels into a memory: a few milliseconds.
 *
 * @throws {BackendError} when they are not built
 */
export function loadSpikingModule(
  arithmetic: Arithmetic,
  memory: WebAssembly.Memory,
): SpikingModule {
  const instance = new WebAssembly.Instance(compile(arithmetic), { env: { memory } });
  return instance.exports as unknown as SpikingModule;
}

function detect(): Arithmetic {
  if (process.env[ARITHMETIC_VARIABLE] === 'separate') return 'separate';
  try {
    const fused = loadSpikingModule('fused', new WebAssembly.Memory({ initial: 1 }));
    // (1 + 2^-12)² is 1 + 2^-11 + 2^-24, and float32 has no room for the last term: only where the product is
    // not rounded before the sum does it show.
    return fused.squareLess(1 + 2 ** -12, 1 + 2 ** -11) !== 0 ? 'fused' : 'separate';
  } catch (error) {
    if (error instanceof BackendError) throw error;
    return 'separate'; // an engine without relaxed SIMD
  }
}

let detected: Arithmetic | undefined;

/**
 * The fastest arithmetic of this machine, or what {@link ARITHMETIC_VARIABLE} says; asked once a process.
 *
 * @throws {BackendError} when the kernels are not built
 */
export function wasmArithmetic(): Arithmetic {
  return (detected ??= detect());
}
