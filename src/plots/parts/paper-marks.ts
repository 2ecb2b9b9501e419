import { BYTES_PER_MB } from '../../util/format.js';
import type { PaperRecord, UniformRecord } from '../records.js';
import { drawnInterval } from './interval-bars.js';
import { around, joinClose, labelSides, type Box, type LabelSide } from './label-places.js';
import { metricPlace } from './metric-axis.js';
import type { TaskView } from './task-view.js';

interface Measured {
  readonly view: TaskView;
  readonly quantized: readonly UniformRecord[];
  readonly baseline: UniformRecord;
  readonly paper: readonly PaperRecord[];
  readonly ends: readonly [number, number];
}

/** Of the panel in pixels; `end` is the right end of its axis in bytes. */
interface Panel {
  readonly width: number;
  readonly height: number;
  readonly end: number;
}

/** A case of the paper on our axes. */
export interface PaperMark {
  readonly name: string;
  readonly metric: number;
  readonly mb: number;
  readonly saving: number;
  readonly text: string;
  /** Names of this case and of those drawn in the same place; empty for these. */
  readonly label: string;
  readonly side: LabelSide;
}

/** The paper's cases as changes from our baseline, with sides for their names. */
export function paperMarks(
  { view, quantized, baseline, paper, ends }: Measured,
  { width, height, end }: Panel,
): PaperMark[] {
  const across = (bytes: number): number => (width * bytes) / end;
  const down = (metric: number): number => height * (1 - metricPlace(metric, ...ends, view));
  const { format } = view.metric;
  const cases = paper.map(({ name, metric, baseline: from, saving }) => {
    const [bytes, ours] = [(1 - saving) * baseline.bytes, baseline.metric + metric - from];
    const text = `${format(metric)} from ${format(from)}`;
    const place = { x: across(bytes), y: down(ours) };
    return { name, metric: ours, mb: bytes / BYTES_PER_MB, saving, text, place };
  });
  const groups = joinClose(
    cases.map((each) => ({ ...each.place, text: each.name, each })),
    10,
  );
  const labels = groups.map((members) => ({
    ...members[0],
    text: members.map(({ text }) => text).join(', '),
  }));
  const sides = labelSides(labels, obstacles(quantized, baseline, across, down), {
    ...{ left: 2, right: width - 2, top: 2, bottom: height - 2 },
  });
  return groups.flatMap((members, index) =>
    members.map(({ each: { name, metric, mb, saving, text } }, member) => ({
      ...{ name, metric, mb, saving, text },
      label: member === 0 ? labels[index].text : '',
      side: sides[index],
    })),
  );
}

/** Points, bars and curve of the panel, and the rule of the unquantized model. */
function obstacles(
  quantized: readonly UniformRecord[],
  { metric: fp32 }: UniformRecord,
  across: (bytes: number) => number,
  down: (metric: number) => number,
): Box[] {
  const sorted = [...quantized].sort((a, b) => a.bytes - b.bytes);
  const points = sorted.map(({ bytes, metric }) => ({ x: across(bytes), y: down(metric) }));
  const curve = points.slice(1).flatMap(({ x, y }, index) => {
    const from = points[index];
    return Array.from({ length: 12 }, (_, part) => {
      const share = part / 12;
      return around(from.x + share * (x - from.x), from.y + share * (y - from.y), 2);
    });
  });
  const bars = sorted.flatMap((record) => {
    const [x, interval] = [across(record.bytes), drawnInterval(record)];
    if (interval === undefined) return [];
    const [top, bottom] = [down(interval[1]), down(interval[0])];
    return [{ left: x - 1.5, right: x + 1.5, top, bottom }];
  });
  const rule = { left: 0, right: 1e4, top: down(fp32) - 1.5, bottom: down(fp32) + 1.5 };
  return [...points.map(({ x, y }) => around(x, y, 5)), ...curve, ...bars, rule];
}
