import type { Layout } from '../layout/layout.js';
import type { ResolvedPlan } from '../quant/plan.js';
import { schemeToJson } from '../quant/scheme/scheme-json.js';
import { UNQUANTIZED_BITS } from '../quant/scheme/scheme.js';
import { sha256 } from '../util/hash.js';
import { canonicalJson } from '../util/json.js';

/** A plan as its effect along the network. */
export interface PlanStages {
  /** [boundary]: equal for two plans exactly when everything before that boundary is. */
  readonly prefix: readonly string[];
  /** [boundary]: equal for two plans exactly when everything from that boundary to the outputs is. */
  readonly suffix: readonly string[];
  /** Of the whole plan. */
  readonly key: string;
}

/** @param plan the scheme of each quantized matrix; the keys follow names and schemes alone */
export function planStages(
  plan: ResolvedPlan,
  { parameters, stages: { length: stages } }: Pick<Layout, 'parameters' | 'stages'>,
): PlanStages {
  const boundaryOf = new Map(parameters.map(({ name, boundary }) => [name, boundary]));
  const groups = Array.from({ length: stages + 2 }, (): string[] => []);
  for (const [name, scheme] of [...plan].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (scheme.bits < UNQUANTIZED_BITS)
      groups[boundaryOf.get(name)!].push(`${name}=${canonicalJson(schemeToJson(scheme))}`);
  const chain = (from: number, to: number): string =>
    sha256(canonicalJson(groups.slice(from, to))).slice(0, 16);
  const boundaries = Array.from({ length: stages + 1 }, (_, boundary) => boundary);
  return {
    prefix: boundaries.map((boundary) => chain(0, boundary + 1)),
    suffix: boundaries.map((boundary) => chain(boundary + 1, groups.length)),
    key: chain(0, groups.length),
  };
}
