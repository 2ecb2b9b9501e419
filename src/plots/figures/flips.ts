import { blockKind, blockLabel, blockOf } from '../../layout/blocks.js';
import { widthText } from '../parts/blocks.js';
import { symlogTicks, ticksAt } from '../parts/metric-axis.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { byTask, type DataNames, type TaskRecords } from '../parts/task-view.js';
import { bitsScale, COLORS } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import type { BaselineRecord, SensitivityRecord } from '../records.js';

/** Of one panel of two, and of a single one. */
const WIDTHS = { half: 240, whole: 480 };
const HEIGHT = 240;
/** Losses below this share of the largest are drawn linearly, larger ones logarithmically. */
const LINEAR_SHARE = 0.02;

/**
 * Beyond the paper: the share of spikes that a quantized block flips, against the loss of the metric. If the
 * points lie on one curve, the flip rate (which needs no labels) predicts the loss.
 *
 * @throws {PlotError} when no record has a flip rate, or a task has no baseline.
 */
export function flipsChart(
  records: readonly SensitivityRecord[],
  baselines: readonly BaselineRecord[],
  names: DataNames = {},
): ChartSpec {
  const flipped = records.filter(
    ({ flipRate = 0, metric }) => flipRate > 0 && Number.isFinite(metric),
  );
  const tasks = byTask(flipped, baselines, names, 'flips chart');
  const rows = tasks.flatMap((data) => data.own.map((record) => rowOf(record, data)));
  const width = tasks.length > 1 ? WIDTHS.half : WIDTHS.whole;
  const models = [...new Set(flipped.map(({ model }) => model))].join(', ');
  const without = records.length - flipped.length;
  const note = without === 0 ? '' : `; left out: ${without} without flips or a metric`;
  return chart(
    `Share of spikes that change when one block of ${models} is quantized, against the loss of the metric.`,
    {
      title: {
        text: 'Spikes flipped against quality lost',
        subtitle: `${models}; one point a block and bit width, the rest at fp32${note}`,
      },
      data: { values: values(rows, 'flips chart') },
      hconcat: tasks.map((data) => panel(data, width)),
      spacing: 36,
      resolve: { scale: { color: 'shared', shape: 'shared', x: 'independent', y: 'independent' } },
    },
  );
}

type Data = TaskRecords<SensitivityRecord>;

function rowOf(record: SensitivityRecord, { baseline, view }: Data): object {
  const { task, unit, bits, stored, metric, flipRate } = record;
  return {
    task,
    unit,
    kind: blockKind(unit),
    block: blockLabel(blockOf(unit)),
    bits,
    widthText: widthText(bits, stored),
    metric,
    flipRate,
    loss: view.metric.lossOf(baseline.metric, metric),
  };
}

function panel({ own, view, baseline }: Data, width: number): Part {
  const { task } = baseline;
  const higher = view.higher;
  const rates = own.map(({ flipRate = 0 }) => flipRate);
  const losses = own.map(({ metric }) => view.metric.lossOf(baseline.metric, metric));
  const [least, most] = [Math.min(0, ...losses), Math.max(0, ...losses)];
  const constant = LINEAR_SHARE * Math.max(-least, most) || 1e-3;
  const domain = [1.4 * least - constant / 2, 1.4 * most + constant / 2] as const;
  return {
    width,
    height: HEIGHT,
    title: { text: view.title, fontSize: 13 },
    transform: [{ filter: `datum.task === '${task}'` }],
    layer: [
      {
        mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4], aria: false },
        encoding: { y: { datum: 0 } },
      },
      {
        params: [zoomBy(`zoom_${task}`)],
        mark: { type: 'point', filled: true, size: 60, opacity: 0.9 },
        encoding: {
          x: {
            field: 'flipRate',
            type: 'quantitative',
            title: 'Spikes flipped (%, logarithmic)',
            scale: { type: 'log', domain: [Math.min(...rates) / 1.5, Math.max(...rates) * 1.5] },
            axis: { format: '~%', tickCount: 4 },
          },
          y: {
            field: 'loss',
            type: 'quantitative',
            title: higher ? 'Accuracy lost (% points)' : 'Perplexity gained',
            // Most blocks lose next to nothing, a few very much: both are to be seen.
            scale: { type: 'symlog', constant, domain, nice: false },
            axis: { format: higher ? '~%' : '~r', ...ticksAt(symlogTicks(...domain, constant)) },
          },
          color: {
            field: 'bits',
            type: 'ordinal',
            scale: bitsScale(own.map(({ bits }) => bits)),
            legend: { title: 'Bits' },
          },
          shape: {
            field: 'kind',
            type: 'nominal',
            scale: {
              domain: ['input', 'attention', 'output'],
              range: ['triangle-up', 'circle', 'square'],
            },
            legend: { title: 'Block' },
          },
          tooltip: [
            { field: 'unit', title: 'Quantized' },
            { field: 'widthText', title: 'Width' },
            { field: 'flipRate', title: 'Spikes flipped', format: '.3~%' },
            { field: 'metric', title: view.axisTitle, format: view.format },
            {
              field: 'loss',
              title: higher ? 'Accuracy lost' : 'Perplexity gained',
              format: higher ? '.1%' : '.2f',
            },
          ],
        },
      },
    ],
  };
}
