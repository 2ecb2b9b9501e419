import { textWidth } from './text-width.js';

/** A rectangle in pixels of a panel, y downwards. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A mark that wants a label beside it. */
export interface LabelledMark {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

const SIDES = ['right', 'left', 'below', 'above'] as const;
/** The side of a mark that its label is on. */
export type LabelSide = (typeof SIDES)[number];

/** Of label text, in pixels. */
export const LABEL_SIZE = 10;
/** Distance of a label from the middle of its mark, in pixels. */
export const LABEL_GAP = 7;

/** The marks closer than a few pixels together as one, with their names joined. */
export function joinClose<M extends LabelledMark>(marks: readonly M[], distance: number): M[][] {
  const groups: M[][] = [];
  for (const mark of marks) {
    const near = groups.find(([{ x, y }]) => Math.hypot(x - mark.x, y - mark.y) < distance);
    if (near === undefined) groups.push([mark]);
    else near.push(mark);
  }
  return groups;
}

/**
 * A side for the label of each mark: the first on which it meets nothing else and stays inside, else the
 * one on which it covers least.
 *
 * @param obstacles points, lines and texts that are there already.
 */
export function labelSides(
  marks: readonly LabelledMark[],
  obstacles: readonly Box[],
  area: Box,
): LabelSide[] {
  const taken = [...obstacles, ...marks.map(({ x, y }) => around(x, y, LABEL_GAP - 2))];
  return marks.map((mark) => {
    const costs = SIDES.map((side) => {
      const box = labelBox(mark, side);
      const covered = taken.reduce((sum, other) => sum + overlap(box, other), 0);
      return covered + 4 * (size(box) - overlap(box, area));
    });
    const side = SIDES[costs.indexOf(Math.min(...costs))];
    taken.push(labelBox(mark, side));
    return side;
  });
}

/** The place of a label on a side of its mark. */
export function labelBox({ x, y, text }: LabelledMark, side: LabelSide): Box {
  const [width, half] = [textWidth(text, LABEL_SIZE, false), LABEL_SIZE / 2];
  const level = { top: y - half, bottom: y + half };
  const across = { left: x - width / 2, right: x + width / 2 };
  switch (side) {
    case 'right':
      return { left: x + LABEL_GAP, right: x + LABEL_GAP + width, ...level };
    case 'left':
      return { left: x - LABEL_GAP - width, right: x - LABEL_GAP, ...level };
    case 'below':
      return { ...across, top: y + LABEL_GAP, bottom: y + LABEL_GAP + LABEL_SIZE };
    case 'above':
      return { ...across, top: y - LABEL_GAP - LABEL_SIZE, bottom: y - LABEL_GAP };
  }
}

/** A square around a point. */
export function around(x: number, y: number, half: number): Box {
  return { left: x - half, right: x + half, top: y - half, bottom: y + half };
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

function size({ left, right, top, bottom }: Box): number {
  return (right - left) * (bottom - top);
}

/** Look of a label on a side of its mark, as parts of a text mark. */
export const LABEL_LOOKS = {
  right: { align: 'left', baseline: 'middle', dx: LABEL_GAP, dy: 0 },
  left: { align: 'right', baseline: 'middle', dx: -LABEL_GAP, dy: 0 },
  below: { align: 'center', baseline: 'top', dx: 0, dy: LABEL_GAP },
  above: { align: 'center', baseline: 'bottom', dx: 0, dy: -LABEL_GAP },
} as const satisfies Record<LabelSide, object>;
