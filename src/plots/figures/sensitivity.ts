import { blockOf, blockLabel } from '../../layout/blocks.js';
import { widthText } from '../parts/blocks.js';
import {
  evidentLosses,
  findingTitle,
  isFound,
  listed,
  noiseText,
  type Finding,
} from '../parts/findings.js';
import { barLayers, barShifts, barWithin, drawnInterval, SHIFTED } from '../parts/interval-bars.js';
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
  const note = broken === 0 ? '' : `; ${broken} that broke the model: no point, cell “broken”`;
  const stored = storedNote(records);
  const tasks = byTask(drawn, baselines, names, 'sensitivity chart').map((data): Data => {
    const { task } = data.baseline;
    const all = records.filter((record) => record.task === task);
    return { ...data, all, scale: lossScale(all, data) };
  });
  const rows = tasks.flatMap((data) => {
    const domain = metricDomain(...metricEnds(data), data.view);
    const shiftOf = barShifts(data.all, WIDTH, data.all.some(isPaired));
    return data.all.map((record) => ({
      ...rowOf(record, data, domain),
      shift: shiftOf(record),
    }));
  });
  const findings = tasks.map(findingOf);
  const plain = 'Sensitivity: one block quantized, the rest left at fp32';
  const compared = Math.max(...tasks.map(({ own }) => own.length));
  return chart(
    `Sensitivity of ${models}: the metric when one block alone is quantized, for each block and bit width.`,
    {
      title: {
        text: findingTitle(plain, findings),
        subtitle: [
          ...(isFound(findings) ? [`${plain}. ${noiseText(compared)}`] : []),
          `${models}; dashed: unquantized${note}`,
          ...barsText(drawn),
          ...tasks.flatMap(clampText),
          ...stored,
        ],
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

interface Data extends TaskRecords<SensitivityRecord> {
  /** With those that broke the model. */
  readonly all: readonly SensitivityRecord[];
  readonly scale: LossScale;
}

/** Units that lose more than noise, and the largest such loss. */
function findingOf({ own, all, baseline, view }: Data): Finding {
  const { title } = view;
  const evident = evidentLosses(own, baseline.metric, view);
  if (evident === undefined) return { title, text: undefined };
  const losing = all.filter((record) => evident.includes(record) || !own.includes(record));
  if (losing.length === 0)
    return { title, text: 'No loss beyond noise where one is quantized alone' };
  const lossOf = ({ metric }: SensitivityRecord): number =>
    view.metric.lossOf(baseline.metric, metric);
  const [most] = [...evident].sort((a, b) => lossOf(b) - lossOf(a)) as (
    SensitivityRecord | undefined
  )[];
  const extent =
    most === undefined
      ? ''
      : `, up to ${lossText(lossOf(most), view)} ${view.lost} (${listed([most.unit])} at ${most.bits} bits)`;
  return { title, text: `Loss beyond noise: ${listed(losing.map(({ unit }) => unit))}${extent}` };
}

/** Ends of the colours of a loss. */
interface LossScale {
  readonly largest: number;
  /** Below it colours are linear. */
  readonly constant: number;
  /** True where there are losses beyond. */
  readonly clamped: boolean;
}

/** Times the unquantized perplexity that is told from no worse one by colour. */
const MOST_PERPLEXITY = 10;

function lossScale(
  all: readonly SensitivityRecord[],
  { own, baseline, view }: TaskRecords<SensitivityRecord>,
): LossScale {
  const losses = own
    .map(({ metric }) => Math.abs(view.metric.lossOf(baseline.metric, metric)))
    .sort((a, b) => a - b);
  const most = Math.max(1e-9, losses[losses.length - 1]);
  const bound = view.logarithmic ? MOST_PERPLEXITY * baseline.metric : Infinity;
  const largest = Math.min(most, bound);
  const median = losses[Math.floor(losses.length / 2)];
  return {
    largest,
    // One broken block must not leave all others grey.
    constant: median > 0 ? Math.min(largest / 100, median) : largest / 100,
    clamped: most > bound || own.length < all.length,
  };
}

/** That the colours end before the losses do. */
function clampText({ scale: { clamped, largest }, view }: Data): string[] {
  if (!clamped) return [];
  return [`Colours end at ${lossLabel(largest, view)}: what loses more has the last one`];
}

/** A loss with its unit where it is a share. */
function lossLabel(loss: number, view: TaskView): string {
  return `${lossText(loss, view)}${view.lossUnit}`;
}

function rowOf(
  record: SensitivityRecord,
  { baseline, view, scale }: Data,
  domain: readonly [number, number],
): object {
  const { task, unit, bits, stored, metric, low, high, klDivergence, flipRate, sqnr } = record;
  const { pairedLow, pairedHigh, membraneDrift } = record;
  const whole = Number.isFinite(metric);
  const loss = whole ? view.metric.lossOf(baseline.metric, metric) : 2 * scale.largest;
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
    metric: whole ? metric : null,
    loss,
    lossText: whole ? lossText(loss, view) : 'broken',
    interval,
    paired,
    ...(isPaired(record) ? barWithin(record, domain) : {}),
    klText: klDivergence === undefined ? '—' : klDivergence.toPrecision(3),
    flipText: flipRate === undefined ? '—' : `${(100 * flipRate).toPrecision(2)} %`,
    driftText: membraneDrift === undefined ? '—' : `${(100 * membraneDrift).toPrecision(2)} %`,
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

function linesView({ own, all, baseline, view }: Data): Part {
  const { task, metric, low, high } = baseline;
  const paired = own.some(isPaired);
  const y = metricAxis(...metricEnds({ own, baseline }), view);
  const axis = blockAxis(all, null);
  const x = { ...axis, scale: { ...(axis.scale as Part), type: 'band' } };
  const color: Part = {
    field: 'bits',
    type: 'ordinal',
    scale: bitsScale(own.map(({ bits }) => bits)),
    legend: { title: 'Bits', orient: 'right' },
  };
  const fp32: Part = { data: { values: [{ metric, low, high }] } };
  const drawn: Part[] = [only(task), { filter: 'isValid(datum.metric)' }];
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
      {
        transform: drawn,
        mark: { type: 'line', aria: false, ...SHIFTED },
        encoding: { x, y, color },
      },
      ...(paired ? bars(task, { x, color }, y) : []),
      {
        transform: drawn,
        mark: { type: 'point', filled: true, size: 45, opacity: 1, ...SHIFTED },
        encoding: { x, y, color, tooltip: tooltip(view) },
      },
    ],
  };
}

function bars(task: TaskName, encoding: Part, y: Part): Part[] {
  return barLayers(encoding, y, { strokeWidth: 1, ...SHIFTED }).map((layer) => ({
    ...layer,
    transform: [only(task), ...((layer.transform ?? []) as readonly Part[])],
  }));
}

/** From the lowest value to the highest, with paired intervals as far as they leave the rest legible. */
function metricEnds({ own, baseline }: Pick<Data, 'own' | 'baseline'>): [number, number] {
  const { metric, low, high } = baseline;
  const values = [metric, ...own.map((record) => record.metric)];
  if (!own.some(isPaired)) return [Math.min(low, ...values), Math.max(high, ...values)];
  const span = Math.max(...values) - Math.min(...values);
  const [least, most] = [Math.min(...values) - span / 10, Math.max(...values) + span / 10];
  const ends = own.flatMap((record) => drawnInterval(record) ?? []);
  const within = ends.filter((end) => end >= least && end <= most);
  return [Math.min(...values, ...within), Math.max(...values, ...within)];
}

function heatView({ all, baseline, view, scale }: Data): Part {
  const x = blockAxis(all, 'Block (network order)');
  const columns = new Set(all.map(({ unit }) => unit)).size;
  const widths = new Set(all.map(({ bits }) => bits)).size;
  const y: Part = {
    field: 'bits',
    type: 'ordinal',
    sort: 'descending',
    title: 'Bits',
    axis: { minExtent: 34, grid: false },
  };
  const { largest, constant, clamped } = scale;
  const dark = constant * ((1 + largest / constant) ** DARK_FROM - 1);
  const [low, high] = [lossLabel(-largest, view), lossLabel(largest, view)];
  const end = `${clamped ? '≥ ' : ''}${high}`;
  // Losses span orders of magnitude; symlog keeps zero in the middle and small ones apart.
  const color: Part = {
    field: 'loss',
    type: 'quantitative',
    scale: {
      type: 'symlog',
      constant,
      scheme: 'blueorange',
      domain: [-largest, largest],
      clamp: true,
    },
    legend: {
      title: [...view.lostLegend],
      orient: 'right',
      titlePadding: 8,
      // The ends, which say what the darkest colours are.
      values: [-largest, 0, largest],
      labelExpr: `datum.value > 0 ? '${end}' : datum.value < 0 ? '${low}' : '0'`,
      gradientLength: Math.max(60, widths * ROW_HEIGHT - 30),
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
    { field: 'driftText', title: 'Membrane drift' },
    { field: 'sqnrText', title: 'SQNR of the weights' },
  ];
}
