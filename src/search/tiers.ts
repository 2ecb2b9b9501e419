import type { Metric } from '../tasks/task.js';
import { SearchError, throwIfAborted } from '../util/errors.js';
import { doubling, findBoundary, inOrder, middle, type Probe, type Verdict } from './boundary.js';
import { resolveLimits, type Constraints, type Limits } from './constraints.js';
import { evaluateExactly, marginOf, type Evaluate, type ExactEvaluation } from './evaluation.js';
import { nearestPlan, UnmetConstraintsError, type NearestPlan } from './nearest.js';
import { orderBySensitivity, type SensitivityTable } from './sensitivity.js';
import {
  Assignment,
  checkSpace,
  groupBits,
  groupsOf,
  normaliseBits,
  type SearchSpace,
  type UnitGroup,
} from './space.js';
import { Tracer, type Candidate, type SearchRunOptions, type SearchStep } from './trace.js';

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

/** In which order the units of a tier descend. */
export type UnitOrder =
  | { readonly kind: 'network' }
  | { readonly kind: 'least-sensitive-first'; readonly table: SensitivityTable };

export interface TieredSearchOptions extends SearchRunOptions {
  readonly metric: Metric;
  readonly constraints: Constraints;
  /** The precision list B; any order, repeats are dropped. */
  readonly bits: readonly number[];
  /** What the module tier descends: SRWKV and SRFFN (the default), or each unit of the space. */
  readonly granularity?: 'module' | 'matrix';
  /** Network order by default. */
  readonly order?: UnitOrder;
  readonly strategy?: Strategy;
  /** Steps above a found boundary that are measured too (bisection, bracketing); 1 by default. */
  readonly neighbours?: number;
  /**
   * By how much the metric may fail to be monotone, in its unit: a step is only skipped where one below it
   * keeps the limit by this margin (bisection, bracketing). 0 by default. The standard error of the
   * difference of two plans is a fair choice: the larger, the fewer steps are skipped.
   */
  readonly slack?: number;
}

export interface SearchOutcome {
  /** The unquantized model. */
  readonly baseline: ExactEvaluation;
  readonly fp32Bytes: number;
  readonly limits: Limits;
  /** Every plan tried, in order; the baseline is not among them. */
  readonly trace: readonly SearchStep[];
  /** The steps that keep both limits, in order: what is selected from, for any λ. */
  readonly candidates: readonly Candidate[];
  /** Calls of `evaluate`, the baseline included. */
  readonly evaluations: number;
  /** The plan that comes closest, where there is no candidate. */
  readonly nearest?: NearestPlan;
}

export interface TieredSearchResult extends SearchOutcome {
  /** Where the descents ended: keeps the quality limit, but need not fit the memory limit. */
  readonly final: Assignment;
  /** Descents in which a step failed above one that passes, and so were walked in order. */
  readonly nonMonotone: readonly string[];
}

/**
 * The tiered search of QSLM (arXiv 2601.00679), with its gaps filled as follows. Three tiers: the whole
 * model, then each block, then each module of the attention blocks. Each group of units descends B from
 * high to low, starting below the bits it has. A step that breaks the quality limit is taken back and ends
 * the descent. A step that keeps it is kept, even where the plan is too large yet; it is a candidate once it
 * keeps both limits.
 *
 *     plan ← all 32 bits
 *     for tier in global, block, module:
 *       for group in tier:
 *         for b in B, b < bits of the group:
 *           try plan with group at b;  too much lost: next group;  else plan ← it
 *
 * @throws {SearchError} for an empty space, bad bit widths, limits or a baseline that is no number.
 * @throws {AbortedError} when the signal fires. What `evaluate` throws is passed on.
 */
export async function tieredSearch(
  space: SearchSpace,
  evaluate: Evaluate,
  options: TieredSearchOptions,
): Promise<TieredSearchResult> {
  checkSpace(space);
  const bits = normaliseBits(options.bits);
  const { signal } = options;
  throwIfAborted(signal, 'search');
  const baseline = await evaluateExactly(evaluate, Assignment.unquantized, {
    ...(signal && { signal }),
  });
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const limits = resolveLimits(options.constraints, options.metric, baseline.metric, fp32Bytes);
  const tracer = new Tracer(space, evaluate, limits, options);
  const descent = new Descent(tracer, bits, options);

  const tiers = tiersOf(space, options);
  for (const [index, { tier, groups }] of tiers.entries()) {
    const later = tiers.slice(index + 1).flatMap((next) => next.groups);
    await descent.runTier(tier, groups, later);
  }
  tracer.report({ stage: 'module', unit: 'model' }, 0);

  let evaluations = 1 + tracer.steps.length;
  const outcome = {
    baseline,
    fp32Bytes,
    limits,
    trace: tracer.steps,
    candidates: tracer.candidates,
    final: descent.plan,
    nonMonotone: descent.nonMonotone,
  };
  if (tracer.candidates.length > 0) return { ...outcome, evaluations };
  const unquantized = {
    assignment: Assignment.unquantized,
    bytes: fp32Bytes,
    evaluation: baseline,
  };
  const nearest = await nearestPlan([unquantized, ...tracer.steps], limits, fp32Bytes, (plan) => {
    evaluations++;
    return evaluateExactly(evaluate, plan, { ...(signal && { signal }) });
  });
  return { ...outcome, evaluations, nearest };
}

/** @throws {UnmetConstraintsError} when a search found no candidate. */
export function requireCandidates(outcome: SearchOutcome): readonly Candidate[] {
  if (outcome.nearest !== undefined) throw new UnmetConstraintsError(outcome.nearest);
  return outcome.candidates;
}

interface TierGroups {
  readonly tier: Tier;
  readonly groups: readonly UnitGroup[];
}

function tiersOf(space: SearchSpace, options: TieredSearchOptions): TierGroups[] {
  const order = options.order ?? { kind: 'network' };
  const blocks = groupsOf(space, 'block');
  const modules = groupsOf(space, options.granularity ?? 'module').filter(
    (group) => group.inModuleTier,
  );
  const arrange = (groups: UnitGroup[]): UnitGroup[] =>
    order.kind === 'network' ? groups : orderBySensitivity(groups, order.table);
  return [
    { tier: 'global', groups: groupsOf(space, 'global') },
    { tier: 'block', groups: arrange(blocks) },
    { tier: 'module', groups: arrange(modules) },
  ];
}

/** One plan of a chain: the chain's earlier steps are in it. */
interface ChainStep {
  readonly group: UnitGroup;
  readonly bits: number;
  readonly assignment: Assignment;
}

/** Walks groups down the precision list. */
class Descent {
  plan = Assignment.unquantized;
  readonly nonMonotone: string[] = [];
  readonly #strategy: Strategy;
  readonly #neighbours: number;
  readonly #slack: number;
  /** How far `plan` is within the quality limit. */
  #margin: number;

  constructor(
    private readonly tracer: Tracer,
    private readonly bits: readonly number[],
    options: TieredSearchOptions,
  ) {
    this.#strategy = options.strategy ?? 'exact';
    this.#neighbours = checkCount(options.neighbours ?? 1, 'neighbours');
    this.#slack = checkCount(options.slack ?? 0, 'slack');
    this.#margin = tracer.limits.quality.allowedLoss;
  }

  async runTier(
    tier: Tier,
    groups: readonly UnitGroup[],
    later: readonly UnitGroup[],
  ): Promise<void> {
    let rest = groups;
    while (rest.length > 0) {
      const chain = this.chain(this.#strategy === 'bracketing' ? rest : rest.slice(0, 1));
      const margins: number[] = [];
      let asked = 0;
      const { firstFailure, monotone } = await findBoundary(
        chain.length,
        async (step) => {
          const verdict = await this.tryStep(tier, chain, step, asked++, [...rest, ...later]);
          margins[step] = verdict.margin;
          return verdict;
        },
        {
          probe: this.probe(tier),
          neighbours: this.#neighbours,
          slack: this.#slack,
          startMargin: this.#margin,
        },
      );
      if (firstFailure > 0) {
        // The last step that passes has been asked, whatever was skipped above it.
        this.plan = chain[firstFailure - 1].assignment;
        this.#margin = margins[firstFailure - 1];
      }
      if (!monotone) this.nonMonotone.push(chain[firstFailure].group.id);
      // The groups up to the one that failed are done; where nothing failed, all of the chain's.
      const last = chain[Math.min(firstFailure, chain.length - 1)]?.group ?? rest[0];
      rest = rest.slice(rest.indexOf(last) + 1);
    }
  }

  /** All steps that `groups` would take from the current plan if each passed. */
  private chain(groups: readonly UnitGroup[]): ChainStep[] {
    let assignment = this.plan;
    return groups.flatMap((group) =>
      this.below(group).map((bits) => {
        assignment = assignment.with(group.units, bits);
        return { group, bits, assignment };
      }),
    );
  }

  private below(group: UnitGroup, plan = this.plan): number[] {
    const current = groupBits(plan, group);
    return this.bits.filter((bits) => bits < current);
  }

  private async tryStep(
    tier: Tier,
    chain: readonly ChainStep[],
    index: number,
    asked: number,
    groupsLeft: readonly UnitGroup[],
  ): Promise<Verdict> {
    const { group, bits, assignment } = chain[index];
    const parent = index === 0 ? this.plan : chain[index - 1].assignment;
    // A walk in order stands at `parent` now; the others have spent `asked` of what there was at `plan`.
    const inWalk = this.#strategy === 'exact';
    const below = groupsLeft.map((each) => this.below(each, inWalk ? parent : this.plan).length);
    const left = below.reduce((sum, steps) => sum + steps, 0) - (inWalk ? 0 : asked);
    const trial = { stage: tier, unit: group.id, bits, assignment, parent };
    const { accepted, evaluation } = await this.tracer.try(trial, left);
    return { passes: accepted, margin: marginOf(evaluation, this.tracer.limits.quality) };
  }

  private probe(tier: Tier): Probe {
    if (this.#strategy === 'exact') return inOrder;
    return this.#strategy === 'bisection' || tier === 'global' ? middle : doubling;
  }
}

function checkCount(value: number, where: string): number {
  if (!(value >= 0))
    throw new SearchError({
      what: 'not an amount',
      where,
      got: String(value),
      expected: 'at least 0',
    });
  return value;
}
