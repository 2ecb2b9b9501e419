import { footprintOf } from '../../quant/footprint.js';
import { planId, resolvePlan, uniformPlan } from '../../quant/plan.js';
import { UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import { comparePaired } from '../../tasks/statistics/paired.js';
import type { Measurement } from '../../tasks/task.js';
import { ModelError } from '../../util/errors.js';
import { BASELINE } from './measure-plans.js';
import type { Study, StudyTask } from '../open/study.js';
import { PRECISION_LIST, type UniformOptions, type UniformRun } from './uniform.js';

/**
 * `runUniform` with the threads and the memory of a study: what the store knows is not measured again.
 *
 * @param task which data; not one of the study's own two.
 * @throws as `runUniform`.
 */
export async function runUniformIn(
  study: Study,
  task: StudyTask,
  { bits = PRECISION_LIST, makePlan = uniformPlan, onProgress, signal }: UniformOptions = {},
): Promise<UniformRun> {
  const { name, hierarchy } = study.options.file;
  const evaluator = study.on(task);
  const widths = [...new Set(bits)].filter((width) => width !== UNQUANTIZED_BITS);
  const plans = [
    { bits: UNQUANTIZED_BITS, ...BASELINE },
    ...widths.map((width) => ({
      bits: width,
      name: width === 1 ? '1 bit' : `${width} bits`,
      plan: makePlan(width),
    })),
  ].map(({ plan, ...named }) => ({
    ...named,
    schemes: resolvePlan(plan, hierarchy),
  }));
  let baseline: Measurement | undefined;
  const points = [];
  for (const [index, { schemes, ...named }] of plans.entries()) {
    const bytes = footprintOf(hierarchy, schemes).total;
    const point = {
      ...named,
      plan: planId(schemes),
      bytes,
      saving: 1 - bytes / hierarchy.fp32Bytes,
    };
    try {
      const measurement = await evaluator.measure(schemes, bytes, {
        ...(signal && { signal }),
        ...(onProgress && {
          onProgress: ({ done, total, unit }) => {
            const all = plans.length * total;
            onProgress({
              phase: name,
              done: index * total + done,
              total: all,
              unit,
              note: named.name,
            });
          },
        }),
      });
      points.push({
        ...point,
        measurement,
        ...(baseline && { comparison: comparePaired(baseline, measurement) }),
      });
      baseline ??= measurement;
    } catch (error) {
      if (baseline === undefined || !(error instanceof ModelError)) throw error;
      points.push({ ...point, failure: error.message });
    }
  }
  return points;
}
