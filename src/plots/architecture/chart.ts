import { blockKind, blockLabel } from '../../layout/blocks.js';
import type { Block, Hierarchy, Module } from '../../layout/hierarchy.js';
import type { Layout, SpikingLayer } from '../../layout/layout.js';
import { PlotError } from '../../util/errors.js';
import { chart, type ChartSpec } from '../parts/spec.js';
import { textWidth } from '../parts/text-width.js';
import { COLORS } from '../parts/theme.js';
import { Drawing, layersOf, WIDTH } from './drawing.js';

/** The parts of a model that its picture is drawn from. */
export interface DrawnModel {
  readonly name: string;
  readonly layout: Pick<Layout, 'stages' | 'spiking' | 'discreteStream'>;
  readonly hierarchy: Pick<Hierarchy, 'blocks' | 'parameters'>;
}

const LOOKS = {
  input: [COLORS.vermilion, '#fbeee6'],
  attention: [COLORS.blue, '#e6f1f7'],
  output: [COLORS.green, '#e6f5f1'],
} as const;

/** Pixels: of the row of blocks, and of the block that is opened below it. */
const ROW = { top: 12, bottom: 66, ends: 78, gap: 12 } as const;
const OPEN = { top: 104, stream: 136, module: 168 } as const;
const LINE_HEIGHT = 16;
/** Most attention blocks that are drawn one by one. */
const MOST_BLOCKS = 8;

const grouped = (count: number): string => count.toLocaleString('en-US');

/**
 * Fig. 4: the network from tokens to output, and below it one attention block opened: its stages with their
 * matrices, the neurons that fire at their end where these are all that the stream takes, and the stream. Drawn from the
 * layout, so for any family that has one.
 *
 * @throws {PlotError} when the model has no attention block.
 */
export function architectureChart({ name, layout, hierarchy }: DrawnModel): ChartSpec {
  const attention = hierarchy.blocks.filter(({ block }) => blockKind(block) === 'attention');
  if (attention.length === 0)
    throw new PlotError({
      what: 'there is no attention block to draw',
      where: 'architecture chart',
      got: hierarchy.blocks.map(({ block }) => block).join(', '),
    });
  const drawing = new Drawing();
  const opened = drawRow(drawing, hierarchy.blocks, attention);
  const height = drawBlock(drawing, attention[0], layout, opened);
  const spiking = layout.spiking.length;
  return chart(
    `${name} as a diagram: the input block, ${attention.length} attention blocks and the output block, and of one attention block its stages with their matrices and spiking neurons.`,
    {
      title: {
        text: `${name}: from tokens to output`,
        subtitle: `${grouped(hierarchy.parameters)} parameters, ${attention.length} attention blocks, ${spiking} spiking layers; below, block ${blockLabel(attention[0].block)} opened`,
      },
      width: WIDTH,
      height,
      layer: layersOf(drawing, height),
    },
  );
}

/** The blocks in a row. @returns left and right of the first attention block. */
function drawRow(
  drawing: Drawing,
  blocks: readonly Block[],
  attention: readonly Block[],
): readonly [number, number] {
  const middle = (ROW.top + ROW.bottom) / 2;
  const shown =
    attention.length <= MOST_BLOCKS
      ? attention
      : [...attention.slice(0, MOST_BLOCKS - 2), undefined, attention[attention.length - 1]];
  const [before, after] = ['input', 'output'].map((kind) =>
    blocks.filter(({ block }) => blockKind(block) === kind),
  );
  const ends = [...before, ...after].reduce((sum, block) => sum + endWidth(block) + ROW.gap, 0);
  const room = WIDTH - 48 - 54 - ends;
  const step = room / shown.length;
  let x = 48;
  drawing.text(0, middle, 'tokens', { align: 'left' });
  let opened: readonly [number, number] = [x, x];
  const place = (block: Block | undefined, width: number): void => {
    drawing.arrow([x - ROW.gap, middle], [x, middle]);
    if (block === undefined) drawing.text(x + width / 2, middle, '…', { size: 16 });
    else drawOne(drawing, block, [x, ROW.top, x + width, ROW.bottom]);
    if (block === attention[0]) opened = [x, x + width];
    x += width + ROW.gap;
  };
  x += ROW.gap;
  for (const block of before) place(block, endWidth(block));
  for (const block of shown) place(block, step - ROW.gap);
  for (const block of after) place(block, endWidth(block));
  drawing.arrow([x - ROW.gap, middle], [x, middle]);
  drawing.text(WIDTH, middle, 'output', { align: 'right' });
  return opened;
}

/** Names of the modules of the input or output block. */
const namesOf = ({ modules }: Block): string => modules.map(({ module }) => module).join(', ');

/** Pixels of the input or output block: as its names need. */
function endWidth(block: Block): number {
  return Math.max(ROW.ends, textWidth(namesOf(block), 11, false) + 16);
}

/** A block of the row: its label, its share, and what its only matrix is. */
function drawOne(
  drawing: Drawing,
  own: Block,
  place: readonly [number, number, number, number],
): void {
  const { block, share, parameters } = own;
  const kind = blockKind(block);
  const [color, fill] = LOOKS[kind];
  const [left, top, right] = place;
  const about = `${block}: ${namesOf(own)}; ${grouped(parameters)} parameters, ${percent(share)}`;
  drawing.box(place, about, color, fill);
  const middle = (left + right) / 2;
  drawing.text(middle, top + 14, kind === 'attention' ? blockLabel(block) : block, { bold: true });
  if (kind !== 'attention') drawing.text(middle, top + 29, namesOf(own));
  drawing.text(middle, top + 44, percent(share), { size: 10 });
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** One attention block, opened. @returns the height of it all. */
function drawBlock(
  drawing: Drawing,
  { block, modules, vectors }: Block,
  layout: DrawnModel['layout'],
  [from, to]: readonly [number, number],
): number {
  const stages = layout.stages.flatMap(({ path }, stage) => {
    const module = modules.find((each) => each.path === path);
    if (module === undefined) return [];
    const spiking = layout.spiking.filter((layer) => layer.stage === stage);
    // Where all that the stream takes are spikes, the last layer of a stage makes them.
    const last = layout.discreteStream ? spiking.at(-1) : undefined;
    const inside = spiking.filter((layer) => layer !== last);
    return [{ module, lines: [...linesOf(module), ...spikesText(inside)], last }];
  });
  const most = Math.max(...stages.map(({ lines }) => lines.length));
  const bottom = OPEN.module + 26 + most * LINE_HEIGHT + 8;
  const end = bottom + 34;
  drawing.line([from, ROW.bottom], [0, OPEN.top], true);
  drawing.line([to, ROW.bottom], [WIDTH, OPEN.top], true);
  drawing.box([0, OPEN.top, WIDTH, end], `Block ${blockLabel(block)}`, COLORS.grey, '#fafafa');
  const step = (WIDTH - 40) / stages.length;
  drawing.line([10, OPEN.stream], [WIDTH - 14, OPEN.stream]);
  drawing.arrow([WIDTH - 14, OPEN.stream], [WIDTH - 4, OPEN.stream]);
  drawing.text(12, OPEN.stream - 10, 'stream', { align: 'left' });
  stages.forEach((stage, index) => {
    drawStage(drawing, stage, {
      left: 20 + index * step,
      right: 20 + (index + 1) * step,
      bottom,
    });
  });
  const own = vectors.reduce((sum, { parameters }) => sum + parameters, 0);
  const normed = own === 0 ? '' : `; the block’s norms: ${grouped(own)} values in float32`;
  drawing.text(
    12,
    end - 12,
    `Matrices [out × in] are quantized, vectors stay in float32${normed}`,
    {
      align: 'left',
    },
  );
  return end + 2;
}

/** A stage of the opened block. */
interface DrawnStage {
  readonly module: Module;
  /** Matrices with their shapes, vectors, spiking layers: a line each. */
  readonly lines: readonly string[];
  /** The neurons whose spikes are added to the stream; absent where real values go into it. */
  readonly last: SpikingLayer | undefined;
}

/** Pixels that a stage is drawn within. */
interface StagePlace {
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
}

/** A stage: from the stream through its matrices and neurons back to the stream. */
function drawStage(
  drawing: Drawing,
  { module, lines, last }: DrawnStage,
  { left, right, bottom }: StagePlace,
): void {
  const [color, fill] = LOOKS.attention;
  const inside = left + 24;
  const edge = right - 96;
  const sum = right - 20;
  drawing.arrow([(inside + edge) / 2, OPEN.stream], [(inside + edge) / 2, OPEN.module]);
  const about = `${module.path}: ${lines.join('; ')}`;
  drawing.box([inside, OPEN.module, edge, bottom], about, color, fill);
  drawing.text((inside + edge) / 2, OPEN.module + 14, module.module, { bold: true, size: 12 });
  lines.forEach((line, index) => {
    drawing.text(inside + 8, OPEN.module + 34 + index * LINE_HEIGHT, line, { align: 'left' });
  });
  const middle = (OPEN.module + bottom) / 2;
  if (last === undefined) {
    drawing.line([edge, middle], [sum, middle]);
    drawing.arrow([sum, middle], [sum, OPEN.stream + 2]);
    return;
  }
  const texts = [levelsText(last), ...stepsText(last)];
  const half = 14 + 8 * texts.length;
  const [from, to] = [edge + 14, right - 2];
  drawing.arrow([edge, middle], [from, middle]);
  drawing.box(
    [from, middle - half, to, middle + half],
    `${module.path}: neurons, ${texts.join(', ')}`,
    COLORS.vermilion,
    '#fbeee6',
  );
  ['neurons', ...texts].forEach((text, line) => {
    const y = middle - half + 14 + line * LINE_HEIGHT;
    drawing.text((from + to) / 2, y, text, { bold: line === 0 });
  });
  drawing.arrow([sum, middle - half], [sum, OPEN.stream + 9]);
  const added = 'The spikes are added to the stream';
  drawing.box([sum - 9, OPEN.stream - 9, sum + 9, OPEN.stream + 9], added, COLORS.black);
  drawing.text(sum, OPEN.stream, '+', { size: 14, bold: true });
}

/** "key 192 × 192", and the vectors together. */
function linesOf({ matrices, vectors }: Module): string[] {
  const values = vectors.reduce((sum, { parameters }) => sum + parameters, 0);
  return [
    ...matrices.map(({ matrix, shape }) => `${matrix}  ${shape.map(grouped).join(' × ')}`),
    ...(values > 0 ? [`vectors  ${grouped(values)} values`] : []),
  ];
}

/** "4 spiking layers inside", and what they fire; nothing where there are none. */
function spikesText(inside: readonly SpikingLayer[]): string[] {
  if (inside.length === 0) return [];
  const [first] = inside;
  const count = inside.length === 1 ? '1 spiking layer' : `${inside.length} spiking layers`;
  return [`${count} inside:`, [levelsText(first), ...stepsText(first)].join(', ')];
}

const levelsText = ({ levels }: SpikingLayer): string =>
  levels === 'ternary' ? '−1, 0 or 1' : '0 or 1';

const stepsText = ({ steps = 1 }: SpikingLayer): string[] => (steps > 1 ? [`${steps} steps`] : []);
