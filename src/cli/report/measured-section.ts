import { EXECUTIONS, realSavings } from '../../energy/measured/real-savings.js';
import type { MeasuredEnergyRow } from '../../experiment/runs/energy/measured-energy.js';
import type { SavedEnergy } from '../../experiment/runs/energy/saved-energy.js';
import { energyRunFigures, type EnergyRunOptions } from '../../figures/energy-run-figures.js';
import type { ReportSection } from '../../plots/render/report.js';
import {
  MEASURED_COLUMNS,
  measuredLines,
  REAL_COLUMNS,
  realLines,
} from '../commands/energy/columns.js';
import { htmlTable } from './run-sections.js';

/** A measurement of energy: Fig. 10, its numbers, what was absent, and what of the saving is real where. */
export function measuredSections(run: SavedEnergy, options: EnergyRunOptions): ReportSection[] {
  const { study, rows, remarks, absent } = run;
  const { name } = study.options.file;
  const figures = energyRunFigures(run, options);
  const [energy, landscape] = [figures.get('energy'), figures.get('landscape')];
  return [
    {
      heading: `${name}: measured energy`,
      paragraphs: [
        `Measured with meters on ${rows[0]?.machine ?? 'no machine'}, on ${study.task.source}; above idle, changes paired repeat by repeat, the 95 % intervals of all plans of a meter together. Modelled numbers stand in panels of their own, and none of them was metered.`,
        ...remarks.map((remark) => `Remark: ${remark}.`),
        ...absent.map((each) => `Absent: ${each.name}: ${each.reason}.`),
      ],
      ...(energy && { chart: energy() }),
      tables: [htmlTable('Measured energy and power', MEASURED_COLUMNS, measuredLines(rows))],
    },
    ...(landscape
      ? [{ heading: `${name}: measured plans among published models`, chart: landscape() }]
      : []),
  ];
}

/** One table of what is real where, from all measurements of a report: executions are measured apart. */
export function realSection(runs: readonly SavedEnergy[]): ReportSection[] {
  if (runs.length === 0) return [];
  const all = runs.flatMap(({ rows }) => rows);
  const subjects = new Set(all.map(subjectOf));
  // "8 bits" of one model is not that of another.
  const told =
    subjects.size < 2
      ? all
      : all.map((row) => ({ ...row, plan: `${row.plan}, ${subjectOf(row)}` }));
  const measured = EXECUTIONS.flatMap((execution) => {
    const rows = told.filter((row) => row.execution === execution);
    return rows.length === 0 ? [] : [[execution, rows] as const];
  });
  const lines = realLines(realSavings(Object.fromEntries(measured)));
  const caption = 'Simulated, native and packed execution apart';
  return [
    {
      heading: 'What of the saving is real where',
      tables: [{ ...htmlTable(caption, REAL_COLUMNS, lines), wraps: true }],
    },
  ];
}

function subjectOf({ model, task, machine }: MeasuredEnergyRow): string {
  return `${model} on ${task}, ${machine}`;
}
