import type { Json } from '../../util/json.js';
import type { Part } from '../parts/part.js';
import { COLORS } from '../parts/theme.js';

/** Width of a drawing in pixels; the unit of all places in it, from the top left. */
export const WIDTH = 680;

/** A rectangle. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly fill: string;
  readonly stroke: string;
  /** Text of the tooltip, read out too. */
  readonly about: string;
}

/** A line of text. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly align: 'left' | 'center' | 'right';
  readonly size: number;
  readonly bold: boolean;
}

/** A straight line. */
export interface Line {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly dashed: boolean;
}

/** The point of an arrow, to the right (90 degrees), downwards (180) or upwards (0). */
export interface Head {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
}

/** Boxes, lines and texts, in the order they are drawn in. */
export class Drawing {
  readonly boxes: Box[] = [];
  readonly lines: Line[] = [];
  readonly heads: Head[] = [];
  readonly labels: Label[] = [];

  box(
    [left, top, right, bottom]: readonly [number, number, number, number],
    about: string,
    color: string = COLORS.grey,
    fill = '#ffffff',
  ): void {
    this.boxes.push({ left, right, top, bottom, fill, stroke: color, about });
  }

  /** @param more of a look that is not 11 pixels, centred, plain. */
  text(x: number, y: number, text: string, more: Partial<Label> = {}): void {
    this.labels.push({ x, y, text, align: 'center', size: 11, bold: false, ...more });
  }

  line(
    [left, top]: readonly [number, number],
    [right, bottom]: readonly [number, number],
    dashed = false,
  ): void {
    this.lines.push({ left, top, right, bottom, dashed });
  }

  /** A horizontal or vertical line that ends in a point. */
  arrow(from: readonly [number, number], to: readonly [number, number]): void {
    this.line(from, to);
    const angle = from[1] === to[1] ? 90 : to[1] > from[1] ? 180 : 0;
    const [dx, dy] = angle === 90 ? [-3, 0] : [0, angle === 180 ? -3 : 3];
    this.heads.push({ x: to[0] + dx, y: to[1] + dy, angle });
  }
}

/** The layers of a view of {@link WIDTH} by `height` pixels. */
export function layersOf({ boxes, lines, heads, labels }: Drawing, height: number): Part[] {
  const place = (field: string, size: number, down: boolean): Part => ({
    field,
    type: 'quantitative',
    axis: null,
    scale: { domain: [0, size], nice: false, zero: false, reverse: down },
  });
  const x = (field: string): Part => place(field, WIDTH, false);
  const y = (field: string): Part => place(field, height, true);
  const own = (rows: readonly object[]): Part => ({ values: rows as readonly Json[] });
  const color = (field: string): Part => ({ field, type: 'nominal', scale: null });
  return [
    {
      data: own(boxes),
      mark: { type: 'rect', strokeWidth: 1.2, cornerRadius: 4 },
      encoding: {
        x: x('left'),
        x2: { field: 'right' },
        y: y('top'),
        y2: { field: 'bottom' },
        fill: color('fill'),
        stroke: color('stroke'),
        tooltip: { field: 'about' },
        description: { field: 'about' },
      },
    },
    ...[false, true].map((dashed) => ({
      data: own(lines.filter((line) => line.dashed === dashed)),
      mark: {
        type: 'rule',
        color: dashed ? COLORS.grey : COLORS.black,
        strokeWidth: 1.2,
        aria: false,
        ...(dashed && { strokeDash: [4, 3] }),
      },
      encoding: {
        x: x('left'),
        x2: { field: 'right' },
        y: y('top'),
        y2: { field: 'bottom' },
      },
    })),
    {
      data: own(heads),
      mark: {
        type: 'point',
        shape: 'triangle',
        filled: true,
        size: 36,
        color: COLORS.black,
        aria: false,
      },
      encoding: {
        x: x('x'),
        y: y('y'),
        angle: { field: 'angle', type: 'quantitative', scale: null },
      },
    },
    ...labels.map((label) => ({
      data: own([label]),
      mark: {
        type: 'text',
        align: label.align,
        baseline: 'middle',
        fontSize: label.size,
        fontWeight: label.bold ? 600 : 'normal',
        aria: false,
      },
      encoding: { x: x('x'), y: y('y'), text: { field: 'text' } },
    })),
  ];
}
