import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import type { Scored } from './score.js';

/**
 * The plans that no other plan beats: none is at least as good in both metric and footprint and better in
 * one. In rising bytes, so each is better in metric than the one before. Of plans equal in both, only the
 * first in order is kept; plans whose metric is NaN are left out.
 */
export function paretoFront<T extends Scored>(plans: readonly T[], metric: MetricName): T[] {
  const goodness = (plan: T): number => metricOf(metric).goodness(plan.metric);
  // Array sort is stable: among equals the first in order stays first.
  const byBytes = plans
    .filter((plan) => !Number.isNaN(plan.metric))
    .sort((a, b) => a.bytes - b.bytes || goodness(b) - goodness(a));
  const front: T[] = [];
  for (const plan of byBytes) {
    const last = front.at(-1);
    if (last === undefined || goodness(plan) > goodness(last)) front.push(plan);
  }
  return front;
}
