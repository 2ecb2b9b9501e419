import { blockOf, blockLabel } from '../../layout/blocks.js';
import { widthText } from '../parts/blocks.js';
import { barLayers, barWithin, drawnInterval } from '../parts/interval-bars.js';
import { metricAxis, metricDomain } from '../parts/metric-axis.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { byTask, type DataNames, type TaskRecords, type TaskView } from '../parts/task-view.js';
import { textWidth } from '../parts/text-width.js';
import { bitsScale, COLORS } from '../parts/theme.js';
import type { BaselineRecord, SensitivityRecord, TaskName } from '../records.js';

const WIDTH = 560;
const LINES_HEIGHT = 190;
const ROW_HEIGHT = 20;
/** Cells narrower than this many pixels have no room for a number. */
const CELL_WIDTH = 34;
/** Share of the colour scale from which white text is read better than black. */
const DARK_FROM = 0.75;

/**
 * Fig. 7: each block quantized alone. Above, the metric block by block with a line for each bit width;
 * below, the same as a heat map of the loss against the unquantized model. One pair a task.
 *
 * @throws {PlotError} when there are no records, or a task has no baseline.
 */
export function sensitivityChart(
  records: readonly SensitivityRecord[],
  baselines: readonly BaselineRecord[],
  names: DataNames = {},
): ChartSpec {
  const models = [...new Set(records.map((record) => record.model))].join(', ');
  const drawn = records.filter(({ metric }) => Number.isFinite(metric));
  const broken = records.length - drawn.length;
  const note = broken === 0 ? '' : `; ${broken} that broke the model left out`;
  const stored = storedNote(drawn);
  const tasks = byTask(drawn, baselines, names, 'sensitivity chart');
  const rows = tasks.flatMap((data) => {
    const domain = metricDomain(...metricEnds(data), data.view);
    return data.own.map((record) => rowOf(record, data, domain));
  });
  return chart(
    `Sensitivity of ${models}: the metric when one block alone is quantized, for each block and bit width.`,
    {
      title: {
        text: 'Sensitivity: one block quantized, the rest left at fp32',
        subtitle: [`${models}; dashed: unquantized${note}`, ...barsText(drawn), ...stored],
      },
      data: { values: values(rows, 'sensitivity chart') },
      vconcat: tasks.flatMap((data) => [linesView(data), heatView(data)]),
      spacing: 18,
      resolve: { scale: { color: 'independent' } },
    },
  );
}

/** Meaning of bars and band: with paired intervals there is no band, which would answer another question. */
function barsText(records: readonly SensitivityRecord[]): string[] {
  if (!records.some(isPaired)) return ['Band: 95 % interval of the unquantized model'];
  return [
    'Bars: 95 % intervals of the difference to fp32, item by item; an arrow: the bar goes on',
  ];
}

function isPaired({ pairedLow }: SensitivityRecord): boolean {
  return pairedLow !== undefined;
}

/** Units whose values take another number of bits than their column says. */
function storedNote(records: readonly SensitivityRecord[]): string[] {
  const notes = records.flatMap(({ unit, stored }) =>
    stored === undefined
      ? []
      : [`${unit}: stored in ${stored} bit${stored === 1 ? '' : 's'} at any width`],
  );
  return [...new Set(notes)];
}

type Data = TaskRecords<SensitivityRecord>;

function rowOf(
  record: SensitivityRecord,
  { baseline, view }: Data,
  domain: readonly [number, number],
): object {
  const { task, unit, bits, stored, metric, low, high, klDivergence, flipRate, sqnr } = record;
  const { pairedLow, pairedHigh } = record;
  const loss = view.metric.lossOf(baseline.metric, metric);
  const { format } = view.metric;
  const interval =
    low === undefined || high === undefined ? '—' : `${format(low)} to ${format(high)}`;
  const paired =
    pairedLow === undefined || pairedHigh === undefined
      ? '—'
      : `${format(pairedLow)} to ${format(pairedHigh)}`;
  return {
    task,
    unit,
    block: unitLabel(unit),
    bits,
    widthText: widthText(bits, stored),
    metric,
    loss,
    lossText: lossText(loss, view),
    interval,
    paired,
    ...(isPaired(record) ? barWithin(record, domain) : {}),
    klText: klDivergence === undefined ? '—' : klDivergence.toPrecision(3),
    flipText: flipRate === undefined ? '—' : `${(100 * flipRate).toPrecision(2)} %`,
    sqnrText: sqnr === undefined ? '—' : `${sqnr.toFixed(1)} dB`,
  };
}

/** 'attention.3' is '3', a module of it '3 MODULE'. */
function unitLabel(unit: string): string {
  const block = blockOf(unit);
  return `${blockLabel(block)}${unit.slice(block.length).replace('/', ' ')}`;
}

/** Points of accuracy, or perplexity; a real minus sign where it got better. */
function lossText(loss: number, view: TaskView): string {
  const text = view.lossText(loss);
  return Number(text) === 0 ? '0' : text.replace('-', '−');
}

/** Of the labels of an axis, in pixels. */
const LABEL_SIZE = 11;
const LABEL_GAP = 4;

/** True where labels find room beside each other. */
function fits(labels: readonly string[]): boolean {
  const widest = Math.max(...labels.map((label) => textWidth(label, LABEL_SIZE, false)));
  return labels.length * (widest + LABEL_GAP) <= WIDTH;
}

function blockAxis(own: readonly SensitivityRecord[], title: string | null): Part {
  const domain = [...new Set(own.map(({ unit }) => unitLabel(unit)))];
  return {
    field: 'block',
    type: 'ordinal',
    title,
    scale: { domain },
    axis: { labelAngle: fits(domain) ? 0 : -90, grid: false },
  };
}

function only(task: TaskName): Part {
  return { filter: `datum.task === '${task}'` };
}

function linesView({ own, baseline, view }: Data): Part {
  const { task, metric, low, high } = baseline;
  const paired = own.some(isPaired);
  const y = metricAxis(...metricEnds({ own, baseline, view }), view);
  const axis = blockAxis(own, null);
  const x = { ...axis, scale: { ...(axis.scale as Part), type: 'band' } };
  const color: Part = {
    field: 'bits',
    type: 'ordinal',
    scale: bitsScale(own.map(({ bits }) => bits)),
    legend: { title: 'Bits', orient: 'right' },
  };
  const fp32: Part = { data: { values: [{ metric, low, high }] } };
  return {
    width: WIDTH,
    height: LINES_HEIGHT,
    title: { text: view.title, fontSize: 13 },
    layer: [
      ...(paired
        ? []
        : [
            {
              ...fp32,
              mark: { type: 'rect', color: COLORS.grey, opacity: 0.18, aria: false },
              encoding: { y: { ...y, field: 'low' }, y2: { field: 'high' } },
            },
          ]),
      {
        ...fp32,
        mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4], aria: false },
        encoding: { y },
      },
      { transform: [only(task)], mark: { type: 'line', aria: false }, encoding: { x, y, color } },
      ...(paired ? bars(task, { x, color }, y) : []),
      {
        transform: [only(task)],
        mark: { type: 'point', filled: true, size: 45, opacity: 1 },
        encoding: { x, y, color, tooltip: tooltip(view) },
      },
    ],
  };
}

function bars(task: TaskName, encoding: Part, y: Part): Part[] {
  return barLayers(encoding, y, { strokeWidth: 1 }).map((layer) => ({
    ...layer,
    transform: [only(task), ...((layer.transform ?? []) as readonly Part[])],
  }));
}

/** From the lowest value to the highest, with paired intervals as far as they leave the rest legible. */
function metricEnds({ own, baseline }: Data): [number, number] {
  const { metric, low, high } = baseline;
  const values = [metric, ...own.map((record) => record.metric)];
  if (!own.some(isPaired)) return [Math.min(low, ...values), Math.max(high, ...values)];
  const span = Math.max(...values) - Math.min(...values);
  const [least, most] = [Math.min(...values) - span / 10, Math.max(...values) + span / 10];
  const ends = own.flatMap((record) => drawnInterval(record) ?? []);
  const within = ends.filter((end) => end >= least && end <= most);
  return [Math.min(...values, ...within), Math.max(...values, ...within)];
}

function heatView({ own, baseline, view }: Data): Part {
  const x = blockAxis(own, 'Block (network order)');
  const columns = new Set(own.map(({ unit }) => unit)).size;
  const widths = new Set(own.map(({ bits }) => bits)).size;
  const y: Part = {
    field: 'bits',
    type: 'ordinal',
    sort: 'descending',
    title: 'Bits',
    axis: { minExtent: 34, grid: false },
  };
  const losses = own
    .map(({ metric }) => Math.abs(view.metric.lossOf(baseline.metric, metric)))
    .sort((a, b) => a - b);
  const largest = Math.max(1e-9, losses[losses.length - 1]);
  const median = losses[Math.floor(losses.length / 2)];
  // Below it colours are linear. One broken block must not leave all others grey.
  const constant = median > 0 ? Math.min(largest / 100, median) : largest / 100;
  const dark = constant * ((1 + largest / constant) ** DARK_FROM - 1);
  // Losses span orders of magnitude; symlog keeps zero in the middle and small ones apart.
  const color: Part = {
    field: 'loss',
    type: 'quantitative',
    scale: { type: 'symlog', constant, scheme: 'blueorange', domain: [-largest, largest] },
    legend: {
      title: [...view.lostLegend],
      orient: 'right',
      format: view.lossFormat,
      titlePadding: 8,
      gradientLength: Math.max(60, widths * ROW_HEIGHT - 30),
      tickCount: 3,
    },
  };
  const numbers: Part = {
    mark: { type: 'text', fontSize: 10, aria: false },
    encoding: {
      x,
      y,
      text: { field: 'lossText' },
      color: {
        condition: { test: `abs(datum.loss) > ${dark}`, value: '#ffffff' },
        value: COLORS.black,
      },
    },
  };
  return {
    width: WIDTH,
    height: widths * ROW_HEIGHT,
    title: { text: `${view.title}: ${view.lost}`, fontSize: 12, fontWeight: 'normal', offset: 6 },
    transform: [only(baseline.task)],
    layer: [
      {
        mark: { type: 'rect', stroke: '#ffffff' },
        encoding: { x, y, color, tooltip: tooltip(view) },
      },
      ...(WIDTH / columns >= CELL_WIDTH ? [numbers] : []),
    ],
  };
}

function tooltip(view: TaskView): readonly Part[] {
  const lost = view.lost.charAt(0).toUpperCase() + view.lost.slice(1);
  return [
    { field: 'unit', title: 'Quantized' },
    { field: 'widthText', title: 'Width' },
    { field: 'metric', title: view.axisTitle, format: view.format },
    { field: 'interval', title: '95 % interval' },
    { field: 'paired', title: '95 % beside fp32, item by item' },
    { field: 'lossText', title: lost },
    { field: 'klText', title: 'KL divergence (nats)' },
    { field: 'flipText', title: 'Spikes flipped' },
    { field: 'sqnrText', title: 'SQNR of the weights' },
  ];
}
