import type { MeterReading, MissingReading } from './meter.js';

/** One card at one time, as a line of `nvidia-smi --format=csv,nounits` says. */
export interface GpuSample {
  readonly index: number;
  readonly name: string;
  /** Seconds since 1970. */
  readonly at: number;
  /** Undefined where the card does not say: "[N/A]". */
  readonly watts: number | undefined;
  /** A counter that only rises; undefined where there is none. */
  readonly joules: number | undefined;
  /** [0, 1]; undefined where the card does not say, as with MIG. */
  readonly utilization: number | undefined;
}

/** A card draws no more than this; what is above is a garbled line. */
const MOST_WATTS = 10_000;

/** Windows are told apart by times of samples: a card silent for longer was not measured. */
export const LONGEST_GAP_SECONDS = 2;

/** Joules of one in a unit of the counter's column. */
const JOULES: Readonly<Record<string, number | undefined>> = { mJ: 1e-3, J: 1 };

/**
 * Reads lines of `nvidia-smi --query-gpu=… --format=csv,nounits`: the header first, then a line a card and
 * time. Lines that are no such lines are counted and left out.
 */
export class SampleReader {
  private columns: readonly string[] | undefined;
  /** Whole quarters of an hour between the tool's clock, which may be of another zone, and ours. */
  private zone: number | undefined;
  /** Lines left out. */
  garbled = 0;
  /** The first of them, for messages. */
  firstGarbled: string | undefined;

  /** @param now of the line's arrival, seconds since 1970. */
  read(line: string, now: number): GpuSample | undefined {
    const cells = line.trim().split(/\s*,\s*/);
    if (this.columns === undefined && cells[0] === 'timestamp') {
      this.columns = cells;
      return undefined;
    }
    const sample = this.columns && this.sampleOf(cells, this.columns, now);
    if (sample === undefined && line.trim() !== '') {
      this.garbled += 1;
      this.firstGarbled ??= line.trim().slice(0, 120);
    }
    return sample;
  }

  private sampleOf(
    cells: readonly string[],
    columns: readonly string[],
    now: number,
  ): GpuSample | undefined {
    if (cells.length !== columns.length) return undefined;
    const cell = (name: string): string | undefined =>
      cells[columns.findIndex((column) => column.split(' ')[0] === name)];
    const index = Number(cell('index') ?? NaN);
    const stamp = secondsOf(cells[0]);
    if (!Number.isInteger(index) || index < 0 || stamp === undefined) return undefined;
    const QUARTER = 900;
    this.zone ??= Math.round((now - stamp) / QUARTER) * QUARTER;
    const watts = numberOf(cell('power.draw.instant')) ?? numberOf(cell('power.draw'));
    if (watts !== undefined && watts > MOST_WATTS) return undefined;
    const counter = columns.findIndex((column) => /energy/.test(column));
    const unit = JOULES[/\[(\w+)\]/.exec(columns[counter] ?? '')?.[1] ?? ''];
    const count = numberOf(cells[counter]);
    const percent = numberOf(cell('utilization.gpu'));
    return {
      index,
      name: cell('name') ?? '',
      at: stamp + this.zone,
      watts,
      joules: unit !== undefined && count !== undefined ? count * unit : undefined,
      utilization: percent === undefined ? undefined : Math.min(1, percent / 100),
    };
  }
}

/** "2026/07/14 08:12:38.696", as if it were UTC. */
function secondsOf(text: string): number | undefined {
  const parts = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,3})$/.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number);
  const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second);
  return milliseconds / 1000 + Number(`0.${parts[7]}`);
}

/** "[N/A]", "[Not Supported]", "[Unknown Error]" are no numbers. */
function numberOf(cell: string | undefined): number | undefined {
  return cell !== undefined && /^\d+(\.\d+)?$/.test(cell) ? Number(cell) : undefined;
}

/**
 * The energy of a card over [from, to], in seconds since 1970: from its counter where it has one, else its
 * power, straight lines between samples.
 *
 * @param samples of one card, in the order they came.
 */
export function energyBetween(
  samples: readonly GpuSample[],
  from: number,
  to: number,
): MeterReading | MissingReading {
  // A clock that was set back leaves samples out of order: those are no times to measure by.
  const back = samples.findIndex(({ at }, index) => index > 0 && at < samples[index - 1].at);
  if (back > 0) return { missing: 'the clock was set back' };
  const seconds = to - from;
  const used = samples.filter(
    ({ utilization, at }) => utilization !== undefined && at > from && at <= to,
  );
  const utilization =
    used.length === 0
      ? undefined
      : used.reduce((sum, sample) => sum + sample.utilization!, 0) / used.length;
  const counted = pointsOf(samples, ({ joules }) => joules);
  if (counted.length > 0) {
    const fallen = counted.some(
      ({ value }, index) => index > 0 && value < counted[index - 1].value,
    );
    if (fallen) return { missing: 'the energy counter fell: the driver began anew' };
    const [low, high] = [valueAt(counted, from), valueAt(counted, to)];
    const joules = low === undefined || high === undefined ? undefined : high - low;
    if (joules === undefined) return { missing: silence(counted, from, to) };
    if (joules > MOST_WATTS * seconds)
      return { missing: `the energy counter jumped by ${joules} J` };
    return { joules, seconds, utilization };
  }
  const watts = pointsOf(samples, (sample) => sample.watts);
  if (watts.length === 0 && samples.length > 0) return { missing: 'the card states no power' };
  const inside = watts.filter(({ at }) => at > from && at < to);
  const [first, last] = [valueAt(watts, from), valueAt(watts, to)];
  if (first === undefined || last === undefined) return { missing: silence(watts, from, to) };
  const path = [{ at: from, value: first }, ...inside, { at: to, value: last }];
  let joules = 0;
  for (let index = 1; index < path.length; index++) {
    const [a, b] = [path[index - 1], path[index]];
    if (b.at - a.at > LONGEST_GAP_SECONDS) return { missing: silence(watts, from, to) };
    joules += ((a.value + b.value) / 2) * (b.at - a.at);
  }
  return { joules, seconds, utilization };
}

interface Point {
  readonly at: number;
  readonly value: number;
}

function pointsOf(
  samples: readonly GpuSample[],
  valueOf: (sample: GpuSample) => number | undefined,
): Point[] {
  return samples.flatMap((sample) => {
    const value = valueOf(sample);
    return value === undefined ? [] : [{ at: sample.at, value }];
  });
}

/** Between the samples on both sides; undefined where one is missing, or they are too far apart. */
function valueAt(points: readonly Point[], at: number): number | undefined {
  const after = points.findIndex((point) => point.at >= at);
  if (after < 0) return undefined;
  const right = points[after];
  if (right.at === at) return right.value;
  if (after === 0) return undefined;
  const left = points[after - 1];
  const gap = right.at - left.at;
  if (gap > LONGEST_GAP_SECONDS) return undefined;
  return left.value + ((right.value - left.value) * (at - left.at)) / gap;
}

function silence(points: readonly Point[], from: number, to: number): string {
  const inside = points.filter(({ at }) => at >= from && at <= to).length;
  return `${inside} samples in ${(to - from).toFixed(1)} s, with a gap of more than ${LONGEST_GAP_SECONDS} s`;
}
