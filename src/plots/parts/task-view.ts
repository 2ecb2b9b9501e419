import { TASK_KINDS, TASK_NAMES, type TaskName } from '../../tasks/kinds.js';
import type { Metric } from '../../tasks/metrics/metric.js';
import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import { PlotError } from '../../util/errors.js';
import type { BaselineRecord } from '../records.js';

/** The look of a metric in figures. */
interface MetricView {
  /** Name and unit of the metric, for axes. */
  readonly axisTitle: string;
  /** d3 number formats: on an axis, and in a tooltip. */
  readonly axisFormat: string;
  readonly format: string;
  /** True where it can span orders of magnitude. */
  readonly logarithmic: boolean;
  /** "points lost", and as the title of a legend. */
  readonly lost: string;
  readonly lostLegend: readonly [string, string];
  /** Written after {@link lossText} where it stands alone. */
  readonly lossUnit: string;
  /** A loss where there is room for six characters, in the unit that {@link lost} names. */
  readonly lossText: (loss: number) => string;
  /** Label of the slider of the limit. */
  readonly lossLimit: string;
}

/** A metric of classes, in hundredths. */
function hundredths(title: string): MetricView {
  return {
    axisTitle: `${title} (hundredths)`,
    axisFormat: '.0%',
    format: '.1%',
    logarithmic: false,
    lost: 'points lost',
    lostLegend: [title, 'lost'],
    lossUnit: ' %',
    lossText: (loss) => (100 * loss).toFixed(1),
    lossLimit: `Largest drop of ${title} (points)`,
  };
}

const VIEWS: Readonly<Record<MetricName, MetricView>> = {
  accuracy: {
    axisTitle: 'Accuracy (%)',
    axisFormat: '.0%',
    format: '.1%',
    logarithmic: false,
    lost: 'points lost',
    lostLegend: ['Accuracy', 'lost'],
    lossUnit: ' %',
    lossText: (loss) => (100 * loss).toFixed(1),
    lossLimit: 'Largest drop of accuracy (% points)',
  },
  perplexity: {
    axisTitle: 'Perplexity (per token)',
    axisFormat: '~r',
    format: '.2f',
    logarithmic: true,
    lost: 'perplexity gained',
    lostLegend: ['Perplexity', 'gained'],
    lossUnit: '',
    lossText: (loss) => {
      if (Math.abs(loss) < 100) return loss.toFixed(2);
      return Math.abs(loss) < 1e5 ? loss.toFixed(0) : loss.toExponential(0).replace('e+', 'e');
    },
    lossLimit: 'Largest rise of perplexity (PPL)',
  },
  f1: hundredths('F1'),
  matthews: hundredths('Matthews correlation'),
};

/** The look of a task's metric, and of its data. */
export interface TaskView extends MetricView {
  /** Name of the data, for titles. */
  readonly title: string;
  readonly metric: Metric;
  /** Larger is better, and drawn at the top. */
  readonly higher: boolean;
}

/** Names of data sets where they are not the paper's: `{ sst2: 'UCI movie sentences' }`. */
export type DataNames = Readonly<Partial<Record<TaskName, string>>>;

export function taskView(task: TaskName, names: DataNames = {}): TaskView {
  const { title, metric: name } = TASK_KINDS[task];
  const metric = metricOf(name);
  const higher = metric.better === 'higher';
  return { ...VIEWS[name], title: names[task] ?? title, metric, higher };
}

/** Tasks in the order of the paper, those with records only. */
export function tasksOf(records: readonly { readonly task: TaskName }[]): readonly TaskName[] {
  const present = new Set(records.map((record) => record.task));
  return TASK_NAMES.filter((task) => present.has(task));
}

/** The records of one task, with its view and its baseline. */
export interface TaskRecords<R> {
  readonly view: TaskView;
  readonly own: readonly R[];
  readonly baseline: BaselineRecord;
}

/** Records task by task. @throws {PlotError} when a task has no baseline. */
export function byTask<R extends { readonly task: TaskName }>(
  records: readonly R[],
  baselines: readonly BaselineRecord[],
  names: DataNames,
  where: string,
): TaskRecords<R>[] {
  return tasksOf(records).map((task) => {
    const baseline = baselines.find((each) => each.task === task);
    if (baseline === undefined)
      throw new PlotError({ what: 'the baseline is missing', where: `${where}, ${task}` });
    const own = records.filter((record) => record.task === task);
    return { view: taskView(task, names), own, baseline };
  });
}
