import type { FineTuneRequest } from '../experiment/training/train-run.js';
import {
  trainingChart,
  type MarkRecord,
  type StepLossRecord,
  type TrainingInput,
} from '../plots/training/training-curve.js';
import { progress } from './progress.js';
import { liveFigure } from './show.js';

/** The part of a request to `fineTune` that a cell passes on. */
export type TrainingRun = Required<
  Pick<FineTuneRequest, 'onProgress' | 'signal' | 'onStep' | 'onMark'>
>;

/**
 * Runs a training with a live bar and a live chart below the cell: the loss of each step, and the metric on the
 * search split as it is measured. Interrupting the kernel stops it at its next step, with its state kept.
 *
 *     await trainingProgress((run) => fineTune('spikegpt-mini', { ...request, ...run }), 'spikegpt-mini');
 *
 * @param run gets what reports, and the signal, to pass on to `fineTune`
 * @param model its name in the chart
 * @returns the result of `run`. @throws the errors of `run`; {AbortedError} after an interrupt.
 */
export async function trainingProgress<T>(
  run: (options: TrainingRun) => Promise<T>,
  model: string,
  task: TrainingInput['task'] = 'sst2',
): Promise<T> {
  const figure = await liveFigure();
  const losses: StepLossRecord[] = [];
  const marks: MarkRecord[] = [];
  let total = 1;
  const draw = (): void => {
    if (losses.length === 0) return;
    figure.update(() => trainingChart({ task, model, steps: total, losses, marks }));
  };
  try {
    return await progress(
      (options) =>
        run({
          ...options,
          onStep: ({ step, steps, loss }) => {
            total = steps;
            losses.push({ step, loss });
            draw();
          },
          onMark: ({ step, metric }) => {
            marks.push({ step, metric });
            draw();
          },
        }),
      `Fine-tuning ${model}`,
    );
  } finally {
    await figure.end();
  }
}
