import type { ParetoInput } from '../../../src/plots/figures/pareto.js';
import type { StepRecord } from '../../../src/plots/records.js';
import { meetsLimit } from '../../../src/search/constraints.js';
import { scoreContext, type ScoreContext, type ScoreName } from '../../../src/search/score.js';
import type { MetricName } from '../../../src/tasks/metrics/metrics.js';
import { CASE_A1, CASE_B1, SST2_BASELINE, toySearch, WIKITEXT2_BASELINE } from '../records.js';

/** Energies that go with the bits of the blocks' modules and not with bytes, so that they order plans anew. */
function energyOf({ units, step }: StepRecord): number {
  const bits = units.reduce((sum, unit) => sum + (unit.part === 'SRFFN' ? unit.bits : 0), 0);
  return 20 + 0.4 * bits + ((step * 7) % 11);
}

function inputOf(baseline: ParetoInput['baseline'], limits: ParetoInput['limits']): ParetoInput {
  const steps = toySearch(baseline, limits).map((step) => ({ ...step, energy: energyOf(step) }));
  const counted = 'modelled as built, DRAM, all weights for every token';
  return { steps, baseline, limits, energy: { weight: 0.3, unquantized: 110, counted } };
}

/** Searches that weigh modelled energy. */
export const ENERGY_INPUTS = {
  accuracy: inputOf(SST2_BASELINE, CASE_A1),
  perplexity: inputOf(WIKITEXT2_BASELINE, CASE_B1),
} as const;

const qualityOf = ({ baseline, limits }: ParetoInput) => ({
  metric: (baseline.task === 'sst2' ? 'accuracy' : 'perplexity') as MetricName,
  baseline: baseline.metric,
  allowedLoss: limits.loss,
});

/** The plans that keep the limits. */
export function energyCandidates(input: ParetoInput): StepRecord[] {
  return input.steps.filter(
    ({ exact, metric, bytes }) =>
      exact && bytes <= input.limits.bytes && meetsLimit(qualityOf(input), metric),
  );
}

/** The score of the search at a weight of energy. */
export function energyContext(input: ParetoInput, score: ScoreName, weight: number): ScoreContext {
  const { limits, baseline, energy } = input;
  const term = weight === 0 ? undefined : { weight, unquantized: energy!.unquantized };
  const bounds = { quality: qualityOf(input), maxBytes: limits.bytes };
  return scoreContext(score, bounds, baseline.bytes, term);
}
