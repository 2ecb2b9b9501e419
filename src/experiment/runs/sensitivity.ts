import { evaluateExactly, type Evaluate } from '../../search/evaluation.js';
import {
  measureSensitivity,
  type SensitivityRow,
  type SensitivityTable,
} from '../../search/sensitivity.js';
import { Assignment } from '../../search/space.js';
import type { RunOptions } from '../../util/progress.js';
import { measureStepRates } from '../observe/firing-rates.js';
import { ObservedEvaluate } from '../observe/observed-evaluate.js';
import { RateProxy } from '../observe/rate-proxy.js';
import type { Study } from '../open/study.js';
import type { SweepResult, SweepSettings } from './sweep-result.js';

export interface SensitivityOptions extends RunOptions {
  readonly onRow?: ((row: SensitivityRow) => void) | undefined;
}

/**
 * A table whose losses are divergences of the one-pass approximation by firing rates, in nats; its metrics are
 * NaN but for the unquantized model's, which is measured. For ordering alone.
 *
 * @throws {ModelError} for a family without such an approximation.
 */
export async function rateTableOf(
  study: Study,
  { bits, levels, quantizer }: Omit<SweepSettings, 'observables'>,
  run: RunOptions = {},
): Promise<SensitivityTable> {
  const granularity = levels.includes('matrix') ? 'matrix' : 'module';
  const space = study.space({ granularity, quantizer });
  const proxy = await RateProxy.open(study);
  try {
    const { signal } = run;
    const options = { ...(signal && { signal }) };
    const evaluate: Evaluate = async (assignment) => {
      if (assignment.key === Assignment.unquantized.key)
        return evaluateExactly(study.evaluator.evaluateIn(space), assignment, options);
      const rateDivergence = await proxy.divergenceOf(space.resolve(assignment), options);
      return { kind: 'exact', metric: NaN, extras: { rateDivergence } };
    };
    const { metric } = study.task;
    const table = await measureSensitivity(space, evaluate, { ...run, metric, bits, levels });
    const rows = table.rows.map((row) => ({ ...row, loss: row.extras!.rateDivergence }));
    return { ...table, rows };
  } finally {
    proxy.close();
  }
}

/** A sensitivity table of a study, outside of any run. */
export async function sensitivityOf(
  study: Study,
  { bits, levels, quantizer, observables }: SweepSettings,
  { onRow, ...run }: SensitivityOptions = {},
): Promise<Pick<SweepResult, 'table' | 'space' | 'observed' | 'firingRates'>> {
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
      inFlight: () => study.inFlight,
    });
    if (watched === undefined) return { table, space };
    const unquantized = space.resolve(Assignment.unquantized);
    const { task, options } = study;
    const [{ perStep }] = await measureStepRates(options.file, task, [unquantized], run);
    return { table, space, observed: watched.description, firingRates: perStep };
  } finally {
    await watched?.close();
  }
}
