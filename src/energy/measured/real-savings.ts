import { UsageError } from '../../util/errors.js';
import type { MeasuredRow } from './summary.js';

/**
 * The ways to compute with quantized weights.
 *
 * - `simulated`: rounded weights, held and multiplied as float32 by JavaScript and WebAssembly;
 * - `native`: the same with the kernels of native TensorFlow;
 * - `packed`: integers of the plan's bits, in memory and in the products.
 */
export const EXECUTIONS = ['simulated', 'native', 'packed'] as const;
/** One of {@link EXECUTIONS}. */
export type Execution = (typeof EXECUTIONS)[number];

/** Executions that energy can be measured of: packed weights are of one plan, and plans are measured in turns. */
const MEASURABLE: ReadonlySet<Execution> = new Set<Execution>(['simulated', 'native']);

/** The execution of a backend: `tensorflow` is native. */
export function executionOf(backend: string): Execution {
  return backend === 'tensorflow' ? 'native' : 'simulated';
}

/**
 * Refuses a limit on speed where no plan can change it.
 *
 * @param minSpeed tokens/s; nothing is refused without.
 * @throws {UsageError} where weights are rounded and computed with as float32.
 */
export function requireSpeedLimit(minSpeed: number | undefined, backend: string): void {
  if (minSpeed === undefined || executionOf(backend) === 'packed') return;
  throw new UsageError({
    what: 'a plan does not change the speed here, so none can be chosen by it',
    where: '--min-speed',
    got: `${executionOf(backend)} execution (${backend}): rounded weights, float32 products`,
    expected: 'no such limit: it is for packed execution, which searches do not use',
  });
}

/** A part of the saving, and how real it is in each execution: a row of `table()`. */
export interface RealSaving extends Readonly<Record<Execution, string>> {
  readonly saving: string;
}

const NOT_MEASURABLE = 'not measured: plans cannot be measured in turns so';
const PACKED_HELD = 'real: `qslm eval --packed` holds the integers (wasm, SpikeGPT)';
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
      if (rows !== undefined) return tell(rows);
      return MEASURABLE.has(execution) ? 'not measured here' : NOT_MEASURABLE;
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
  if (changed.length === 0) return 'not measured here';
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
