import type { MetricName } from '../../tasks/metrics/metrics.js';
import { throwIfAborted } from '../../util/errors.js';
import { resolveLimits, type Constraints } from '../constraints.js';
import { evaluateExactly, type Evaluate } from '../evaluation.js';
import type { Gate } from '../gate.js';
import { concludeSearch, type SearchOutcome } from '../outcome.js';
import { orderBySensitivity, type SensitivityTable } from '../sensitivity.js';
import {
  Assignment,
  checkSpace,
  groupsOf,
  normaliseBits,
  type SearchSpace,
  type UnitGroup,
} from '../space.js';
import { Tracer, type SearchRunOptions } from '../trace.js';
import { Descent, type DescentOptions, type Tier } from './descent.js';

/** The order in which the units of a tier descend. */
export type UnitOrder =
  | { readonly kind: 'network' }
  | { readonly kind: 'least-sensitive-first'; readonly table: SensitivityTable };

export interface TieredSearchOptions extends SearchRunOptions, DescentOptions {
  readonly metric: MetricName;
  readonly constraints: Constraints;
  /** The precision list B; any order, repeats are dropped. */
  readonly bits: readonly number[];
  /** The units that the module tier descends: modules (the default), or each unit of the space. */
  readonly granularity?: 'module' | 'matrix';
  /** Network order by default. */
  readonly order?: UnitOrder;
}

export interface TieredSearchResult extends SearchOutcome {
  /** The plan that the descents ended at: keeps the quality limit, but need not fit the memory limit. */
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
  const tiers = tiersOf(space, options);
  const { signal } = options;
  throwIfAborted(signal, 'search');
  const baseline = await evaluateExactly(evaluate, Assignment.unquantized, { signal });
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const limits = resolveLimits(options.constraints, options.metric, baseline.metric, fp32Bytes);
  const tracer = new Tracer(space, evaluate, limits, options);
  const descent = new Descent(tracer, bits, options);
  for (const [index, { tier, groups }] of tiers.entries()) {
    const later = tiers.slice(index + 1).flatMap((next) => next.groups);
    await descent.runTier(tier, groups, later);
    if (tier === 'global') await options.gate?.derive(uniformOf(tracer.steps), signal);
  }
  tracer.report({ stage: 'module', unit: 'model' }, 0);

  const outcome = await concludeSearch(tracer, evaluate, baseline, signal);
  return {
    ...outcome,
    evaluations: outcome.evaluations + 1,
    final: descent.plan,
    nonMonotone: descent.nonMonotone,
  };
}

/** The most plans that a tiered search can try: each group of each tier down the whole precision list. */
export function mostTrials(
  space: SearchSpace,
  { bits, granularity = 'module' }: Pick<TieredSearchOptions, 'bits' | 'granularity'>,
): number {
  const tiers = tiersOf(space, { granularity });
  const groups = tiers.reduce((sum, tier) => sum + tier.groups.length, 0);
  return groups * normaliseBits(bits).length;
}

/** The uniform plans among the steps, as a gate wants them. */
function uniformOf(steps: Tracer['steps']): Parameters<Gate['derive']>[0] {
  return steps.flatMap(({ assignment, bits, accepted }) =>
    bits === undefined ? [] : [{ assignment, bits, kept: accepted }],
  );
}

interface TierGroups {
  readonly tier: Tier;
  readonly groups: readonly UnitGroup[];
}

function tiersOf(
  space: SearchSpace,
  options: Pick<TieredSearchOptions, 'order' | 'granularity'>,
): TierGroups[] {
  const order = options.order ?? { kind: 'network' };
  const finest = groupsOf(space, options.granularity ?? 'module');
  const arrange = (groups: UnitGroup[]): UnitGroup[] =>
    order.kind === 'network' ? groups : orderBySensitivity(groups, order.table);
  return [
    { tier: 'global', groups: groupsOf(space, 'global') },
    { tier: 'block', groups: arrange(groupsOf(space, 'block')) },
    { tier: 'module', groups: arrange(finest.filter(({ inModuleTier }) => inModuleTier)) },
  ];
}
