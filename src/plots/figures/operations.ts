import { chart, values, type ChartSpec } from '../parts/spec.js';
import { COLORS } from '../parts/theme.js';
import type { OperationRecord } from '../records.js';

const WIDTH = 470;
const BAR = 20;

const KINDS = ['product after spikes', 'product of real values', 'elementwise'] as const;

/** Beyond the paper: a token's operations by part of the model. @throws {PlotError} without records. */
export function operationsChart(records: readonly OperationRecord[]): ChartSpec {
  const total = records.reduce((sum, { operations }) => sum + operations, 0);
  const rows = records.map((record) => {
    const share = record.operations / total;
    return { ...record, share, text: `${(100 * share).toFixed(1)} %` };
  });
  const models = [...new Set(records.map(({ model }) => model))].join(', ');
  const parts = [...new Set(records.map(({ part }) => part))];
  const largest = Math.max(...records.map(({ operations }) => operations));
  const y = {
    field: 'part',
    type: 'nominal',
    title: null,
    scale: { domain: parts },
    axis: { grid: false, ticks: false, domain: false, labelLimit: 160 },
  };
  const x = {
    field: 'operations',
    type: 'quantitative',
    title: 'Operations a token',
    scale: { domain: [0, 1.12 * largest || 1], nice: false },
    axis: { format: '~s', tickCount: 6, labelExpr: "datum.value === 0 ? '0' : datum.label" },
  };
  return chart(
    `Operations a token of ${models} by part: matrix products, by what they read, and the rest.`,
    {
      title: {
        text: 'Where the operations of a token go',
        subtitle: [`${models}, all blocks together; a multiply–accumulate is two operations`],
      },
      width: WIDTH,
      height: parts.length * BAR,
      data: { values: values(rows, 'operations chart') },
      encoding: { y, x },
      layer: [
        {
          mark: { type: 'bar' },
          encoding: {
            color: {
              field: 'kind',
              type: 'nominal',
              scale: { domain: [...KINDS], range: [COLORS.blue, COLORS.vermilion, COLORS.green] },
              legend: { title: null, orient: 'top', labelLimit: 200 },
            },
            tooltip: [
              { field: 'part', title: 'Part' },
              { field: 'kind', title: 'Kind' },
              { field: 'operations', title: 'Operations a token', format: ',.0f' },
              { field: 'text', title: 'Share' },
            ],
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, aria: false },
          encoding: { text: { field: 'text' } },
        },
      ],
    },
  );
}
