import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { drawnInterval } from '../parts/interval-bars.js';
import { metricAxis } from '../parts/metric-axis.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView, tasksOf, type DataNames, type TaskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import type { TaskName, UniformRecord } from '../records.js';

const BASELINE_BITS = 32;
const PANEL = { width: 268, height: 210 };

/**
 * Fig. 2: one bit width for the whole model. On the left the metric at each bit width, on the right the
 * metric against memory; bars are 95 % intervals, the rule is the unquantized model. One row a task.
 *
 * @throws {PlotError} when there are no records, or a task has no baseline (32 bits).
 */
export function uniformChart(records: readonly UniformRecord[], names: DataNames = {}): ChartSpec {
  const models = [...new Set(records.map((record) => record.model))].join(', ');
  const paired = records.some(({ pairedLow }) => pairedLow !== undefined);
  const bars = paired
    ? 'Bars: 95 % interval of the difference to fp32, item by item; grey band: of fp32 itself'
    : 'Bars and grey band: 95 % intervals';
  const rows = tasksOf(records).map((task) => taskRow(task, records, taskView(task, names)));
  return chart(
    `Uniform quantization of ${models}: the task's metric and its 95 % interval at each bit width, and against memory.`,
    {
      title: {
        text: 'Uniform quantization: quality against bit width and memory',
        subtitle: [`${models}; dashed: unquantized; numbers: bits a weight`, bars],
      },
      data: { values: values(records.map(displayRow), 'uniform chart') },
      vconcat: rows,
      spacing: 28,
    },
  );
}

/** A record as it is drawn: memory in MB, and the label of its point. */
function displayRow(record: UniformRecord): object {
  const { task, model, bits, metric, bytes, saving } = record;
  const [low, high] = endsOf(record);
  const label = bits === BASELINE_BITS ? 'fp32' : String(bits);
  return { task, model, bits, label, metric, low, high, mb: bytes / BYTES_PER_MB, saving };
}

/** The interval that is drawn: beside the unquantized model where it is known. */
function endsOf(record: UniformRecord): readonly [number, number] {
  return drawnInterval(record) ?? [record.low, record.high];
}

function taskRow(task: TaskName, records: readonly UniformRecord[], view: TaskView): Part {
  const own = records.filter((record) => record.task === task);
  if (!own.some((record) => record.bits === BASELINE_BITS))
    throw new PlotError({
      what: 'the baseline is missing',
      where: `uniform chart, ${task}`,
      got: `bit widths ${own.map((record) => record.bits).join(', ')}`,
      expected: `a record with bits ${BASELINE_BITS}`,
    });
  const low = Math.min(...own.map((record) => endsOf(record)[0]));
  const high = Math.max(...own.map((record) => endsOf(record)[1]));
  const largest = Math.max(...own.map((record) => record.bytes)) / BYTES_PER_MB;
  const y = metricAxis(low, high, view);
  return {
    title: { text: view.title, fontSize: 13 },
    transform: [{ filter: `datum.task === '${task}'` }],
    hconcat: [byBits(task, y, view), byMemory(task, y, view, largest)],
    spacing: 24,
    resolve: { scale: { y: 'shared' } },
  };
}

function byBits(task: TaskName, y: Part, view: TaskView): Part {
  const x: Part = {
    field: 'bits',
    type: 'ordinal',
    sort: 'descending',
    title: 'Bits a weight',
    axis: { labelAngle: 0 },
  };
  const quantized: Part = { filter: `datum.bits < ${BASELINE_BITS}` };
  return {
    ...PANEL,
    layer: [
      ...baseline(y),
      { transform: [quantized], mark: { type: 'line', color: COLORS.blue }, encoding: { x, y } },
      {
        transform: [quantized],
        mark: { type: 'rule', color: COLORS.blue, aria: false },
        encoding: { x, ...interval(y) },
      },
      { transform: [quantized], ...points(task, x, y, view, true) },
    ],
  };
}

function byMemory(task: TaskName, y: Part, view: TaskView, largest: number): Part {
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory (MB)',
    scale: { domain: [0, 1.12 * largest] },
    axis: { tickCount: 6 },
  };
  const bare: Part = { ...y, title: null };
  return {
    ...PANEL,
    layer: [
      ...baseline(bare),
      {
        mark: { type: 'line', color: COLORS.blue },
        encoding: { x, y: bare, order: { field: 'mb' } },
      },
      {
        mark: { type: 'rule', color: COLORS.blue, aria: false },
        encoding: { x, ...interval(bare) },
      },
      points(task, x, bare, view, false),
      // Labels meet the curve where it is flat: a rim of white keeps them legible.
      bitLabels(x, bare, view, { stroke: '#ffffff', strokeWidth: 3, strokeJoin: 'round' }),
      bitLabels(x, bare, view, {}),
    ],
  };
}

/** The bit widths beside their points, on the side of the curve that is free. */
function bitLabels(x: Part, y: Part, view: TaskView, look: Part): Part {
  const below = view.higher;
  return {
    mark: {
      type: 'text',
      align: 'left',
      baseline: below ? 'top' : 'bottom',
      dx: 4,
      dy: below ? 3 : -2,
      fontSize: 10,
      aria: false,
      ...look,
    },
    encoding: { x, y, text: { field: 'label' } },
  };
}

/** The unquantized model across the panel: its interval as a band, its value as a dashed rule. */
function baseline(y: Part): readonly Part[] {
  const only: Part = { filter: `datum.bits === ${BASELINE_BITS}` };
  return [
    {
      transform: [only],
      mark: { type: 'rect', color: COLORS.grey, opacity: 0.18, aria: false },
      encoding: interval(y),
    },
    {
      transform: [only],
      mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4] },
      encoding: { y },
    },
  ];
}

function interval(y: Part): Part {
  return { y: { ...y, field: 'low' }, y2: { field: 'high' } };
}

/** Pointing at a bit width in one panel marks it in both; dragging moves the axes, shift + wheel zooms. */
function points(task: TaskName, x: Part, y: Part, view: TaskView, owner: boolean): Part {
  const pointed = `pointed_${task}`;
  const select = { type: 'point', fields: ['bits'], on: 'pointerover', clear: 'pointerout' };
  return {
    params: [owner ? { name: pointed, select } : zoomBy(`zoom_${task}`)],
    mark: { type: 'point', filled: true, opacity: 1 },
    encoding: {
      x,
      y,
      size: { condition: { param: pointed, empty: false, value: 200 }, value: 60 },
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
