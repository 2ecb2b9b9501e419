import { blockLabel } from '../../layout/blocks.js';
import { PlotError } from '../../util/errors.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { bitsScale, COLORS, WHITE_TEXT_BITS } from '../parts/theme.js';
import { zoomBy } from '../parts/zoom.js';
import type { MatrixRecord } from '../records.js';

const WIDTH = 640;
const LEVELS = ['Model', 'Blocks', 'Modules', 'Matrices'] as const;
const LEVEL_HEIGHT = 66;
const WHOLE = 'whole model';
/** Mean width of a character at the label's size, in pixels, and the room beside the text. */
const CHARACTER = 5.6;
const MARGIN = 6;
/** Width of a line of upright text, in pixels. */
const LINE = 13;

const KINDS: Readonly<Record<string, string>> = {
  input: COLORS.vermilion,
  attention: COLORS.blue,
  output: COLORS.green,
  model: COLORS.grey,
};

/** A rectangle of the icicle: from `left` to `right` of all parameters, [0, 1]. */
export interface Cell {
  readonly level: number;
  readonly name: string;
  readonly path: string;
  readonly kind: string;
  readonly left: number;
  readonly right: number;
  readonly parameters: number;
  /** Of all parameters, as text. */
  readonly share: string;
  /** Mean bits over its parameters; null without a plan. */
  readonly bits: number | null;
}

/**
 * Fig. 4 and 6: the hierarchy that is quantized, as an icicle. Each level divides the one above; widths
 * are shares of the parameters. Coloured by the plan's bits (the mean where parts differ), else by the kind
 * of the block. A list under the chart enlarges one block; dragging and shift + wheel do so too.
 *
 * @throws {PlotError} when there are no records, or only some have bits.
 */
export function hierarchyChart(records: readonly MatrixRecord[], model: string): ChartSpec {
  const cells = hierarchyCells(records);
  const planned = records.some((record) => record.bits !== undefined);
  const total = records.reduce((sum, record) => sum + record.parameters, 0);
  const blocks = cells.filter((cell) => cell.level === 1);
  const options = [WHOLE, ...blocks.map(({ path }) => path)];
  const choice = { input: 'select', options, name: 'Enlarge' };
  const ends = Object.fromEntries(blocks.map(({ path, left, right }) => [path, [left, right]]));
  const edges = [0, 1].map(
    (end) => `(focus === '${WHOLE}' ? ${end} : (${JSON.stringify(ends)})[focus][${end}])`,
  );
  const [from, to] = edges;
  const x: Part = {
    field: 'left',
    type: 'quantitative',
    title: 'Share of the parameters',
    scale: { domainMin: { expr: from }, domainMax: { expr: to }, nice: false, zero: false },
    axis: { format: '~%', grid: false },
  };
  return chart(
    `The parameters of ${model}: blocks, their modules, and the modules' matrices, each as wide as its share of ${total} parameters.`,
    {
      title: {
        text: `${model}: ${planned ? 'the plan, by share of parameters' : 'blocks, modules, matrices'}`,
        subtitle: `${total.toLocaleString('en-US')} parameters; ${planned ? 'colour: bits a weight' : 'widths: shares of the parameters'}`,
      },
      params: [{ name: 'focus', value: WHOLE, bind: choice }],
      width: WIDTH,
      height: LEVELS.length * LEVEL_HEIGHT,
      data: { values: values(cells, 'hierarchy chart') },
      transform: [
        { calculate: 'datum.level + 1', as: 'bottom' },
        {
          calculate: `${WIDTH} * (min(datum.right, ${to}) - max(datum.left, ${from})) / (${to} - ${from})`,
          as: 'pixels',
        },
      ],
      layer: [cellLayer(x, cells, planned), labelLayer(x, edges, planned)],
    },
  );
}

/** The cells of all levels. @throws {PlotError} when only some records have bits. */
export function hierarchyCells(records: readonly MatrixRecord[]): Cell[] {
  const total = records.reduce((sum, record) => sum + record.parameters, 0);
  const without = records.find((record) => record.bits === undefined);
  const planned = records.some((record) => record.bits !== undefined);
  if (planned && without !== undefined)
    throw new PlotError({
      what: 'bits are missing',
      where: `hierarchy chart, ${without.block}/${without.module}/${without.matrix}`,
      expected: 'bits for every matrix, or for none',
    });
  const keys: readonly ((record: MatrixRecord) => string)[] = [
    () => 'model',
    ({ block }) => block,
    ({ block, module }) => `${block}/${module}`,
    ({ block, module, matrix }) => `${block}/${module}/${matrix}`,
  ];
  return keys.flatMap((keyOf, level) => levelCells(records, keyOf, level, total, planned));
}

function levelCells(
  records: readonly MatrixRecord[],
  keyOf: (record: MatrixRecord) => string,
  level: number,
  total: number,
  planned: boolean,
): Cell[] {
  const cells: Cell[] = [];
  let before = 0;
  let from = 0;
  records.forEach((record, index) => {
    const path = keyOf(record);
    before += record.parameters;
    if (index + 1 < records.length && keyOf(records[index + 1]) === path) return;
    const members = records.slice(from, index + 1);
    const parameters = members.reduce((sum, member) => sum + member.parameters, 0);
    const weighted = members.reduce((sum, each) => sum + each.parameters * (each.bits ?? 0), 0);
    cells.push({
      level,
      path,
      name: level === 1 ? blockLabel(path) : (path.split('/').at(-1) ?? path),
      kind: level === 0 ? 'model' : record.block.split('.', 1)[0],
      left: (before - parameters) / total,
      right: before / total,
      parameters,
      share: `${((100 * parameters) / total).toFixed(2)} %`,
      bits: planned ? Math.round((10 * weighted) / parameters) / 10 : null,
    });
    from = index + 1;
  });
  return cells;
}

const Y: Part = {
  field: 'level',
  type: 'quantitative',
  scale: { domain: [0, LEVELS.length], reverse: true, nice: false },
  title: null,
  axis: {
    values: LEVELS.map((_, level) => level + 0.5),
    labelExpr: `${JSON.stringify(LEVELS)}[floor(datum.value)]`,
    grid: false,
    ticks: false,
    domain: false,
  },
};

function cellLayer(x: Part, cells: readonly Cell[], planned: boolean): Part {
  const kinds = Object.keys(KINDS).filter((kind) => cells.some((cell) => cell.kind === kind));
  const byKind: Part = {
    field: 'kind',
    type: 'nominal',
    scale: { domain: kinds, range: kinds.map((kind) => KINDS[kind]) },
    legend: { title: null, orient: 'top', values: kinds.filter((kind) => kind !== 'model') },
  };
  const matrices = cells.filter((cell) => cell.level === LEVELS.length - 1);
  const ownBits = [...new Set(matrices.map(({ bits }) => bits ?? 0))].sort((a, b) => b - a);
  const opacity = planned ? 1 : 0.8;
  const byBits: Part = {
    field: 'bits',
    type: 'ordinal',
    scale: bitsScale(cells.map((cell) => cell.bits ?? 0)),
    // Means of parts are no bit width: only those that occur in a matrix are listed.
    legend: { title: 'Bits a weight', orient: 'top', values: ownBits },
  };
  return {
    params: [zoomBy('zoom', ['x'])],
    mark: { type: 'rect', stroke: '#ffffff', strokeWidth: 1, clip: true, opacity },
    encoding: {
      x,
      x2: { field: 'right' },
      y: Y,
      y2: { field: 'bottom' },
      color: planned ? byBits : byKind,
      tooltip: [
        { field: 'path', title: 'Part' },
        { field: 'parameters', title: 'Parameters', format: ',' },
        { field: 'share', title: 'Share' },
        ...(planned ? [{ field: 'bits', title: 'Bits a weight (mean)' }] : []),
      ],
    },
  };
}

/** Names, and bits where there is a plan, in the cells that have room for them. */
function labelLayer(x: Part, [from, to]: readonly string[], planned: boolean): Part {
  const needs = (field: string): string => `${CHARACTER} * length(datum.${field}) + ${MARGIN}`;
  const white = planned ? `datum.bits >= ${WHITE_TEXT_BITS}` : 'true';
  return {
    transform: [
      { calculate: planned ? "datum.name + ' · ' + datum.bits" : 'datum.name', as: 'long' },
      { calculate: `datum.pixels > ${needs('long')} ? datum.long : datum.name`, as: 'text' },
      // A name that has no room across may have it upright.
      { calculate: `datum.pixels > ${needs('text')} ? 0 : 270`, as: 'angle' },
      {
        filter: `datum.angle === 0 || (datum.pixels > ${LINE} && ${needs('text')} < ${LEVEL_HEIGHT})`,
      },
      { calculate: `(max(datum.left, ${from}) + min(datum.right, ${to})) / 2`, as: 'middle' },
      { calculate: 'datum.level + 0.5', as: 'row' },
    ],
    mark: { type: 'text', fontSize: 11, clip: true, aria: false },
    encoding: {
      x: { ...x, field: 'middle' },
      y: { ...Y, field: 'row' },
      angle: { field: 'angle', type: 'quantitative', scale: null },
      text: { field: 'text' },
      color: { condition: { test: white, value: '#ffffff' }, value: COLORS.black },
    },
  };
}
