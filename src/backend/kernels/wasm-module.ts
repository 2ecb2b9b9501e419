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
  readonly sparseMatMul: Export;
  readonly squaredReluMatMulBackward: Export;
  readonly matMul: Export;
  readonly transpose: Export;
  readonly headTerms: Export;
  readonly matMulScratch: (inner: number) => number;
  readonly packedMatMul: Export;
  readonly packedHeadTerms: Export;
  readonly packedMatMulScratch: (rows: number, inner: number, groupLength: number) => number;
  readonly packedSquaredReluMatMul: Export;
  readonly packedSquaredReluMatMulScratch: (
    rows: number,
    inner: number,
    groupLength: number,
  ) => number;
  readonly packedRows: Export;
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
  readonly layerNormBackward: Export;
  readonly tokenMixBackward: Export;
  readonly wkvBackward: Export;
  readonly spikesBackward: Export;
  readonly squaredReluBackward: Export;
  readonly nllBackward: Export;
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

function instantiate(arithmetic: Arithmetic, memory: WebAssembly.Memory): SpikingModule {
  const instance = new WebAssembly.Instance(compile(arithmetic), { env: { memory } });
  return instance.exports as unknown as SpikingModule;
}

/**
 * Compiles the kernels into a memory: a few milliseconds.
 *
 * @throws {BackendError} when they are not built, or the processor rounds otherwise than asked for
 */
export function loadSpikingModule(
  arithmetic: Arithmetic,
  memory: WebAssembly.Memory,
): SpikingModule {
  const spiking = instantiate(arithmetic, memory);
  requireSame(arithmeticIn(spiking), arithmetic);
  return spiking;
}

/** The arithmetic that the instructions of a module have here, whatever it was compiled for. */
function arithmeticIn(spiking: SpikingModule): Arithmetic {
  // (1 + 2^-12)² is 1 + 2^-11 + 2^-24, and float32 has no room for the last term: only where the product is
  // not rounded before the sum does it show.
  return spiking.squareLess(1 + 2 ** -12, 1 + 2 ** -11) !== 0 ? 'fused' : 'separate';
}

/**
 * Tries which arithmetic engine and processor have.
 *
 * @param allocate a memory for the trial; another one in tests
 * @throws {BackendError} when the kernels are not built, or there is no memory to find out: that is not a "no".
 */
export function detectArithmetic(
  allocate = () => new WebAssembly.Memory({ initial: 1 }),
): Arithmetic {
  if (process.env[ARITHMETIC_VARIABLE] === 'separate') return 'separate';
  try {
    return arithmeticIn(instantiate('fused', allocate()));
  } catch (cause) {
    if (cause instanceof BackendError) throw cause;
    // An engine without relaxed SIMD.
    if (cause instanceof WebAssembly.CompileError) return 'separate';
    const got = cause instanceof Error ? cause.message : String(cause);
    const expected = `some memory, or ${ARITHMETIC_VARIABLE}=separate`;
    const what = 'cannot find out whether multiply–adds can be fused';
    throw new BackendError({ what, where: 'backend wasm', got, expected }, { cause });
  }
}

/** Of this thread, once it is known or prescribed. */
let decided: Arithmetic | undefined;

/**
 * The fastest arithmetic of this machine, or what {@link ARITHMETIC_VARIABLE} or {@link prescribeArithmetic}
 * says; decided once a thread.
 *
 * @throws {BackendError} as {@link detectArithmetic}
 */
export function wasmArithmetic(): Arithmetic {
  return (decided ??= detectArithmetic());
}

/**
 * Has this thread compute as another one that its numbers are put together with.
 *
 * @throws {BackendError} where this thread computes otherwise already
 */
export function prescribeArithmetic(arithmetic: Arithmetic): void {
  decided ??= arithmetic;
  requireSame(decided, arithmetic);
}

function requireSame(got: Arithmetic, expected: Arithmetic): void {
  if (got === expected) return;
  throw new BackendError({
    what: 'a thread would round otherwise than the rest of the run',
    where: 'backend wasm',
    got: `${got} multiply–adds`,
    expected: `${expected} ones`,
  });
}
