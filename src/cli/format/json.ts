import { join } from 'node:path';
import { readJson } from '../../experiment/record/folder.js';
import { RUN_FILE } from '../../experiment/record/schema.js';
import type { PlanPoint } from '../../experiment/runs/measure-plans.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';

/*
 * Results as JSON, without the arrays of single answers. A number that is not finite becomes null, as
 * JSON.stringify has it.
 */

/** A task without its data. */
export function taskJson(task: Task): object {
  const { name, metric, source, id, items, tokens, settings } = task;
  return { name, metric, source, id, items, tokens, ...settings };
}

export function measurementJson(measurement: Measurement): object {
  const entries = Object.entries(measurement).filter(([, value]) => !Array.isArray(value));
  return Object.fromEntries<unknown>(entries);
}

export function pointJson({ measurement, ...point }: PlanPoint): object {
  return { ...point, ...(measurement && measurementJson(measurement)) };
}

/** A run's own file as it is, and the folder that it lies in. */
export async function runJson(folder: string): Promise<object> {
  return { ...((await readJson(join(folder, RUN_FILE))) as object), folder };
}
