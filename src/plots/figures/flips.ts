import { blockKind, blockLabel, blockOf } from '../../layout/blocks.js';
import { widthText } from '../parts/blocks.js';
import {
  evidentLosses,
  findingTitle,
  isFound,
  listed,
  noiseText,
  type Finding,
} from '../parts/findings.js';
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
/** The shape of a block's mark by its kind, in the order of the network. */
const SHAPES: Readonly<Record<string, string>> = {
  input: 'triangle-up',
  attention: 'circle',
  output: 'square',
};
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
  // Of all panels, which share their legend: those that have a mark.
  const kinds = Object.keys(SHAPES).filter((kind) => rows.some((row) => row.kind === kind));
  const width = tasks.length > 1 ? WIDTHS.half : WIDTHS.whole;
  const models = [...new Set(flipped.map(({ model }) => model))].join(', ');
  const without = records.length - flipped.length;
  const note = without === 0 ? '' : `; left out: ${without} without flips or a metric`;
  const findings = tasks.map(findingOf);
  const found = isFound(findings);
  const plain = 'Spikes flipped against quality lost';
  const compared = Math.max(...tasks.map(({ own }) => own.length));
  return chart(
    `Share of spikes that change when one block of ${models} is quantized, against the loss of the metric.`,
    {
      title: {
        text: findingTitle(plain, findings),
        subtitle: [
          ...(found ? [`${plain}. ${noiseText(compared)}`] : []),
          `${models}; one point a block and bit width, the rest at fp32${note}`,
        ],
      },
      data: { values: values(rows, 'flips chart') },
      hconcat: tasks.map((data) => panel(data, kinds, width)),
      spacing: 36,
      resolve: { scale: { color: 'shared', shape: 'shared', x: 'independent', y: 'independent' } },
    },
  );
}

type Data = TaskRecords<SensitivityRecord>;

/** Who loses more than noise, and how many spikes flip with and without such a loss. */
function findingOf({ own, baseline, view }: Data): Finding {
  const { title } = view;
  const evident = evidentLosses(own, baseline.metric, view);
  if (evident === undefined) return { title, text: undefined };
  const others = own.filter((record) => !evident.includes(record));
  const percents = (records: readonly SensitivityRecord[]): string[] =>
    [Math.min, Math.max].map((end) =>
      percentOf(end(...records.map(({ flipRate = 0 }) => flipRate))),
    );
  const mostWithout = others.length === 0 ? undefined : percents(others)[1];
  if (evident.length === 0)
    return { title, text: `No loss beyond noise, with up to ${mostWithout} of the spikes flipped` };
  const [least, most] = percents(evident);
  const range = least === most ? most : `${least} to ${most}`;
  const rest = mostWithout === undefined ? '' : `; no such loss with up to ${mostWithout}`;
  return {
    title,
    text: `Loss beyond noise: ${listed(evident.map(({ unit }) => unit))}, ${range} of spikes flipped${rest}`,
  };
}

/** "5.2 %" */
function percentOf(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

interface Row {
  readonly kind: string;
}

function rowOf(record: SensitivityRecord, { baseline, view }: Data): Row {
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
  } as Row;
}

function panel({ own, view, baseline }: Data, kinds: readonly string[], width: number): Part {
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
            axis: { format: '.3~%', tickCount: 4 },
          },
          y: {
            field: 'loss',
            type: 'quantitative',
            title: higher ? 'Accuracy lost (% points)' : 'Perplexity gained',
            // Most blocks lose next to nothing, a few very much: both are to be seen.
            scale: { type: 'symlog', constant, domain, nice: false },
            // Without digits of its own the format takes as many as the widest step of the axis needs.
            axis: {
              format: higher ? '.3~%' : '.3~r',
              ...ticksAt(symlogTicks(...domain, constant)),
            },
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
              domain: kinds,
              range: kinds.map((kind) => SHAPES[kind] ?? 'circle'),
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
