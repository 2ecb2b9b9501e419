import { changeWords, EXECUTIONS, type RealSaving } from '../../../energy/measured/real-savings.js';
import type { Estimate } from '../../../energy/measured/statistics.js';
import type { MeasuredEnergyRow } from '../../../experiment/runs/energy/measured-energy.js';
import { numberColumns, type Column } from '../../format/table.js';

/** Measured numbers, a line a plan and meter. */
export const MEASURED_COLUMNS: readonly Column[] = [
  ...[{ title: 'plan' }, { title: 'origin' }, { title: 'meter' }, { title: 'execution' }],
  ...numberColumns('mJ/token above idle', 'W as drawn', 'tokens/s'),
  ...[{ title: 'energy against fp32' }, { title: 'power against fp32' }],
];

/** Lines of {@link MEASURED_COLUMNS}. */
export function measuredLines(rows: readonly MeasuredEnergyRow[]): string[][] {
  return rows.map((row) => [
    ...[row.plan, row.origin, row.meter, executionText(row)],
    estimateText(row.joulesPerToken, 1000),
    ...[estimateText(row.watts), estimateText(row.tokensPerSecond)],
    ...(row.verdict === 'baseline'
      ? ['', '']
      : [changeWords(row.energyChange), changeWords(row.powerChange)]),
  ]);
}

/** The unquantized model has nothing to pack. */
function executionText({ execution, backend, verdict }: MeasuredEnergyRow): string {
  const name = execution === 'packed' && verdict === 'baseline' ? 'float32' : execution;
  return `${name} (${backend})`;
}

/** The parts of a saving that are real, an execution a column. */
export const REAL_COLUMNS: readonly Column[] = [
  { title: 'what is saved' },
  ...EXECUTIONS.map((title) => ({ title })),
];

/** Lines of {@link REAL_COLUMNS}. */
export function realLines(real: readonly RealSaving[]): string[][] {
  return real.map((row) => [row.saving, ...EXECUTIONS.map((execution) => row[execution])]);
}

/** "1.234 (1.200 to 1.260)" */
export function estimateText(estimate: Estimate | undefined, factor = 1): string {
  if (estimate === undefined) return 'not measured';
  const [value, low, high] = [estimate.value, estimate.low, estimate.high].map((each) => {
    const text = (each * factor).toPrecision(4);
    // Tens of thousands of tokens, not 2.141e+4.
    return text.includes('e+') ? String(Number(text)) : text;
  });
  return `${value} (${low} to ${high})`;
}
