import { meetsLimit } from '../../search/constraints.js';
import { largestWeight, type ScoreContext } from '../../search/score.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { energyParameters, energyView, energyWeights } from '../energy/quality-energy.js';
import { scaleView, type ScalePlan } from '../lambda/scale-view.js';
import { lambdaStops, scoreLabels, scoresOf, type Scorable } from '../lambda/scores.js';
import {
  lambdaParameters,
  lossPerByte,
  nearestTransforms,
  selectionTransforms,
} from '../lambda/selection.js';
import { limitSlider } from '../parts/limit-slider.js';
import type { Part } from '../parts/part.js';
import { differencesParameter, PINNED, PINNED_TITLE, pinnedText } from '../parts/pinned.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { stripView } from '../parts/strip.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import type { StepRecord } from '../records.js';
import { scatterView, SHOWN, WIDTH, type Axes } from './pareto-layers.js';
import { openText, paretoRows, SERIES, type ParetoInput, type ParetoRow } from './pareto-rows.js';

export type { ParetoInput } from './pareto-rows.js';

const DEFAULT_LAMBDA = 0.5;
/** End of the quality slider, in units of the limit given. */
const LOSS_RANGE = 2.5;

/**
 * Fig. 9: the plans that a search tried, the Pareto front, the region that meets both limits, and the
 * plan that the trade-off score selects. Sliders for λ and for both limits select anew, inside the chart
 * and among the plans measured; a strip shows the selected plan's bits block by block.
 *
 * A switch changes between the paper's score and the balanced one (`SCORE_NAMES`), a scale shows which
 * plan each λ selects. The dotted line joins all points of the selected plan's score.
 *
 * @throws {PlotError} when there are no steps, or they are not the baseline's.
 */
export function paretoChart(input: ParetoInput, names: DataNames = {}): ChartSpec {
  const { baseline, name, others = [] } = input;
  const view = taskView(baseline.task, names);
  const rows = paretoRows(input, view);
  const axes = axesOf(input, rows, view);
  const broken = input.steps.filter(
    ({ metric, exact }) => exact && !Number.isFinite(metric),
  ).length;
  const gated = input.steps.filter(({ metric, exact }) => !exact && Number.isNaN(metric)).length;
  const { energy } = input;
  const scores = scoresOf(baseline, input.limits, view, energy);
  const { score = 'paper', lambda = DEFAULT_LAMBDA } = input;
  requireLambda(lambda, scores[score]);
  const candidates = input.steps.filter((step) => isCandidate(step, input, view));
  const stops = lambdaStops(scorables(candidates, input, view), { [score]: lambda });
  const plans = scalePlans(rows);
  // Without a candidate there is nothing to be tied with.
  const oneSe = input.steps.some(({ ties }) => ties !== undefined);
  const notes = [
    `${baseline.model}, ${input.steps.length} plans tried`,
    ...others.map(({ name: own, steps }) => `${own}: ${steps.length} plans`),
    ...(axes.beyond > 0 ? [`${axes.beyond} losing more than the axis shows`] : []),
    ...(broken > 0 ? [`${broken} without a number`] : []),
    ...(gated > 0 ? [`${gated} refused by the gate, not measured`] : []),
  ];
  const bounds = rows.some((row) => row.bound);
  const paired = input.steps.some(({ pairedLow }) => pairedLow !== undefined);
  const title = `${name === undefined ? '' : `Case ${name}: `}${view.title}, quality against memory`;
  return chart(
    `${title}: plans tried for ${baseline.model}, the Pareto front, the limits, and the plan that the score selects for the λ set.`,
    {
      title: {
        text: title,
        subtitle: [
          notes.join('; '),
          `${energy ? 'Ringed: Pareto front of three' : 'Line: Pareto front'}; shaded: meets both limits; dotted: equal score${energy ? ' at that energy' : ''}; dashed: unquantized`,
          ...(energy ? ['Drag over plans in one panel to find them in the other'] : []),
          `Bar: 95 % interval${paired ? ' of the difference to fp32, item by item' : ''}${bounds ? `; ${openText(input.steps)}` : ''}; faint: breaks a limit`,
          'Limits filter what was measured, and do not search. Click a point to pin its plan, a legend to filter',
          ...(rows.some((row) => row.series === SERIES.paper)
            ? ['Paper: the change from its own baseline, drawn from ours']
            : []),
          ...(input.remark === undefined ? [] : [input.remark]),
        ],
      },
      params: [
        ...lambdaParameters(
          { score, lambda, ...(oneSe && { oneSe: input.tie === 'one-se' }) },
          stops,
          scoreLabels([{ scores }], view),
        ),
        {
          name: 'lambdaPlans',
          value: plans.map(({ step, metric, bytes, energy: own }) => ({
            ...{ step, metric, bytes },
            ...(energy && { energy: own! }),
          })),
        },
        ...(energy ? energyParameters(energy) : []),
        differencesParameter(input.steps),
        { name: 'perByte', expr: lossPerByte(scores, steepest(axes)) },
        ...parametersOf(input, axes, view),
      ],
      data: { values: values(rows, 'pareto chart') },
      transform: [
        ...selectionTransforms(scores, view, { oneSe }),
        ...nearestTransforms(scores, view),
      ],
      vconcat: [
        statusView(energy !== undefined),
        scatterView(rows, axes, view, energy !== undefined),
        ...(energy ? [energyView(rows, axes, view, energy)] : []),
        ...(plans.length === 0 ? [] : [scaleView(plans, stops, scores, view, WIDTH)]),
        stripView(input.steps, WIDTH, {
          only: [SHOWN],
          title: 'Bits of the plan selected, or nearest',
        }),
        // Its columns are those above.
        stripView(input.steps, WIDTH, { only: [PINNED], title: PINNED_TITLE, axis: false }),
        pinnedText(WIDTH, view),
      ],
      spacing: 10,
      // The strip's colours and axes are its own.
      resolve: {
        scale: { color: 'independent', shape: 'independent', x: 'independent', y: 'independent' },
      },
    },
  );
}

/** Axes that show what the limits are about, and not a plan that is broken beyond measure. */
function axesOf(input: ParetoInput, rows: readonly ParetoRow[], view: TaskView): Axes {
  const { limits, baseline } = input;
  const losses = rows.map((row) => view.metric.lossOf(baseline.metric, row.metric));
  const largest = Math.max(...losses);
  const wanted = Number.isFinite(limits.loss) ? LOSS_RANGE * limits.loss : largest;
  const maxLoss = wanted > 0 ? wanted : Math.max(largest, 1e-3);
  const best = Math.min(0, ...losses);
  const pad = 0.06 * (maxLoss - best);
  const sign = view.higher ? -1 : 1;
  const ends = [best - pad, maxLoss + pad].map((loss) => baseline.metric + sign * loss);
  return {
    x: [0, (1.04 * Math.max(...rows.map((row) => row.bytes))) / BYTES_PER_MB],
    y: [Math.min(...ends), Math.max(...ends)],
    maxLoss,
    beyond: losses.filter((loss) => loss > maxLoss + pad).length,
  };
}

/** The plans that λ can select once the limits are moved. */
function scalePlans(rows: readonly ParetoRow[]): ScalePlan[] {
  return rows
    .filter((row) => row.selectable)
    .map(({ step, metric, bytes, energy, metricText, memoryText }) => ({
      ...{ step, metric, bytes },
      ...(typeof energy === 'number' && { energy }),
      text: `${metricText}, ${memoryText}`,
    }));
}

/** The candidates by every weight of modelled energy that the slider has, so that λ stops where any turns. */
function scorables(
  candidates: readonly StepRecord[],
  { baseline, limits, energy }: ParetoInput,
  view: TaskView,
): Scorable[] {
  if (energy === undefined) return [{ candidates, scores: scoresOf(baseline, limits, view) }];
  return energyWeights(energy).map((weight) => ({
    candidates,
    scores: scoresOf(baseline, limits, view, weight === 0 ? undefined : { ...energy, weight }),
  }));
}

function isCandidate(
  { exact, metric, bytes }: StepRecord,
  { limits, baseline }: ParetoInput,
  view: TaskView,
): boolean {
  const quality = {
    metric: view.metric.name as MetricName,
    baseline: baseline.metric,
    allowedLoss: limits.loss,
  };
  return exact && bytes <= limits.bytes && meetsLimit(quality, metric);
}

/** A slope that no straight line over the plot is told from a vertical one by, in metric a byte. */
function steepest({ x, y }: Axes): number {
  return (1000 * (y[1] - y[0])) / ((x[1] - x[0]) * BYTES_PER_MB);
}

/** @throws {PlotError} for a λ that the score does not have. */
function requireLambda(lambda: number, context: ScoreContext): void {
  const most = largestWeight(context);
  if (lambda >= 0 && lambda <= most && Number.isFinite(lambda)) return;
  throw new PlotError({
    what: 'not a trade-off weight',
    where: 'pareto chart, lambda',
    got: String(lambda),
    expected: most === 1 ? 'a number from 0 to 1' : 'a number of at least 0',
  });
}

function parametersOf(input: ParetoInput, { maxLoss, x }: Axes, view: TaskView): readonly Part[] {
  const { limits, baseline, paper = [] } = input;
  const parameters = [
    ...limitSlider({
      slider: 'maxLoss',
      limit: 'lossLimit',
      label: view.lossLimit,
      exact: limits.loss,
      end: maxLoss,
      unit: view.metric.loss.unit,
    }),
    ...limitSlider({
      slider: 'maxMemory',
      limit: 'bytesLimit',
      label: 'Largest footprint (MB)',
      exact: limits.bytes,
      end: x[1] * BYTES_PER_MB,
      unit: BYTES_PER_MB,
    }),
  ];
  if (!paper.some((record) => record.task === baseline.task)) return parameters;
  const box: Part = { input: 'checkbox', name: 'Show the paper’s points' };
  return [...parameters, { name: 'showPaper', value: true, bind: box }];
}

/** A line of text that says what is selected, or that nothing is. @param energy is told too. */
function statusView(energy: boolean): Part {
  const lambda = `'λ = ' + format(lambda, '.4~r')${energy ? " + ', ε = ' + energyWeight" : ''}`;
  const third = energy ? " + datum.energyText + ', '" : '';
  const scored = `${lambda} + ' selects ' + datum.plan + '\\n' + datum.metricText + ', ' + datum.memoryText + ', '${third} + 'S = ' + format(datum.score, '.4~f')`;
  const line = (color: string): Part => ({
    mark: { type: 'text', align: 'left', baseline: 'top', fontSize: 12, lineBreak: '\n', color },
    encoding: { x: { value: 0 }, y: { value: 0 }, text: { field: 'text' } },
  });
  return {
    name: 'status',
    width: WIDTH,
    height: 32,
    layer: [
      {
        transform: [{ filter: 'datum.selected' }, { calculate: scored, as: 'text' }],
        ...line(COLORS.black),
      },
      {
        transform: [
          { aggregate: [{ op: 'max', field: 'selected', as: 'any' }] },
          { filter: '!datum.any' },
          { calculate: "'No plan that was measured meets both limits.'", as: 'text' },
        ],
        ...line(COLORS.vermilion),
      },
      {
        transform: [
          { filter: 'datum.nearest' },
          {
            calculate:
              "'\\nNearest: ' + datum.plan + ', ' + datum.metricText + ', ' + datum.memoryText",
            as: 'text',
          },
        ],
        ...line(COLORS.vermilion),
      },
    ],
  };
}
