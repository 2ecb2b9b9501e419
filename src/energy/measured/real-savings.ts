import type { MeasuredRow } from './summary.js';

/**
 * The ways to compute with quantized weights.
 *
 * - `simulated`: rounded weights, held and multiplied as float32 by JavaScript and WebAssembly;
 * - `native`: the same with the kernels of native TensorFlow;
 * - `packed`: integers of the plan's bits, in memory and read by the products, which multiply in float32.
 */
export const EXECUTIONS = ['simulated', 'native', 'packed'] as const;
/** One of {@link EXECUTIONS}. */
export type Execution = (typeof EXECUTIONS)[number];

/** The execution of a backend: `tensorflow` is native. @param packed whether matrices stay packed. */
export function executionOf(backend: string, packed = false): Execution {
  if (packed) return 'packed';
  return backend === 'tensorflow' ? 'native' : 'simulated';
}

/** A part of the saving, and how real it is in each execution: a row of `table()`. */
export interface RealSaving extends Readonly<Record<Execution, string>> {
  readonly saving: string;
}

const NOT_MEASURED = 'not measured here';
const PACKED_HELD = 'real: `--packed` holds the integers (wasm, SpikeGPT)';
const FLOAT_HELD = 'not real: rounded weights are held as float32';

/**
 * The parts of the saving that are real, by execution. Measured energy and power come from the rows, all else from how
 * the executions are made.
 *
 * @param measured rows of each execution that was measured; the others say so.
 */
export function realSavings(
  measured: Partial<Readonly<Record<Execution, readonly MeasuredRow[]>>>,
): RealSaving[] {
  const told = (
    tell: (rows: readonly MeasuredRow[]) => string,
  ): Readonly<Record<Execution, string>> => {
    const of = (execution: Execution): string => {
      const rows = measured[execution];
      return rows === undefined ? NOT_MEASURED : tell(rows);
    };
    return { simulated: of('simulated'), native: of('native'), packed: of('packed') };
  };
  const file = 'real: `qslm export` writes packed integers';
  return [
    { saving: 'weights in a file', simulated: file, native: file, packed: file },
    {
      ...{ saving: 'weights in memory', simulated: FLOAT_HELD },
      ...{ native: FLOAT_HELD, packed: PACKED_HELD },
    },
    { saving: 'energy a token, measured', ...told((rows) => changesIn(rows, 'energyChange')) },
    { saving: 'power, measured', ...told((rows) => changesIn(rows, 'powerChange')) },
  ];
}

/** "8 bits −0.3 % (−1.2 to +0.6), no difference (GPU 0)" of each plan and meter. */
function changesIn(rows: readonly MeasuredRow[], key: 'energyChange' | 'powerChange'): string {
  const changed = rows.filter(({ verdict }) => verdict !== 'baseline');
  if (changed.length === 0) return NOT_MEASURED;
  return changed
    .map(({ plan, meter, [key]: change }) => `${plan}: ${changeWords(change)} (${meter})`)
    .join('; ');
}

/** "−2.1 % (−3.0 to −1.2 %)", with "no difference" where the interval has 0 in it. */
export function changeWords(change: MeasuredRow['energyChange']): string {
  if (change === undefined) return 'not measured';
  const { value, low, high } = change;
  const signed = (share: number): string => {
    const text = (100 * share).toFixed(1);
    return text.startsWith('-') ? text.replace('-', '−') : `+${text}`;
  };
  const equal = low <= 0 && high >= 0 ? ', no difference' : '';
  return `${signed(value)} % (${signed(low)} to ${signed(high)} %)${equal}`;
}
