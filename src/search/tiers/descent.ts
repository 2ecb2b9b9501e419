import { marginOf } from '../evaluation.js';
import { requireThat } from '../require.js';
import { Assignment, groupBits, type UnitGroup } from '../space.js';
import type { Tracer, Trial } from '../trace.js';
import { doubling, findBoundary, inOrder, middle, type Probe, type Verdict } from './boundary.js';

export type Tier = 'global' | 'block' | 'module';

/**
 * - `exact`: every step in order; the trace is the paper's.
 * - `bisection`: within each descent the first failing bit width is found by bisection.
 * - `bracketing`: the same with the descents of a tier laid end to end and doubling strides, so that a run
 *   of units that all go down takes few evaluations.
 *
 * The last two skip steps, and with them candidates. Their final plan is that of `exact` where no step of
 * a chain loses more than a later one by over `slack` ({@link findBoundary}). For bisection a chain is one
 * descent: fewer bits of one unit must not lose less. For bracketing it is all descents left in the tier,
 * each to the end of B: taking a later unit down must not mend a plan either, a stronger assumption.
 */
export type Strategy = 'exact' | 'bisection' | 'bracketing';

export interface DescentOptions {
  readonly strategy?: Strategy;
  /** Steps above a found boundary that are measured too (bisection, bracketing); 1 by default. */
  readonly neighbours?: number;
  /**
   * Amount by which the metric may fail to be monotone, in its unit: a step is only skipped where one below
   * it keeps the limit by this margin (bisection, bracketing). 0 by default. The standard error of the
   * difference of two plans is a fair choice: the larger, the fewer steps are skipped.
   */
  readonly slack?: number;
}

/** One plan of a chain: the chain's earlier steps are in it. */
interface ChainStep {
  readonly group: UnitGroup;
  readonly bits: number;
  readonly assignment: Assignment;
}

/** A chain while its boundary is looked for. */
interface Chain {
  readonly tier: Tier;
  readonly steps: readonly ChainStep[];
  /** The chain's groups, and those after them. */
  readonly groupsLeft: readonly UnitGroup[];
  /** Verdicts of the steps asked so far. */
  readonly verdicts: Map<number, Verdict>;
}

/** Takes groups down the precision list, one tier at a time. */
export class Descent {
  /** The lowest plan accepted so far. */
  plan = Assignment.unquantized;
  /** Groups in which a step failed above one that passes. */
  readonly nonMonotone: string[] = [];
  readonly #strategy: Strategy;
  readonly #neighbours: number;
  readonly #slack: number;
  /** Distance of `plan` from the quality limit. */
  #margin: number;

  /** @param bits the precision list B, from high to low. */
  constructor(
    private readonly tracer: Tracer,
    private readonly bits: readonly number[],
    options: DescentOptions,
  ) {
    this.#strategy = options.strategy ?? 'exact';
    this.#neighbours = checkAmount(options.neighbours ?? 1, 'neighbours');
    this.#slack = checkAmount(options.slack ?? 0, 'slack');
    this.#margin = tracer.limits.quality.allowedLoss;
  }

  /** @param later groups of the tiers after this one, which count for what is left to do. */
  async runTier(
    tier: Tier,
    groups: readonly UnitGroup[],
    later: readonly UnitGroup[],
  ): Promise<void> {
    let rest = groups;
    while (rest.length > 0) {
      const steps = this.stepsOf(this.#strategy === 'bracketing' ? rest : rest.slice(0, 1));
      const verdicts = new Map<number, Verdict>();
      const chain = { tier, steps, groupsLeft: [...rest, ...later], verdicts };
      const options = {
        probe: this.probe(tier),
        neighbours: this.#neighbours,
        slack: this.#slack,
        startMargin: this.#margin,
      };
      const ask = (index: number): Promise<Verdict> => this.tryStep(chain, index);
      const { firstFailure, monotone } = await findBoundary(steps.length, ask, options);
      // The last step that passes has been asked, whatever was skipped above it.
      const reached = verdicts.get(firstFailure - 1);
      if (reached !== undefined) {
        this.plan = steps[firstFailure - 1].assignment;
        this.#margin = reached.margin;
      }
      if (!monotone) this.nonMonotone.push(steps[firstFailure].group.id);
      // The groups up to the one that failed are done; where nothing failed, all of the chain's.
      const last = steps[Math.min(firstFailure, steps.length - 1)]?.group ?? rest[0];
      rest = rest.slice(rest.indexOf(last) + 1);
    }
  }

  /** All steps that `groups` would take from the current plan if each passed. */
  private stepsOf(groups: readonly UnitGroup[]): ChainStep[] {
    let assignment = this.plan;
    return groups.flatMap((group) =>
      this.below(group, this.plan).map((bits) => {
        assignment = assignment.with(group.units, bits);
        return { group, bits, assignment };
      }),
    );
  }

  /** The bits that a group can still go down to. */
  private below(group: UnitGroup, plan: Assignment): number[] {
    const current = groupBits(plan, group);
    return this.bits.filter((bits) => bits < current);
  }

  private async tryStep(chain: Chain, index: number): Promise<Verdict> {
    const { tier, steps, verdicts } = chain;
    const { group, bits, assignment } = steps[index];
    const trial: Trial = {
      stage: tier,
      unit: group.id,
      bits,
      assignment,
      parent: this.above(chain, index),
      groupsLeft: chain.groupsLeft.length - Math.max(0, chain.groupsLeft.indexOf(group)),
    };
    const step = await this.tracer.try(trial, this.evaluationsLeft(chain, trial.parent));
    const { quality } = this.tracer.limits;
    const verdict = { passes: step.accepted, margin: marginOf(step.evaluation, quality) };
    verdicts.set(index, verdict);
    return verdict;
  }

  /** The lowest plan known to be acceptable above a step. */
  private above({ steps, verdicts }: Chain, index: number): Assignment {
    for (let step = index - 1; step >= 0; step--)
      if (verdicts.get(step)?.passes === true) return steps[step].assignment;
    return this.plan;
  }

  private evaluationsLeft({ groupsLeft, verdicts }: Chain, parent: Assignment): number {
    const stepsBelow = (plan: Assignment): number =>
      groupsLeft.reduce((sum, group) => sum + this.below(group, plan).length, 0);
    // A walk in order stands at `parent` now; the others have used up some of what there was at `plan`.
    return this.#strategy === 'exact'
      ? stepsBelow(parent)
      : Math.max(1, stepsBelow(this.plan) - verdicts.size);
  }

  private probe(tier: Tier): Probe {
    if (this.#strategy === 'exact') return inOrder;
    return this.#strategy === 'bisection' || tier === 'global' ? middle : doubling;
  }
}

function checkAmount(value: number, where: string): number {
  requireThat(value >= 0, 'not an amount', where, value, 'at least 0');
  return value;
}
