import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import type { Scored } from './score.js';

/**
 * The plans that no other plan beats: none is at least as good in both metric and footprint and better in
 * one. In rising bytes, so each is better in metric than the one before. Of plans equal in both, only the
 * first in order is kept; plans whose metric is NaN are left out.
 *
 * Where the plans know their energy it is a third objective, and a plan may be worse in metric than the one
 * before, for less energy.
 */
export function paretoFront<T extends Scored>(plans: readonly T[], metric: MetricName): T[] {
  const goodness = (plan: T): number => metricOf(metric).goodness(plan.metric);
  const energy = (plan: T): number => plan.energy ?? 0;
  // Array sort is stable: among equals the first in order stays first.
  const byBytes = plans
    .filter((plan) => !Number.isNaN(plan.metric))
    .sort((a, b) => a.bytes - b.bytes || goodness(b) - goodness(a) || energy(a) - energy(b));
  const front: T[] = [];
  for (const plan of byBytes) {
    // None of those before is larger.
    const beaten = front.some(
      (other) => goodness(other) >= goodness(plan) && energy(other) <= energy(plan),
    );
    if (!beaten) front.push(plan);
  }
  return front;
}
