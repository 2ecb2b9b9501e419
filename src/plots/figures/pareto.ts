import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import { limitSlider } from '../parts/limit-slider.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { stripView } from '../parts/strip.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import { scatterView, WIDTH, type Axes } from './pareto-layers.js';
import { paretoRows, SERIES, type ParetoInput, type ParetoRow } from './pareto-rows.js';

export type { ParetoInput } from './pareto-rows.js';

const DEFAULT_LAMBDA = 0.5;
/** As in the search: the differences of two metrics are inexact. */
const LIMIT_TOLERANCE = 1e-12;
const LAMBDA_STEP = 0.01;
/** End of the quality slider, in units of the limit given. */
const LOSS_RANGE = 2.5;
/** Sorts behind every score. */
const LAST = 1e300;

/**
 * Fig. 9: the plans that a search tried, the Pareto front, the region that meets both limits, and the
 * plan that the trade-off score selects. Sliders for λ and for both limits select anew, inside the chart
 * and among the plans measured; a strip shows the selected plan's bits block by block.
 *
 * Score: accuracy S = A − λ·m_q/m_0, largest wins; perplexity S = PPL + λ·m_q/m_0, smallest wins; of
 * equal scores the earliest step. The dotted line joins all points of the selected plan's score.
 *
 * @throws {PlotError} when there are no steps, or they are not the baseline's.
 */
export function paretoChart(input: ParetoInput, names: DataNames = {}): ChartSpec {
  const { baseline, name } = input;
  const view = taskView(baseline.task, names);
  const rows = paretoRows(input, view);
  const axes = axesOf(input, rows, view);
  const broken = input.steps.filter(({ metric }) => !Number.isFinite(metric)).length;
  const notes = [
    `${baseline.model}, ${input.steps.length} plans tried`,
    ...(axes.beyond > 0 ? [`${axes.beyond} losing more than the axis shows`] : []),
    ...(broken > 0 ? [`${broken} without a number`] : []),
  ];
  const title = `${name === undefined ? '' : `Case ${name}: `}${view.title}, quality against memory`;
  return chart(
    `${title}: plans tried for ${baseline.model}, the Pareto front, the limits, and the plan that the score selects for the λ set.`,
    {
      title: {
        text: title,
        subtitle: [
          notes.join('; '),
          'Line: Pareto front; shaded: meets both limits; dotted: equal score; bar: 95 % interval; dashed: unquantized',
          ...(rows.some((row) => row.series === SERIES.paper)
            ? ['Paper: the change from its own baseline, drawn from ours']
            : []),
        ],
      },
      params: parametersOf(input, axes, view),
      data: { values: values(rows, 'pareto chart') },
      transform: selectionTransforms(input, view),
      vconcat: [
        statusView(view),
        scatterView(rows, axes, baseline.bytes, view),
        stripView(input.steps, WIDTH, [{ filter: 'datum.selected' }], 'Bits of the selected plan'),
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

function parametersOf(input: ParetoInput, { maxLoss, x }: Axes, view: TaskView): readonly Part[] {
  const { limits, lambda = DEFAULT_LAMBDA, baseline, paper = [] } = input;
  if (!(lambda >= 0 && lambda <= 1))
    throw new PlotError({
      what: 'not a trade-off weight',
      where: 'pareto chart, lambda',
      got: String(lambda),
      expected: 'a number from 0 to 1',
    });
  const name = 'λ, the weight of memory';
  const range = { input: 'range', min: 0, max: 1, step: LAMBDA_STEP, name };
  const parameters = [
    { name: 'lambda', value: lambda, bind: range },
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

/** Marks the row that is selected: the same as `select` of the search, in the chart. */
function selectionTransforms({ baseline }: ParetoInput, view: TaskView): readonly Part[] {
  const { higher } = view;
  const loss = higher ? `${baseline.metric} - datum.metric` : `datum.metric - ${baseline.metric}`;
  const cost = `lambda * datum.bytes / ${baseline.bytes}`;
  const feasible = `datum.selectable && ${loss} <= lossLimit + ${LIMIT_TOLERANCE} && datum.bytes <= bytesLimit`;
  return [
    { calculate: feasible, as: 'feasible' },
    { calculate: `datum.metric ${higher ? '-' : '+'} ${cost}`, as: 'score' },
    { calculate: `datum.feasible ? ${higher ? '-' : ''}datum.score : ${LAST}`, as: 'order' },
    { window: [{ op: 'row_number', as: 'rank' }], sort: [{ field: 'order' }, { field: 'step' }] },
    { calculate: 'datum.feasible && datum.rank === 1', as: 'selected' },
  ];
}

/** A line of text that says what is selected, or that nothing is. */
function statusView(view: TaskView): Part {
  const lambda = "'λ = ' + format(lambda, '.2f')";
  const scored = `${lambda} + ' selects ' + datum.plan + ': ' + datum.metricText + ', ' + datum.memoryText + ', score ' + format(datum.score, '${view.higher ? '.4f' : '.3f'}')`;
  const line = (color: string): Part => ({
    mark: { type: 'text', align: 'left', fontSize: 12, limit: WIDTH + 20, color },
    encoding: { x: { value: 0 }, text: { field: 'text' } },
  });
  return {
    width: WIDTH,
    height: 16,
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
    ],
  };
}
