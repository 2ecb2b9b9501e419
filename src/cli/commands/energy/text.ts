import type { RealSaving } from '../../../energy/measured/real-savings.js';
import type { MeasuredEnergy } from '../../../experiment/runs/energy/measured-energy.js';
import type { EnergyRecord } from '../../../plots/records.js';
import { formatFacts, formatTable, numberColumns } from '../../format/table.js';
import {
  estimateText,
  MEASURED_COLUMNS,
  measuredLines,
  REAL_COLUMNS,
  realLines,
} from './columns.js';

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
    parts.push(formatTable(MEASURED_COLUMNS, measuredLines(rows)));
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
  parts.push(formatTable(REAL_COLUMNS, realLines(real)));
  return parts.join('\n\n');
}
