import type { ScoreName } from '../../search/score.js';
import type { Part } from '../parts/part.js';
import { values } from '../parts/spec.js';
import type { TaskView } from '../parts/task-view.js';
import { CATEGORIES, COLORS } from '../parts/theme.js';
import type { PieceRow } from './pieces.js';
import type { LambdaStops } from './scores.js';

/** Width of a panel in pixels. */
export const WIDTH = 268;
const HEIGHT = 120;
export const KINDS = ['memory', 'metric'] as const;
type Kind = (typeof KINDS)[number];
/** Lines that lie on each other are seen all the same: the first is the widest. */
const WIDTHS = [7, 4.5, 2] as const;

/** The colours of the searches. */
export function colorOf(cases: readonly string[]): Part {
  const range = cases.map((_, index) => CATEGORIES[index % CATEGORIES.length]);
  return {
    field: 'case',
    type: 'nominal',
    scale: { domain: [...cases], range },
    legend: { title: null, orient: 'top', symbolType: 'stroke', symbolStrokeWidth: 4 },
  };
}

/** An accuracy in steps of less than a point. */
export function axisFormat({ higher, axisFormat: whole }: TaskView): string {
  return higher ? '.1~%' : whole;
}

/** Ends of an axis with some room beyond the values. */
export function domainOf(from: readonly number[]): readonly [number, number] {
  const [low, high] = [Math.min(...from), Math.max(...from)];
  const pad = 0.08 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - pad, high + pad];
}

/** Of the lines of a panel, which can be pointed at. */
export function viewName(score: ScoreName, kind: Kind): string {
  return `${score}-${kind}`;
}

/** One quantity over λ of one score. */
export function stepsView(
  kind: Kind,
  score: ScoreName,
  pieces: readonly PieceRow[],
  { least, most }: LambdaStops,
  cases: readonly string[],
  view: TaskView,
): Part {
  const own = pieces.filter((piece) => piece.score === score);
  const isLast = kind === 'metric';
  const isPaper = score === 'paper';
  const scale: Part = isPaper
    ? { type: 'log', domain: [least, most], nice: false }
    : { domain: [0, 1], nice: false };
  const title = isPaper
    ? `λ of the paper’s score (logarithmic; 0 at the left end)`
    : 'λ of the balanced score';
  const x: Part = {
    field: 'left',
    type: 'quantitative',
    scale,
    title: isLast ? title : null,
    axis: {
      labels: isLast,
      ticks: isLast,
      ...(isPaper ? { format: '~g', values: powers(least, most) } : { tickCount: 5 }),
    },
  };
  const y: Part = {
    field: kind === 'memory' ? 'mb' : 'metric',
    type: 'quantitative',
    title: isPaper ? (kind === 'memory' ? 'Memory (MB)' : view.axisTitle) : null,
    scale: {
      domain: domainOf(pieces.map(({ mb, metric }) => (kind === 'memory' ? mb : metric))),
      zero: false,
      nice: true,
    },
    axis: { minExtent: 40, tickCount: 4, ...(kind === 'metric' && { format: axisFormat(view) }) },
  };
  const color = colorOf(cases);
  // The end of each piece is the start of the next: risers join them.
  const risers = own.flatMap((piece, index) => {
    const before = own.at(index - 1);
    if (index === 0 || before?.case !== piece.case) return [];
    return [{ ...piece, before: kind === 'memory' ? before.mb : before.metric }];
  });
  return {
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values: [{}] },
        transform: [
          { filter: `score === '${score}'` },
          { calculate: isPaper ? `clamp(lambda, ${least}, ${most})` : 'lambda', as: 'left' },
        ],
        mark: {
          type: 'rule',
          color: COLORS.black,
          strokeDash: [2, 2],
          strokeWidth: 2,
          aria: false,
        },
        encoding: { x },
      },
      ...cases.flatMap((name, index) => {
        const strokeWidth = WIDTHS[Math.min(index, WIDTHS.length - 1)];
        const [pieces, joints] = [own, risers].map((rows) =>
          rows.filter((row) => row.case === name),
        );
        return [
          ...(joints.length === 0
            ? []
            : [
                {
                  data: { values: values(joints, 'λ chart') },
                  mark: { type: 'rule', strokeWidth, aria: false, clip: true },
                  encoding: { x, y, y2: { field: 'before' }, color },
                },
              ]),
          {
            data: { values: values(pieces, 'λ chart') },
            mark: { type: 'rule', strokeWidth, aria: false, clip: true },
            encoding: { x, x2: { field: 'right' }, y, color },
          },
        ];
      }),
      {
        // Wide enough to be pointed at; a selection lives in one layer of a view.
        name: viewName(score, kind),
        data: { values: values(own, 'λ chart') },
        mark: { type: 'rule', strokeWidth: 9, strokeOpacity: 0, clip: true },
        encoding: {
          x,
          x2: { field: 'right' },
          y,
          tooltip: [
            { field: 'case', title: 'Case' },
            { field: 'range', title: 'λ' },
            ...planTooltip(view),
          ],
        },
      },
    ],
  };
}

/** Fields of the tooltip of a plan. */
export function planTooltip(view: TaskView): Part[] {
  return [
    { field: 'plan', title: 'Plan' },
    { field: 'metricText', title: view.axisTitle },
    { field: 'memoryText', title: 'Memory' },
  ];
}

function powers(least: number, most: number): number[] {
  const [first, last] = [Math.log10(least), Math.log10(most)].map(Math.round);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(`1e${first + index}`));
}
