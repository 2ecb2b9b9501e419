import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import {
  evidentLosses,
  findingTitle,
  isFound,
  noiseText,
  type Finding,
} from '../parts/findings.js';
import { barLayers, barWithin, drawnInterval } from '../parts/interval-bars.js';
import { LABEL_LOOKS, LABEL_SIZE } from '../parts/label-places.js';
import { metricAxis, metricDomain } from '../parts/metric-axis.js';
import { paperMarks } from '../parts/paper-marks.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView, tasksOf, type DataNames, type TaskView } from '../parts/task-view.js';
import { textWidth } from '../parts/text-width.js';
import { COLORS } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import type { PaperRecord, TaskName, UniformRecord } from '../records.js';

const BASELINE_BITS = 32;
const HEIGHT = 210;
/** Of the panels, in pixels: by bits, by memory, and beyond the break of its axis. */
const WIDTHS = { bits: 236, memory: 272, rest: 44 } as const;
/** Between the two parts of the broken axis, in pixels. */
const BREAK = 14;
/** The axis is broken where the largest quantized plan takes at most this share of the unquantized model. */
const BREAK_SHARE = 0.75;

export interface UniformOptions {
  /** The paper's results, drawn as changes from our baseline. */
  readonly paper?: readonly PaperRecord[];
}

/**
 * Fig. 2: one bit width for the whole model. On the left the metric at each bit width, on the right the
 * metric against memory, on an axis from 0 that is broken between the widest plan and the unquantized
 * model. Bars are 95 % intervals, of the difference to fp32 where it is known; the rule is the unquantized
 * model. One row a task. The title says from which width down a loss is beyond noise.
 *
 * @throws {PlotError} when there are no records, or a task has no baseline (32 bits).
 */
export function uniformChart(
  records: readonly UniformRecord[],
  names: DataNames = {},
  { paper = [] }: UniformOptions = {},
): ChartSpec {
  const models = [...new Set(records.map((record) => record.model))].join(', ');
  const tasks = tasksOf(records).map((task) => dataOf(task, records, paper, names));
  const findings = tasks.map(findingOf);
  const plain = 'Uniform quantization: quality against bit width and memory';
  const found = isFound(findings);
  const compared = Math.max(1, ...tasks.map(({ quantized }) => quantized.length));
  const drawsPaper = paper.some(({ task }) => tasks.some((data) => data.task === task));
  return chart(
    `Uniform quantization of ${models}: the task's metric and its 95 % interval at each bit width, and against memory.`,
    {
      title: {
        text: findingTitle(plain, findings),
        subtitle: [
          `${found ? 'Uniform quantization of ' : ''}${models}; dashed: unquantized; numbers on top: bits a weight`,
          barsText(tasks),
          ...(found ? [noiseText(compared)] : []),
          ...(drawsPaper
            ? ['Triangles: the paper’s cases, as the change from its own baseline, drawn from ours']
            : []),
        ],
      },
      data: {
        values: values(
          tasks.flatMap(({ own, domain }) => own.map((record) => displayRow(record, domain))),
          'uniform chart',
        ),
      },
      vconcat: tasks.map(taskRow),
      spacing: 28,
    },
  );
}

interface Data {
  readonly task: TaskName;
  readonly view: TaskView;
  readonly own: readonly UniformRecord[];
  readonly quantized: readonly UniformRecord[];
  readonly baseline: UniformRecord;
  readonly paper: readonly PaperRecord[];
  readonly paired: boolean;
  /** Ends of the values to be shown, and of the axis that shows them. */
  readonly ends: readonly [number, number];
  readonly domain: readonly [number, number];
}

function dataOf(
  task: TaskName,
  records: readonly UniformRecord[],
  paper: readonly PaperRecord[],
  names: DataNames,
): Data {
  const view = taskView(task, names);
  const own = records.filter((record) => record.task === task);
  const baseline = own.find((record) => record.bits === BASELINE_BITS);
  if (baseline === undefined)
    throw new PlotError({
      what: 'the baseline is missing',
      where: `uniform chart, ${task}`,
      got: `bit widths ${own.map((record) => record.bits).join(', ')}`,
      expected: `a record with bits ${BASELINE_BITS}`,
    });
  const quantized = own.filter(({ bits }) => bits < BASELINE_BITS);
  const paired = quantized.some(({ pairedLow }) => pairedLow !== undefined);
  const theirs = paper
    .filter((record) => record.task === task)
    // A fall that is larger than our perplexity has no place.
    .filter((record) => baseline.metric + record.metric - record.baseline > 0);
  const drawn = [
    ...own.flatMap(({ metric, ...record }) =>
      record.bits === BASELINE_BITS && paired
        ? [metric]
        : [metric, ...(drawnInterval(record) ?? [])],
    ),
    ...theirs.map((record) => baseline.metric + record.metric - record.baseline),
  ].filter((value) => Number.isFinite(value));
  const ends = [Math.min(...drawn), Math.max(...drawn)] as const;
  const domain = metricDomain(...ends, view);
  return { task, view, own, quantized, baseline, paper: theirs, paired, ends, domain };
}

/** The widest bit width from which down all widths lose more than noise. */
function findingOf({ view, quantized, baseline }: Data): Finding {
  const { title } = view;
  const evident = evidentLosses(quantized, baseline.metric, view);
  if (evident === undefined) return { title, text: undefined };
  const falling = [...quantized].sort((a, b) => a.bits - b.bits);
  const stop = falling.findIndex((record) => !evident.includes(record));
  const losing = stop < 0 ? falling : falling.slice(0, stop);
  const first = losing[losing.length - 1] as UniformRecord | undefined;
  if (first === undefined) {
    const text = evident.length === 0 ? 'One width for all: no loss beyond noise' : undefined;
    return { title, text };
  }
  const { format } = view.metric;
  const change = `${format(first.metric)}, fp32 ${format(baseline.metric)}`;
  const from = `${losing.length > 1 ? 'from' : 'at'} ${first.bits} bits${losing.length > 1 ? ' down' : ''}`;
  return { title, text: `One width for all: a loss beyond noise ${from} (${change})` };
}

/** Meaning of bars and band. */
function barsText(tasks: readonly Data[]): string {
  const arrow = '; an arrow: the bar goes on';
  if (!tasks.some(({ paired }) => paired)) return 'Bars and grey band: 95 % intervals';
  return `Bars: 95 % intervals of the difference to fp32, item by item${arrow}`;
}

/** A record as it is drawn: memory in MB, and the label of its point. */
function displayRow(record: UniformRecord, domain: readonly [number, number]): object {
  const { task, model, bits, metric, low, high, bytes, saving } = record;
  const { pairedLow = null, pairedHigh = null } = record;
  const label = bits === BASELINE_BITS ? 'fp32' : String(bits);
  const interval = bits === BASELINE_BITS ? { low, high } : record;
  return {
    ...{ task, model, bits, label, metric, low, high, mb: bytes / BYTES_PER_MB, saving },
    ...{ pairedLow, pairedHigh, ...barWithin(interval, domain) },
  };
}

function taskRow(data: Data): Part {
  const { task, view, quantized, baseline } = data;
  const y = metricAxis(...data.ends, view);
  const largest = Math.max(0, ...quantized.map(({ bytes }) => bytes), ...paperBytes(data));
  const broken = largest > 0 && largest <= BREAK_SHARE * baseline.bytes;
  const end = (1.07 * (broken ? largest : baseline.bytes)) / BYTES_PER_MB;
  const shared = { resolve: { scale: { y: 'shared' } } };
  const memory = {
    hconcat: [byMemory(data, y, end, !broken), ...(broken ? [beyondBreak(data, y)] : [])],
    spacing: BREAK,
    // Panels are set by their own width, which versions of vega measure alike, not by labels and strokes.
    bounds: 'flush',
    ...shared,
  };
  return {
    title: { text: view.title, fontSize: 13 },
    transform: [{ filter: `datum.task === '${task}'` }],
    hconcat: [byBits(data, y), memory],
    spacing: 20,
    ...shared,
  };
}

function paperBytes({ paper, baseline }: Data): number[] {
  return paper.map(({ saving }) => (1 - saving) * baseline.bytes);
}

const QUANTIZED: Part = { filter: `datum.bits < ${BASELINE_BITS}` };
const UNQUANTIZED: Part = { filter: `datum.bits === ${BASELINE_BITS}` };

function byBits(data: Data, y: Part): Part {
  const { task, view } = data;
  const x: Part = {
    field: 'bits',
    type: 'ordinal',
    sort: 'descending',
    title: 'Bits a weight',
    axis: { labelAngle: 0 },
  };
  return {
    width: WIDTHS.bits,
    height: HEIGHT,
    layer: [
      ...baselineLayers(data, y),
      { transform: [QUANTIZED], mark: { type: 'line', color: COLORS.blue }, encoding: { x, y } },
      ...bars([QUANTIZED], x, y),
      { transform: [QUANTIZED], ...points(task, x, y, view, [pointed(task)]) },
    ],
  };
}

/** Memory from 0 to the widest plan, which is all of it where the axis is not broken. */
function byMemory(data: Data, y: Part, end: number, whole: boolean): Part {
  const { task, view, own, quantized } = data;
  const shown = whole ? own : quantized;
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory (MB)',
    scale: { domain: [0, end], nice: false },
  };
  const below: Part = { ...x, axis: { tickCount: 6, grid: false } };
  const none: Part = { ...x, axis: null };
  const bare: Part = { ...y, title: null };
  const only = whole ? [] : [QUANTIZED];
  return {
    width: WIDTHS.memory,
    height: HEIGHT,
    layer: [
      ...baselineLayers(data, bare),
      {
        transform: only,
        mark: { type: 'line', color: COLORS.blue },
        encoding: { x: below, y: bare, order: { field: 'mb' } },
      },
      ...bars(only, none, bare),
      // The widths stand on an axis of their own, above, where nothing is in their way.
      {
        transform: only,
        ...points(task, { ...x, axis: bitsAxis(shown, end, WIDTHS.memory) }, bare, view, [
          zoomBy(`zoom_${task}`),
        ]),
      },
      ...paperLayers(data, none, bare, end),
    ],
    resolve: { axis: { x: 'independent' } },
  };
}

/** The unquantized model, beyond the break of the axis. */
function beyondBreak(data: Data, y: Part): Part {
  const { view, baseline } = data;
  const mb = baseline.bytes / BYTES_PER_MB;
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: null,
    scale: { domain: [mb - 1, mb + 1], nice: false, zero: false },
  };
  const at = { values: [mb], grid: false };
  const below: Part = { ...x, axis: { ...at, format: '.3~r' } };
  const above: Part = { ...x, axis: { ...bitsAxis([baseline], mb, WIDTHS.rest), title: null } };
  const none: Part = { ...x, axis: null };
  const bare: Part = {
    ...y,
    title: null,
    axis: { ...(y.axis as Part), labels: false, ticks: false, domain: false, minExtent: 0 },
  };
  return {
    width: WIDTHS.rest,
    height: HEIGHT,
    layer: [
      ...baselineLayers(data, bare),
      {
        transform: [UNQUANTIZED],
        mark: { type: 'rule', color: '#ececec', strokeWidth: 1, aria: false },
        encoding: { x: above },
      },
      ...(data.paired ? [] : bars([UNQUANTIZED], none, bare)),
      { transform: [UNQUANTIZED], ...points(data.task, below, bare, view, []) },
      breakLayer(),
    ],
    resolve: { axis: { x: 'independent' } },
  };
}

/** The two strokes that say that the axis is broken. */
function breakLayer(): Part {
  return {
    data: { values: [{ axis: 'broken here' }] },
    mark: {
      type: 'point',
      shape: 'M-.6,1L-.2,-1M.2,1L.6,-1',
      filled: false,
      size: 110,
      stroke: '#555555',
      strokeWidth: 1.2,
      opacity: 1,
      clip: false,
      aria: false,
    },
    encoding: { x: { value: -BREAK / 2 }, y: { value: HEIGHT } },
  };
}

/** An axis on top with the bit width of each plan, those that have room. */
function bitsAxis(shown: readonly UniformRecord[], end: number, width: number): Part {
  const labels: Record<string, string> = {};
  let free = Infinity;
  for (const { bits, bytes } of [...shown].sort((a, b) => b.bytes - a.bytes)) {
    const [mb, text] = [bytes / BYTES_PER_MB, bits === BASELINE_BITS ? 'fp32' : String(bits)];
    const [place, half] = [(width * mb) / end, textWidth(text, LABEL_SIZE, false) / 2];
    if (place + half > free) continue;
    labels[mb] = text;
    free = place - half - 3;
  }
  return {
    orient: 'top',
    title: 'Bits a weight',
    titleFontSize: 11,
    labelFontSize: LABEL_SIZE,
    values: shown.map(({ bytes }) => bytes / BYTES_PER_MB),
    labelExpr: `(${JSON.stringify(labels)})[datum.value] || ''`,
    labelOverlap: false,
    domain: false,
    tickSize: 3,
    labelFlush: false,
  };
}

/** The paper's cases with their names, each on a side where it meets nothing. */
function paperLayers(data: Data, x: Part, y: Part, end: number): Part[] {
  const size = { width: WIDTHS.memory, height: HEIGHT };
  const marks = paperMarks(data, { ...size, end: end * BYTES_PER_MB });
  if (marks.length === 0) return [];
  const sides = [...new Set(marks.map(({ side }) => side))];
  const place = { x, y };
  const source = { values: values(marks, 'uniform chart, paper') };
  const label = (side: (typeof sides)[number], rim: Part): Part => ({
    data: source,
    transform: [{ filter: `datum.side === '${side}' && datum.label !== ''` }],
    mark: { type: 'text', fontSize: LABEL_SIZE, aria: false, ...LABEL_LOOKS[side], ...rim },
    encoding: { ...place, text: { field: 'label' } },
  });
  return [
    {
      data: source,
      mark: { type: 'point', filled: true, shape: 'triangle-down', size: 55, opacity: 1 },
      encoding: {
        ...place,
        color: { value: COLORS.purple },
        tooltip: [
          { field: 'name', title: 'Paper, case' },
          { field: 'text', title: data.view.axisTitle },
          { field: 'mb', title: 'Memory (MB), of our model', format: '.2f' },
          { field: 'saving', title: 'Saving', format: '.1%' },
        ],
      },
    },
    // Where a bar cannot be avoided a rim of white keeps the name legible.
    ...sides.map((side) => label(side, { stroke: '#ffffff', strokeWidth: 3, strokeJoin: 'round' })),
    ...sides.map((side) => label(side, { color: '#8a4a70' })),
  ];
}

/** The unquantized model across the panel: its value as a dashed rule, its interval as a band unless bars are paired. */
function baselineLayers({ paired }: Data, y: Part): readonly Part[] {
  const band: Part = {
    transform: [UNQUANTIZED],
    mark: { type: 'rect', color: COLORS.grey, opacity: 0.18, aria: false },
    encoding: { y: { ...y, field: 'low' }, y2: { field: 'high' } },
  };
  return [
    ...(paired ? [] : [band]),
    {
      transform: [UNQUANTIZED],
      mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4] },
      encoding: { y },
    },
  ];
}

function bars(only: readonly Part[], x: Part, y: Part): Part[] {
  return barLayers({ x }, y, { color: COLORS.blue }).map((layer) => ({
    ...layer,
    transform: [...only, ...((layer.transform ?? []) as readonly Part[])],
  }));
}

/** Pointing at a bit width in one panel marks it in all. */
function pointed(task: TaskName): Part {
  const select = { type: 'point', fields: ['bits'], on: 'pointerover', clear: 'pointerout' };
  return { name: pointedName(task), select };
}

function pointedName(task: TaskName): string {
  return `pointed_${task}`;
}

function points(task: TaskName, x: Part, y: Part, view: TaskView, params: readonly Part[]): Part {
  return {
    params,
    mark: { type: 'point', filled: true, opacity: 1 },
    encoding: {
      x,
      y,
      size: { condition: { param: pointedName(task), empty: false, value: 200 }, value: 60 },
      color: {
        condition: { test: `datum.bits === ${BASELINE_BITS}`, value: COLORS.black },
        value: COLORS.blue,
      },
      tooltip: [
        { field: 'label', title: 'Bits a weight' },
        { field: 'metric', title: view.axisTitle, format: view.format },
        { field: 'low', title: '95 % from', format: view.format },
        { field: 'high', title: '95 % to', format: view.format },
        { field: 'mb', title: 'Memory (MB)', format: '.2f' },
        { field: 'saving', title: 'Saving', format: '.1%' },
        { field: 'model', title: 'Model' },
      ],
    },
  };
}
