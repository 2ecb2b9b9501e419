import type { Measurement } from '../../tasks/metrics/metrics.js';
import { Assignment } from '../space.js';

/** A plan measured on all items that another one is held beside on samples. */
export interface Anchor {
  readonly measurement: Measurement;
  /** Its plan; undefined for the unquantized model. */
  readonly assignment?: Assignment;
  /** Share of a decision's level that it may use. */
  readonly share: number;
}

/**
 * The plans that were measured on all items, as those that their steps are held beside. A step differs little from
 * the plan it is a step from, and so do its losses item by item: their spread is a fraction of that beside the
 * unquantized model, and so is the sample that tells the side of a limit.
 *
 * Which ancestor was measured depends on the draw. The level of a decision is therefore shared among all that
 * could have been: half for the unquantized model, 1/(2·j·(j + 1)) for the ancestor j steps back, at most 1 in
 * all. The plans that a search comes to, and their ancestors, are given before the draw as long as no decision was
 * wrong; the probability that any is wrong stays at most the sum of the levels on that one way.
 */
export class Anchors {
  private readonly parents = new Map<string, Assignment>();
  private readonly measured = new Map<string, Measurement>();

  /** Notes that a plan is a step from another. */
  step(assignment: Assignment, parent: Assignment | undefined): void {
    if (parent !== undefined && parent.key !== assignment.key)
      this.parents.set(assignment.key, parent);
  }

  /** Notes that a plan was measured on all items. */
  whole({ key }: Assignment, measurement: Measurement): void {
    this.measured.set(key, measurement);
  }

  /** The nearest ancestor that was measured; the unquantized model where there is none. */
  of(assignment: Assignment, baseline: Measurement): Anchor {
    const root = { measurement: baseline, share: 1 / 2 };
    let plan = this.parents.get(assignment.key);
    for (let back = 1; plan !== undefined; back++) {
      if (plan.key === Assignment.unquantized.key) return root;
      const measurement = this.measured.get(plan.key);
      const share = 1 / (2 * back * (back + 1));
      if (measurement !== undefined) return { measurement, assignment: plan, share };
      plan = this.parents.get(plan.key);
    }
    return root;
  }
}
