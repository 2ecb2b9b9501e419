import { PlotError } from '../../util/errors.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';

const WIDTH = 560;
/** Points of the loss that are drawn: with more, each is the mean of neighbours. */
const MOST_POINTS = 300;

/** The loss of a step. */
export interface StepLossRecord {
  /** From 1. */
  readonly step: number;
  /** Mean NLL of its batch, in nats a label or token. */
  readonly loss: number;
}

/** A measurement on the search split. */
export interface MarkRecord {
  readonly step: number;
  readonly metric: number;
}

/** A training so far. */
export interface TrainingInput {
  readonly task: 'sst2' | 'wikitext2';
  /** For the title: "spikegpt-mini". */
  readonly model: string;
  /** Of the whole training; the axis ends there. */
  readonly steps: number;
  readonly losses: readonly StepLossRecord[];
  readonly marks: readonly MarkRecord[];
}

/**
 * Beyond the paper: a training, step by step. Above the loss of each step (of many, means of neighbours), below the
 * metric on the search split where it was measured, the best mark filled.
 *
 * @throws {PlotError} when there is no step.
 */
export function trainingChart(input: TrainingInput): ChartSpec {
  const { task, model, steps, losses, marks } = input;
  if (losses.length === 0)
    throw new PlotError({ what: 'no step to draw', where: 'training chart', got: '0 steps' });
  const view = taskView(task);
  const ofSteps: Part = {
    field: 'step',
    type: 'quantitative',
    title: 'Step',
    scale: { domain: [0, steps] },
  };
  const lossView: Part = {
    width: WIDTH,
    height: 150,
    data: { values: values(thinned(losses), 'training chart, losses') },
    mark: { type: 'line', color: COLORS.blue, strokeWidth: 1.5 },
    encoding: {
      x: { ...ofSteps, title: null },
      y: {
        field: 'loss',
        type: 'quantitative',
        title: 'Loss (nats)',
        scale: { zero: false, nice: true },
      },
      tooltip: [
        { field: 'step', type: 'quantitative', title: 'Step' },
        { field: 'loss', type: 'quantitative', title: 'Loss', format: '.4f' },
      ],
    },
  };
  const best = bestOf(task, marks);
  const metricView = (): Part => ({
    width: WIDTH,
    height: 110,
    data: {
      values: values(
        marks.map(({ step, metric }) => ({ step, metric, best: step === best?.step })),
        'training chart, marks',
      ),
    },
    encoding: {
      x: ofSteps,
      y: {
        field: 'metric',
        type: 'quantitative',
        title: view.axisTitle,
        axis: { format: view.axisFormat },
        scale: { zero: false, nice: true },
      },
      tooltip: [
        { field: 'step', type: 'quantitative', title: 'Step' },
        { field: 'metric', type: 'quantitative', title: view.axisTitle, format: view.format },
      ],
    },
    layer: [
      { mark: { type: 'line', color: COLORS.grey, strokeWidth: 1 } },
      {
        mark: { type: 'point', size: 45, stroke: COLORS.vermilion, strokeWidth: 1.5, opacity: 1 },
        encoding: {
          fill: {
            field: 'best',
            type: 'nominal',
            scale: { domain: [false, true], range: ['#ffffff', COLORS.vermilion] },
            legend: null,
          },
        },
      },
    ],
  });
  const title = `Fine-tuning ${model}: ${view.title}`;
  return chart(
    `${title}: loss of each step, and the metric on the search split at ${marks.length} of ${steps} steps.`,
    {
      title: {
        text: title,
        subtitle: [
          `${losses.at(-1)!.step} of ${steps} steps; below: the search split, the best mark filled`,
        ],
      },
      vconcat: [lossView, ...(marks.length > 0 ? [metricView()] : [])],
      resolve: { scale: { x: 'independent', y: 'independent', fill: 'independent' } },
    },
  );
}

function bestOf(task: TrainingInput['task'], marks: readonly MarkRecord[]): MarkRecord | undefined {
  const sign = task === 'sst2' ? 1 : -1;
  return marks.reduce<MarkRecord | undefined>(
    (best, mark) => (best === undefined || sign * mark.metric > sign * best.metric ? mark : best),
    undefined,
  );
}

/** Means of neighbouring steps, so many that few enough are left. */
function thinned(losses: readonly StepLossRecord[]): StepLossRecord[] {
  const each = Math.ceil(losses.length / MOST_POINTS);
  const points: StepLossRecord[] = [];
  for (let from = 0; from < losses.length; from += each) {
    const some = losses.slice(from, from + each);
    const loss = some.reduce((sum, step) => sum + step.loss, 0) / some.length;
    points.push({ step: some.at(-1)!.step, loss });
  }
  return points;
}
