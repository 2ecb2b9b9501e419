import { changeWords, EXECUTIONS, type RealSaving } from '../../../energy/measured/real-savings.js';
import type { Estimate } from '../../../energy/measured/statistics.js';
import type { MeasuredEnergy } from '../../../experiment/runs/energy/measured-energy.js';
import type { EnergyRecord } from '../../../plots/records.js';
import { formatFacts, formatTable, numberColumns } from '../../format/table.js';

/** Each number of it with the word "modelled". */
export function modelledTable(records: readonly EnergyRecord[]): string {
  return formatTable(
    [
      ...[{ title: 'plan' }, { title: 'origin' }, { title: 'counted' }, { title: 'setting' }],
      ...numberColumns('modelled µJ/token'),
    ],
    records.map(({ plan, origin, accounting, setting, microjoules }) => [
      ...[plan, origin, accounting, setting, microjoules.toPrecision(4)],
    ]),
  );
}

/** The measured numbers with their conditions, and the parts of the saving that are real. */
export function energyText(
  measured: MeasuredEnergy | undefined,
  real: readonly RealSaving[],
): string {
  const parts: string[] = [];
  if (measured !== undefined) {
    const { rows, idle, absent, remarks, folder, windows } = measured;
    parts.push(
      formatTable(
        [
          ...[{ title: 'plan' }, { title: 'origin' }, { title: 'meter' }, { title: 'execution' }],
          ...numberColumns('mJ/token above idle', 'W as drawn', 'tokens/s'),
          ...[{ title: 'energy against fp32' }, { title: 'power against fp32' }],
        ],
        rows.map((row) => [
          ...[row.plan, row.origin, row.meter, `${row.execution} (${row.backend})`],
          estimateText(row.joulesPerToken, 1000),
          ...[estimateText(row.watts), estimateText(row.tokensPerSecond)],
          ...(row.verdict === 'baseline'
            ? ['', '']
            : [changeWords(row.energyChange), changeWords(row.powerChange)]),
        ]),
      ),
    );
    const meters = windows.meters.map(
      ({ name, covers, resolution }) => [name, `${covers}; ${resolution}`] as const,
    );
    parts.push(
      formatFacts([
        ['machine', rows[0].machine],
        ...meters,
        ...idle.map(({ meter, watts }) => [`idle, ${meter}`, `${estimateText(watts)} W`] as const),
        ...absent.map(({ name, reason, needed }) => {
          const help = needed === undefined ? '' : `; needs ${needed}`;
          return [`absent: ${name}`, reason + help] as const;
        }),
        ...remarks.map((remark) => ['remark', remark] as const),
        [
          'intervals',
          '95 %, Student, over repeats; changes paired by repeat, those of all plans of a meter together 95 %',
        ],
        ['run', folder],
      ]),
    );
  }
  parts.push(
    formatTable(
      [{ title: 'what is saved' }, ...EXECUTIONS.map((title) => ({ title }))],
      real.map((row) => [row.saving, ...EXECUTIONS.map((execution) => row[execution])]),
    ),
  );
  return parts.join('\n\n');
}

function estimateText(estimate: Estimate | undefined, factor = 1): string {
  if (estimate === undefined) return 'not measured';
  const [value, low, high] = [estimate.value, estimate.low, estimate.high].map((each) =>
    (each * factor).toPrecision(4),
  );
  return `${value} (${low} to ${high})`;
}
