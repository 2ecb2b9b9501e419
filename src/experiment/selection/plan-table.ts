import { FULL_PRECISION } from '../../search/space.js';
import { storedBitsOf } from '../open/model-space.js';
import type { SearchResult, Selection } from '../runs/search-result.js';
import { select, type SelectOptions } from './select-run.js';

/** A unit of a model and its bits under each plan, by the plan's title. */
export interface PlanRow {
  readonly block: string;
  readonly module: string;
  readonly [plan: string]: string | number;
}

/** A plan as a column. */
export interface PlanColumn {
  readonly title: string;
  /** Bits that each quantized unit is stored in. */
  readonly bits: Readonly<Record<string, number>>;
}

/** Units in network order, a row each; the bits of each plan beside their names, 32 where it leaves one. */
export function planRows(units: readonly string[], plans: readonly PlanColumn[]): PlanRow[] {
  return units.map((unit) => {
    const [block, ...module] = unit.split('/');
    const widths = plans.map(({ title, bits }) => [title, bits[unit] ?? FULL_PRECISION] as const);
    return { block, module: module.join('/'), ...Object.fromEntries(widths) };
  });
}

/** Weights that select the same candidate, joined: each plan once. `*` marks the weight of the result. */
export function plansOnce<T>(
  selections: readonly { readonly lambda: number; readonly candidate: T }[],
  result?: number,
): { readonly title: string; readonly candidate: T }[] {
  return [...new Set(selections.map(({ candidate }) => candidate))].map((candidate) => {
    const own = selections.filter((selection) => selection.candidate === candidate);
    const weights = own.map(({ lambda }) => (lambda === result ? `${lambda}*` : String(lambda)));
    return { title: `λ ${weights.join(', ')}`, candidate };
  });
}

/**
 * The bits of the plans that a search selected, block by block and module by module, each plan once: rows for
 * `table()`, as `qslm select` prints them.
 *
 * @param lambdas weights of the score; by default those of the run, its result (`*`) among them.
 * @throws {SearchError} as `select`.
 */
export function planTable(
  run: SearchResult,
  lambdas?: readonly number[],
  options: SelectOptions = {},
): PlanRow[] {
  const { space, selected } = run;
  const units = space.units.map(({ id }) => id);
  const selections =
    lambdas?.map((lambda) => ({ lambda, candidate: select(run, lambda, options).candidate })) ??
    ownSelections(run);
  const plans = plansOnce(selections, selected?.lambda).map(({ title, candidate }) => ({
    title,
    bits: storedBitsOf(candidate.assignment, space),
  }));
  return planRows(units, plans);
}

function ownSelections({ selections, selected }: SearchResult): Selection[] {
  const others = selections.filter(({ lambda }) => lambda !== selected?.lambda);
  return [...others, ...(selected ? [selected] : [])].sort((a, b) => a.lambda - b.lambda);
}
