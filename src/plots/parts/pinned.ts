import type { StepRecord } from '../records.js';
import type { Part } from './part.js';
import type { TaskView } from './task-view.js';

/** The plan that was clicked on; none at first. */
export const PINNED: Part = { filter: { param: 'pinned', empty: false } };

/** Ways to compare a plan with another. */
export const COMPARED = {
  /** A step of the search selected from: item by item, where its run kept that. */
  step: 'step',
  /** The unquantized model, beside which the other plan's interval is. */
  fp32: 'fp32',
  /** A plan whose items are not at hand. */
  apart: 'apart',
  /** A bound is no metric, and the paper's model another one: memory alone. */
  memory: 'memory',
} as const;
export type Compared = (typeof COMPARED)[keyof typeof COMPARED];

/** A row as {@link pinnedText} reads it. */
export interface PinnedRow {
  readonly compared: Compared;
  /** The interval is that of the difference to fp32. */
  readonly paired: boolean;
}

/** The signal with the intervals of {@link StepRecord.against}: "later,earlier" → ends of the later's loss. */
export function differencesParameter(steps: readonly StepRecord[]): Part {
  const known = steps.flatMap(({ step, against = [] }) =>
    against.map((other) => [`${step},${other.step}`, [other.low, other.high]] as const),
  );
  return { name: 'differences', value: Object.fromEntries(known) };
}

/** The title of the pinned plan's strip: what it shows, or how to fill it. */
export const PINNED_TITLE: Part = {
  expr: "pinned.step ? 'Bits of the plan pinned' : 'No plan pinned: click a point (or go to one with Tab and the arrow keys, and press Enter) to lay its bits here'",
};

/**
 * The plan clicked on in words, with its difference from the one selected: in metric, with the 95 % interval
 * from paired items where the run has kept it, and in memory.
 */
export function pinnedText(width: number, view: TaskView): Part {
  const { unit, exponent } = view.metric.loss;
  const format = view.metric.name === 'perplexity' ? '+.2f' : '+.1f';
  const inUnits = (value: string): string => `format((${value}) / ${unit}, '${format}')`;
  const name = exponent < 0 ? 'points' : `of ${view.metric.name}`;
  const shown = "(datum.anyFeasible ? 'the plan selected' : 'the nearest plan')";
  const same = `datum.compared === '${COMPARED.step}' && datum.step === datum.shownStep`;
  const later = 'max(datum.step, datum.shownStep)';
  const earlier = 'min(datum.step, datum.shownStep)';
  // Stored is the loss of the later plan; shown is the change of the metric from the one selected.
  const turned = `(datum.step > datum.shownStep) === ${view.higher}`;
  const change = `(datum.metric - datum.shownMetric)`;
  const range = `(datum.ends ? ' (95 %, item by item: ' + ${inUnits('datum.ends[0]')} + ' to ' + ${inUnits('datum.ends[1]')} + (datum.ends[0] <= 0 && datum.ends[1] >= 0 ? ', may be chance)' : ')') : ' (not compared item by item)')`;
  const size = 'abs(datum.mb - datum.shownMb)';
  const memory = `(${size} < 0.005 ? 'as much memory' : format(${size}, '.2f') + ' MB ' + (datum.mb > datum.shownMb ? 'more' : 'less'))`;
  const difference = `${inUnits(change)} + ' ${name}' + ${range} + ', ' + ${memory}`;
  return {
    name: 'pinned_status',
    width,
    height: 48,
    transform: [
      { calculate: 'datum.selected || datum.nearest', as: 'isShown' },
      ...['step', 'mb', 'metric', 'low', 'high', 'paired'].map((field) => ({
        calculate: `datum.isShown ? datum.${field} : null`,
        as: `own_${field}`,
      })),
      {
        joinaggregate: [
          { op: 'max', field: 'own_step', as: 'shownStep' },
          { op: 'max', field: 'own_mb', as: 'shownMb' },
          { op: 'max', field: 'own_metric', as: 'shownMetric' },
          { op: 'max', field: 'own_low', as: 'shownLow' },
          { op: 'max', field: 'own_high', as: 'shownHigh' },
          { op: 'max', field: 'own_paired', as: 'shownPaired' },
        ],
      },
      PINNED,
      {
        calculate: `datum.compared === '${COMPARED.step}' ? differences[${later} + ',' + ${earlier}] : null`,
        as: 'stored',
      },
      {
        calculate: `datum.stored ? (${turned} ? [-datum.stored[1], -datum.stored[0]] : datum.stored) : datum.compared === '${COMPARED.fp32}' && datum.shownPaired ? [datum.metric - datum.shownHigh, datum.metric - datum.shownLow] : null`,
        as: 'ends',
      },
      {
        calculate: `'Pinned: ' + datum.plan + '\\n' + datum.metricText + ', ' + datum.memoryText + '\\n' + (${same} ? 'It is ' + ${shown} : 'Against ' + ${shown} + ': ' + (datum.compared === '${COMPARED.memory}' ? ${memory} : ${difference}))`,
        as: 'text',
      },
    ],
    mark: { type: 'text', align: 'left', baseline: 'top', fontSize: 12, lineBreak: '\n' },
    encoding: { x: { value: 0 }, y: { value: 0 }, text: { field: 'text' } },
  };
}
