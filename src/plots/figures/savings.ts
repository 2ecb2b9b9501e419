import { chart, values, type ChartSpec } from '../parts/spec.js';
import { CATEGORIES, COLORS } from '../parts/theme.js';
import type { SavingRecord } from '../records.js';

/** The part of a run that was really done. */
export const COMPUTED = 'computed';

const WIDTH = 500;
const BAR = 34;

/**
 * Beyond the paper: the work that a run would need with every candidate evaluated in full, split into the
 * part that each acceleration avoided and the part that was computed.
 *
 * @throws {PlotError} when there are no records.
 */
export function savingsChart(records: readonly SavingRecord[]): ChartSpec {
  const runs = [...new Set(records.map(({ run }) => run))];
  const parts = [...new Set([COMPUTED, ...records.map(({ part }) => part)])];
  const totals = new Map<string, number>();
  for (const { run, evaluations } of records) totals.set(run, (totals.get(run) ?? 0) + evaluations);
  const rows = records.map((record) => ({
    ...record,
    order: parts.indexOf(record.part),
    share: record.evaluations / (totals.get(record.run) ?? 1),
  }));
  return chart(
    'Share of the work of each run that every acceleration avoided, and what was left to compute.',
    {
      title: {
        text: 'What each acceleration saved',
        subtitle: 'Work as a share of what the run takes with every candidate evaluated in full',
      },
      width: WIDTH,
      height: runs.length * BAR,
      data: { values: values(rows, 'savings chart') },
      encoding: {
        y: {
          field: 'run',
          type: 'nominal',
          sort: runs,
          title: null,
          axis: { grid: false, ticks: false, domain: false, labelLimit: 150 },
        },
        x: {
          field: 'share',
          type: 'quantitative',
          stack: 'zero',
          title: 'Share of the work (%)',
          scale: { domain: [0, 1] },
          axis: { format: '~%' },
        },
        order: { field: 'order' },
      },
      layer: [
        {
          mark: { type: 'bar', stroke: '#ffffff' },
          encoding: {
            color: {
              field: 'part',
              type: 'nominal',
              scale: { domain: parts, range: [COLORS.black, ...CATEGORIES] },
              legend: { title: null, orient: 'top', columns: 4, labelLimit: 200 },
            },
            tooltip: [
              { field: 'run', title: 'Run' },
              { field: 'part', title: 'Part' },
              { field: 'evaluations', title: 'Work (full evaluations)', format: '.2f' },
              { field: 'share', title: 'Share', format: '.1%' },
            ],
          },
        },
        {
          // Below a twentieth of the width there is no room for the number.
          transform: [
            { calculate: "datum.share < 0.05 ? '' : format(datum.share, '.0%')", as: 'text' },
          ],
          mark: { type: 'text', fontSize: 11, aria: false },
          encoding: {
            x: { field: 'share', type: 'quantitative', stack: 'zero', bandPosition: 0.5 },
            detail: { field: 'part' },
            text: { field: 'text' },
            // The later colours are the lighter ones.
            color: {
              condition: { test: 'datum.order > 3', value: COLORS.black },
              value: '#ffffff',
            },
          },
        },
      ],
    },
  );
}
