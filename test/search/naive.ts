import { Assignment, type SearchSpace } from '../../src/search/space.js';
import type { MetricName } from '../../src/tasks/metrics/metrics.js';

export interface NaiveStep {
  readonly tier: string;
  readonly key: string;
  readonly accepted: boolean;
  readonly candidate: boolean;
}

/** The tiered search as one loop over plain objects: slow, obvious, and sharing no code with src/search. */
export function naiveSearch(
  space: SearchSpace,
  metricOf: (assignment: Assignment) => number,
  options: {
    readonly metric: MetricName;
    readonly bits: readonly number[];
    readonly maxLoss: number;
    readonly maxBytes: number;
  },
): { steps: NaiveStep[]; final: string } {
  const toAssignment = (plan: Record<string, number>): Assignment =>
    Assignment.of(Object.fromEntries(Object.entries(plan).filter(([, bits]) => bits < 32)));
  const sign = options.metric === 'accuracy' ? 1 : -1;
  let plan: Record<string, number> = Object.fromEntries(space.units.map(({ id }) => [id, 32]));
  const baseline = metricOf(toAssignment(plan));
  const steps: NaiveStep[] = [];

  const descend = (tier: string, group: string[]): void => {
    for (const bits of options.bits) {
      if (bits >= Math.max(...group.map((unit) => plan[unit]))) continue;
      const trial = { ...plan, ...Object.fromEntries(group.map((unit) => [unit, bits])) };
      const assignment = toAssignment(trial);
      const accepted = sign * (baseline - metricOf(assignment)) <= options.maxLoss + 1e-12;
      const candidate = accepted && space.bytes(assignment) <= options.maxBytes;
      steps.push({ tier, key: assignment.key, accepted, candidate });
      if (!accepted) break;
      plan = trial;
    }
  };

  descend(
    'global',
    space.units.map(({ id }) => id),
  );
  for (const block of new Set(space.units.map((unit) => unit.block)))
    descend(
      'block',
      space.units.filter((unit) => unit.block === block).map(({ id }) => id),
    );
  for (const module of new Set(space.units.map((unit) => unit.module))) {
    if (!module.startsWith('attention')) continue;
    descend(
      'module',
      space.units.filter((unit) => unit.module === module).map(({ id }) => id),
    );
  }
  return { steps, final: toAssignment(plan).key };
}
