import type { TaskName } from '../records.js';

/** How the metric of a task is shown. */
export interface TaskView {
  /** Name of the data, for titles. */
  readonly title: string;
  /** Name and unit of the metric, for axes. */
  readonly metric: string;
  /** d3 number formats: on an axis, and in a tooltip. */
  readonly axisFormat: string;
  readonly format: string;
  readonly better: 'higher' | 'lower';
}

const VIEWS: Readonly<Record<TaskName, TaskView>> = {
  sst2: {
    title: 'SST-2',
    metric: 'Accuracy (%)',
    axisFormat: '.0%',
    format: '.1%',
    better: 'higher',
  },
  wikitext2: {
    title: 'WikiText-2',
    metric: 'Perplexity (per token)',
    axisFormat: '~r',
    format: '.2f',
    better: 'lower',
  },
};

/** "77.7 %" or "36.32". */
export function formatMetric(value: number, view: TaskView): string {
  return view.better === 'higher' ? `${(100 * value).toFixed(1)} %` : value.toFixed(2);
}

/** How much worse than the baseline: positive is worse, for either metric. */
export function lossOf(value: number, baseline: number, view: TaskView): number {
  return view.better === 'higher' ? baseline - value : value - baseline;
}

/** Names of data sets where they are not the paper's: `{ sst2: 'UCI movie sentences' }`. */
export type DataNames = Readonly<Partial<Record<TaskName, string>>>;

export function taskView(task: TaskName, names: DataNames = {}): TaskView {
  const view = VIEWS[task];
  return { ...view, title: names[task] ?? view.title };
}

/** Tasks in the order of the paper, those with records only. */
export function tasksOf(records: readonly { readonly task: TaskName }[]): readonly TaskName[] {
  const present = new Set(records.map((record) => record.task));
  return (['sst2', 'wikitext2'] as const).filter((task) => present.has(task));
}
