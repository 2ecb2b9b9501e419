import { measureSensitivity, type SensitivityRow } from '../../search/sensitivity.js';
import type { RunOptions } from '../../util/progress.js';
import { ObservedEvaluate } from '../observe/observed-evaluate.js';
import type { Study } from '../open/study.js';
import type { SweepResult, SweepSettings } from './sweep-result.js';

export interface SensitivityOptions extends RunOptions {
  readonly onRow?: ((row: SensitivityRow) => void) | undefined;
}

/** A sensitivity table of a study, outside of any run. */
export async function sensitivityOf(
  study: Study,
  { bits, levels, quantizer, observables }: SweepSettings,
  { onRow, ...run }: SensitivityOptions = {},
): Promise<Pick<SweepResult, 'table' | 'space' | 'observed'>> {
  const granularity = levels.includes('matrix') ? 'matrix' : 'module';
  const space = study.space({ granularity, quantizer });
  const watched = observables ? new ObservedEvaluate(study, space) : undefined;
  try {
    const evaluate = watched?.evaluate ?? study.evaluator.evaluateIn(space);
    const { metric } = study.task;
    const table = await measureSensitivity(space, evaluate, {
      ...run,
      metric,
      bits,
      levels,
      onRow,
    });
    return { table, space, ...(watched && { observed: watched.description }) };
  } finally {
    await watched?.close();
  }
}
