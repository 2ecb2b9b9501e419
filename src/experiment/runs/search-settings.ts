import type { QuantizerName } from '../../quant/quantizers.js';
import { CASES, resolveLimits, type CaseName, type Constraints } from '../../search/constraints.js';
import type { Objective } from '../../search/knapsack/knapsack-search.js';
import { checkLadder, type LadderSettings } from '../../search/ladder/rungs.js';
import {
  checkEnergyWeight,
  checkLambda,
  scoreContext,
  type ScoreName,
} from '../../search/score.js';
import { normaliseBits } from '../../search/space.js';
import type { Strategy } from '../../search/tiers/descent.js';
import type { TieRule } from '../../search/ties.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { SearchError } from '../../util/errors.js';
import type { Accounting } from '../open/model-space.js';
import { PRECISION_LIST } from './uniform.js';

/** All that a search's result depends on, beside model and data; plain data. */
export interface SearchSettings {
  /** `tiered`: the paper's search. `knapsack`: a sensitivity table, then dynamic programming. */
  readonly method: 'tiered' | 'knapsack';
  /** One of the paper's cases, for the record; its limits are in `constraints`. */
  readonly case?: CaseName | undefined;
  readonly constraints: Constraints;
  /** The precision list B. */
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  /** The finest units that get bits of their own. */
  readonly granularity: 'module' | 'matrix';
  /** The parameters that count as memory; `used` by default. */
  readonly accounting?: Accounting | undefined;
  /** Tiered: the order in which the units of a tier descend. */
  readonly order: 'network' | 'least-sensitive-first';
  /** Tiered: the steps that are measured. */
  readonly pace: Strategy;
  /** Amount by which the metric may fail to be monotone, in its unit; see the searches. */
  readonly slack: number;
  /** Knapsack: the figure that is made best. */
  readonly objective: Objective;
  /** Knapsack: evaluations after the table. */
  readonly maxEvaluations: number;
  /**
   * The figure of a unit that stands for what it costs, added up to predict a plan (knapsack) or to order units by
   * (least-sensitive-first). `metric` and `kl` are measured, unit by unit; `fisher` comes from one pass of gradients,
   * `rates` from the one-pass approximation by firing rates; for these two nothing but the unquantized model is
   * measured.
   */
  readonly predictor: 'metric' | 'kl' | 'rates' | 'fisher';
  /** Data that gradients are taken on; the first items of the search split by default. */
  readonly calibration?: string | undefined;
  /** Weights of the trade-off score that a plan is selected for. */
  readonly lambdas: readonly number[];
  /** The weight whose plan is the run's result, and is measured on the held-out split. */
  readonly lambda: number;
  /** The score that λ weighs in; the paper's by default. */
  readonly score?: ScoreName | undefined;
  /** Weight ε of modelled energy in the score; absent, and 0, where energy is no objective. */
  readonly energyWeight?: number | undefined;
  /** Taken where the data cannot tell plans apart; `none` by default, as in the paper. */
  readonly tie?: TieRule | undefined;
  /**
   * Tiered: decisions from growing samples of the data, where those are clear; absent where every plan is
   * measured on all of it.
   */
  readonly ladder?: LadderSettings | undefined;
  /** Tiered: plans refused before they are measured; absent where every plan is measured. */
  readonly gate?: GateSettings | undefined;
  /** The plans that the result is held against. */
  readonly yardsticks: Yardsticks;
}

/** A gate of a search: see `Gate`. */
export interface GateSettings {
  /** The drift of membrane potentials from the unquantized model's. */
  readonly observable: 'drift';
  /** The largest drift that is measured; derived from the uniform plans where it is absent. */
  readonly threshold?: number | undefined;
}

/** Plans of no search. */
export interface Yardsticks {
  /** Every unit at one width, for each width of B. */
  readonly uniform: boolean;
  /** Number of random plans of the selected plan's size. */
  readonly random: number;
  readonly seed: number;
}

export const DEFAULT_LAMBDAS = [0, 0.25, 0.5, 0.75, 1] as const;

/** Settings of a search unless a caller says otherwise: the paper's, walked step by step. */
export const DEFAULT_SEARCH: Omit<SearchSettings, 'constraints'> = {
  method: 'tiered',
  bits: PRECISION_LIST,
  quantizer: 'min-max',
  granularity: 'module',
  order: 'network',
  pace: 'exact',
  slack: 0,
  objective: 'footprint',
  maxEvaluations: 24,
  predictor: 'metric',
  lambdas: DEFAULT_LAMBDAS,
  lambda: 0.5,
  yardsticks: { uniform: true, random: 3, seed: 1 },
};

/** Settings that go together, by name: what a caller states itself wins. */
export const SEARCH_PRESETS = {
  /** The paper's quantizer and its memory: all 861.6 MB of SpikeGPT-216M, a classifier's unused head too. */
  paper: { quantizer: 'paper-minmax', accounting: 'all' },
} as const satisfies Readonly<Record<string, Partial<SearchSettings>>>;
export type SearchPreset = keyof typeof SEARCH_PRESETS;

/** The cases of the paper that a task's metric has, the first being the default one. */
export function casesFor(metric: MetricName): CaseName[] {
  return (Object.keys(CASES) as CaseName[]).filter((name) => CASES[name].metric === metric);
}

/**
 * Refuses settings that a search would only trip over after minutes of work.
 *
 * @param metric of the task.
 * @throws {SearchError} for bit widths, weights or limits that make no sense.
 */
export function checkSettings(
  settings: SearchSettings,
  metric: MetricName = settings.constraints.metric ?? 'accuracy',
): void {
  const { bits, lambda, lambdas, constraints, score = 'paper', ladder, gate, method } = settings;
  checkEnergyWeight(settings.energyWeight ?? 0);
  normaliseBits(bits);
  if (ladder !== undefined) {
    checkLadder(ladder);
    if (method !== 'tiered')
      throw new SearchError({
        what: 'only a tiered search decides from samples',
        where: 'ladder',
        got: `method ${method}`,
        expected: 'method tiered, or no ladder',
      });
  }
  if (gate !== undefined && method !== 'tiered')
    throw new SearchError({
      what: 'only a tiered search has a gate',
      where: 'gate',
      got: `method ${method}`,
      expected: 'method tiered, or no gate',
    });
  const limits = resolveLimits(constraints, metric, 1, 1);
  for (const weight of [lambda, ...lambdas]) checkLambda(weight, scoreContext(score, limits, 1));
}

/**
 * A remark on a search that did not measure every step; undefined for one that did. Its candidates are
 * fewer, so that the same λ may select another plan.
 */
export function paceRemark({
  method,
  pace,
}: Pick<SearchSettings, 'method' | 'pace'>): string | undefined {
  if (method !== 'tiered' || pace === 'exact') return undefined;
  return `pace ${pace}: candidates were skipped, and λ may select another plan than with pace exact`;
}
