import type { Part } from './part.js';
import type { TaskView } from './task-view.js';

/** Beyond this ratio of largest to smallest value, perplexity is drawn on a logarithmic axis. */
const LOG_RATIO = 4;
/** Share of the axis that is left free at either end of a logarithmic one. */
const LOG_PAD = 0.05;
/** The same of a linear one. */
const LINEAR_PAD = 0.04;
/** More labels than this crowd an axis of 200 pixels. */
const MOST_TICKS = 8;
/** Multiples of a power of ten that are labelled, densest first. */
const MULTIPLES = [
  [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9],
  [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9],
  [1, 1.5, 2, 3, 4, 5, 6, 8],
  [1, 2, 3, 5],
  [1, 2, 5],
  [1, 3],
  [1],
] as const;

/**
 * The position of a metric between two values. A perplexity that spans far is drawn logarithmically, from
 * the smallest value to the largest: to the next powers of ten half of the picture would be empty.
 */
export function metricAxis(low: number, high: number, view: TaskView): Part {
  const channel: Part = { field: 'metric', type: 'quantitative', title: view.axisTitle };
  const axis: Part = { format: view.axisFormat, tickCount: 6, minExtent: 34 };
  const domain = metricDomain(low, high, view);
  if (!isLogarithmic(low, high, view))
    return { ...channel, scale: { zero: false, domain, nice: false }, axis };
  return {
    ...channel,
    title: `${view.axisTitle}, logarithmic`,
    scale: { type: 'log', domain, nice: false },
    axis: { ...axis, format: high < 1e6 ? ',~r' : '.0~e', ...ticksAt(logTicks(...domain)) },
  };
}

/** Ends of the axis that {@link metricAxis} gives: a bar that is cut ends there. */
export function metricDomain(low: number, high: number, view: TaskView): [number, number] {
  if (isLogarithmic(low, high, view)) {
    const pad = (high / low) ** LOG_PAD;
    return [low / pad, high * pad];
  }
  const pad = LINEAR_PAD * (high - low);
  return [low - pad, high + pad];
}

/** The place of a value on the axis that {@link metricAxis} gives, 0 at its lower end and 1 at its upper one. */
export function metricPlace(value: number, low: number, high: number, view: TaskView): number {
  const scale = isLogarithmic(low, high, view) ? Math.log : (each: number) => each;
  const [from, to] = metricDomain(low, high, view).map(scale);
  return (scale(value) - from) / (to - from);
}

function isLogarithmic(low: number, high: number, view: TaskView): boolean {
  return view.logarithmic && low > 0 && high / low > LOG_RATIO;
}

/** Exactly these ticks: without their number vega leaves out every other one of more than it had planned. */
export function ticksAt(values: readonly number[]): Part {
  return { values, tickCount: values.length, labelOverlap: 'greedy' };
}

/** Round numbers between two positive ones, as many as an axis has room for. */
export function logTicks(low: number, high: number): number[] {
  const [first, last] = [low, high].map((value) => Math.floor(Math.log10(value)));
  const powers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const ticksOf = (multiples: readonly number[]): number[] =>
    powers
      .flatMap((power) => multiples.map((multiple) => Number(`${multiple}e${power}`)))
      .filter((tick) => tick >= low && tick <= high);
  const ticks = MULTIPLES.map(ticksOf).find(({ length }) => length <= MOST_TICKS);
  if (ticks !== undefined) return ticks;
  const decades = ticksOf([1]);
  const every = Math.ceil(decades.length / MOST_TICKS);
  return decades.filter((_, index) => index % every === 0);
}

/** Zero, and round numbers on both sides of it, for an axis that is linear below `constant` (symlog). */
export function symlogTicks(low: number, high: number, constant: number): number[] {
  const side = (end: number): number[] => (end > constant ? logTicks(constant, end) : []);
  const isThin = (tick: number): boolean => /^[125](\.0*)?e/.test(tick.toExponential());
  const below = side(-low).filter(isThin).reverse();
  return [...below.map((tick) => -tick), 0, ...side(high).filter(isThin)];
}
