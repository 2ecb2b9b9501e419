import { paretoFront } from '../../search/pareto.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { measuredText, stepText } from '../figures/pareto-rows.js';
import { barWithin, type Bar } from '../parts/interval-bars.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import type { BaselineRecord, LimitsRecord, StepRecord } from '../records.js';

/** End of the axis of quality, in units of the widest limit. */
const LOSS_RANGE = 2.5;

/** A search whose front is drawn. */
export interface FrontsSearch {
  /** For the legend, unlike any other of its panel: 'knapsack, best'. Equal names look alike in all panels. */
  readonly name: string;
  readonly limits: LimitsRecord;
  /** All plans that it tried. */
  readonly steps: readonly StepRecord[];
  /** The step that it selected. */
  readonly selected?: number;
}

/** Searches of one model on the same data. */
export interface FrontsPanel {
  readonly baseline: BaselineRecord;
  readonly searches: readonly FrontsSearch[];
  /** Names of data where they are not the paper's. */
  readonly names?: DataNames;
  /** The parameters that count as memory, where those are not the ones in use. */
  readonly remark?: string;
}

/** A plan on a front, or selected. */
export interface FrontRow extends Bar {
  readonly search: string;
  readonly plan: string;
  readonly metric: number;
  readonly bytes: number;
  readonly mb: number;
  readonly onFront: boolean;
  readonly selected: boolean;
  readonly paired: boolean;
  readonly metricText: string;
  readonly memoryText: string;
}

/** A limit across a panel. */
export interface Rule {
  /** In the unit of its axis. */
  readonly at: number;
  readonly text: string;
  /** The searches that have it. */
  readonly of: string;
}

/** A panel as it is drawn. */
export interface Panel {
  readonly title: string;
  readonly view: TaskView;
  readonly baseline: BaselineRecord;
  readonly rows: readonly FrontRow[];
  readonly quality: readonly Rule[];
  readonly memory: readonly Rule[];
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Plans on fronts that `y` leaves out. */
  readonly beyond: number;
}

/** @throws {PlotError} for two searches of one name, and where no plan was measured to the end. */
export function panelOf({ baseline, searches, names, remark }: FrontsPanel): Panel {
  const view = taskView(baseline.task, names);
  requireNames(searches, view);
  const at = (loss: number): number => view.metric.atLoss(baseline.metric, loss);
  const found = searches.map((search) => plansOf(search, view));
  const plans = found.flatMap((own) => own);
  if (plans.length === 0)
    throw new PlotError({
      what: 'nothing to draw',
      where: `fronts chart, ${view.title}`,
      got: 'no plan that was measured to the end',
      expected: 'at least 1',
    });
  const quality = rulesOf(searches, ({ limits: { loss } }) =>
    Number.isFinite(loss) ? { at: at(loss), text: view.metric.format(at(loss)) } : undefined,
  );
  const memory = rulesOf(searches, ({ limits }) =>
    Number.isFinite(limits.bytes)
      ? { at: limits.bytes / BYTES_PER_MB, text: `${(limits.bytes / BYTES_PER_MB).toFixed(2)} MB` }
      : undefined,
  );
  const losses = plans.map(({ step }) => view.metric.lossOf(baseline.metric, step.metric));
  const widest = Math.max(0, ...searches.map(({ limits }) => limits.loss).filter(Number.isFinite));
  const [best, worst] = [Math.min(0, ...losses), Math.max(...losses, widest, 1e-3)];
  // Plans that are broken beyond measure would press all others into a line.
  const most = widest > 0 ? Math.min(LOSS_RANGE * widest, worst) : worst;
  const pad = 0.06 * (most - best);
  const ends = [at(best - pad), at(most + pad)];
  const y = [Math.min(...ends), Math.max(...ends)] as const;
  const inside = plans.filter(({ step: { metric } }) => metric >= y[0] && metric <= y[1]);
  const x = [
    0,
    1.05 *
      Math.max(
        ...inside.map(({ step }) => step.bytes / BYTES_PER_MB),
        ...memory.map((rule) => rule.at),
      ),
  ] as const;
  return {
    title: `${view.title}, ${baseline.model}${remark === undefined ? '' : `, ${remark}`}`,
    ...{ view, baseline, quality, memory, x, y },
    rows: plans.map((plan) => rowOf(plan, baseline, view, y)),
    beyond: plans.length - inside.length,
  };
}

interface FrontPlan {
  readonly search: string;
  readonly step: StepRecord;
  readonly onFront: boolean;
  readonly selected: boolean;
}

/** The front of a search in metric and memory, and the plan selected where that is none of it. */
function plansOf({ name, steps, selected }: FrontsSearch, view: TaskView): FrontPlan[] {
  const measured = steps.filter(({ exact, metric }) => exact && Number.isFinite(metric));
  // Energy, a third objective of some searches, is not drawn: in two objectives fronts are comparable.
  const plain = measured.map(({ metric, bytes }, index) => ({ metric, bytes, index }));
  const front = paretoFront(plain, view.metric.name as MetricName).map(
    ({ index }) => measured[index],
  );
  const chosen = measured.filter(
    ({ step }) => step === selected && !front.some((each) => each.step === step),
  );
  return [...front, ...chosen].map((step) => ({
    ...{ search: name, step },
    onFront: front.includes(step),
    selected: step.step === selected,
  }));
}

function rowOf(
  { search, step, onFront, selected }: FrontPlan,
  baseline: BaselineRecord,
  view: TaskView,
  y: readonly [number, number],
): FrontRow {
  const { metric, bytes } = step;
  const [mb, change] = [bytes / BYTES_PER_MB, (100 * (bytes / baseline.bytes - 1)).toFixed(1)];
  return {
    ...{ search, metric, bytes, mb, onFront, selected },
    plan: stepText(step),
    paired: step.pairedLow !== undefined,
    metricText: measuredText(step, view),
    memoryText: `${mb.toFixed(2)} MB (${change.replace('-', '−')} %)`,
    ...barWithin(selected ? step : {}, y),
  };
}

/** The distinct limits of one kind, each with the searches that have it. */
function rulesOf(
  searches: readonly FrontsSearch[],
  ruleOf: (search: FrontsSearch) => Omit<Rule, 'of'> | undefined,
): Rule[] {
  const rules = new Map<number, Rule>();
  for (const search of searches) {
    const rule = ruleOf(search);
    if (rule === undefined) continue;
    const of = [rules.get(rule.at)?.of, search.name].filter(Boolean).join('; ');
    rules.set(rule.at, { ...rule, of });
  }
  return [...rules.values()];
}

/** @throws {PlotError} for two searches of one name, whose fronts would become one line. */
function requireNames(searches: readonly FrontsSearch[], { title }: TaskView): void {
  const twice = searches.find(
    ({ name }, at) => searches.findIndex((other) => other.name === name) < at,
  );
  if (twice === undefined) return;
  throw new PlotError({
    what: 'two searches of one name',
    where: `fronts chart, ${title}`,
    got: twice.name,
    expected: 'a name for each',
  });
}
