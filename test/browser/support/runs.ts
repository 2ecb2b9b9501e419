import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CandidatesJson } from '../../../src/experiment/record/search-schema.js';
import { savedContext } from '../../../src/experiment/record/select-saved.js';
import type { ParetoInput } from '../../../src/plots/figures/pareto.js';
import { meetsLimit } from '../../../src/search/constraints.js';
import {
  lambdaIntervals,
  select,
  type EnergyTerm,
  type ScoreName,
} from '../../../src/search/score.js';

/** A plan that a search tried; without a metric where its evaluation was stopped early. */
export interface TracedStep {
  readonly index: number;
  readonly bytes: number;
  readonly metric?: number;
  /** Modelled, where the figure weighs it. */
  readonly energy?: number;
}

/** What a search left in its run's folder: nothing of it has been through a chart. */
export interface KeptRun {
  readonly folder: string;
  readonly steps: readonly TracedStep[];
  readonly candidates: Pick<CandidatesJson, 'metric' | 'baseline' | 'fp32Bytes' | 'limits'>;
  /** Modelled energy as an objective, at the weight that the figure is set to. */
  readonly energy?: EnergyTerm;
}

/** The finished searches among the runs of a folder. */
export function readRuns(folder: string): KeptRun[] {
  return readdirSync(folder).flatMap((id) => {
    const json = (name: string): unknown =>
      JSON.parse(readFileSync(join(folder, id, name), 'utf8')) as unknown;
    const { kind, state } = json('run.json') as { kind: string; state: string };
    if (kind !== 'search' || state !== 'finished') return [];
    const { steps } = json('trace.json') as { steps: TracedStep[] };
    return [
      { folder: join(folder, id), steps, candidates: json('candidates.json') as CandidatesJson },
    ];
  });
}

/** What is set on the switch and the sliders of a figure. */
export interface Settings {
  readonly score: ScoreName;
  readonly lambda: number;
  /** Largest loss: a share, or perplexity. */
  readonly loss: number;
  readonly bytes: number;
}

/** The limits that the run was searched with. */
export function ownLimits({ candidates }: KeptRun): Omit<Settings, 'lambda' | 'score'> {
  const { loss, bytes } = candidates.limits;
  return { loss: loss ?? Infinity, bytes: bytes ?? Infinity };
}

/** The plans measured that keep the limits. */
export function feasible(
  { candidates, steps }: KeptRun,
  { loss, bytes }: Pick<Settings, 'loss' | 'bytes'>,
): TracedStep[] {
  const { metric, baseline } = candidates;
  const limit = { metric, baseline, allowedLoss: loss };
  return steps.filter(
    (step) => step.metric !== undefined && step.bytes <= bytes && meetsLimit(limit, step.metric),
  );
}

/** The step that `select` of the search takes, or undefined. */
export function selectedStep(run: KeptRun, settings: Settings): number | undefined {
  const plans = feasible(run, settings).map((step) => ({ ...step, metric: step.metric! }));
  const context = savedContext(run.candidates, settings.score, run.energy);
  return select(plans, settings.lambda, context)?.index;
}

/** The λ at which the selection of a search changes under its own limits, and the step selected from there. */
export function breakpoints(
  run: KeptRun,
  score: ScoreName,
): { readonly from: number; readonly step: number }[] {
  const plans = feasible(run, ownLimits(run)).map((step) => ({ ...step, metric: step.metric! }));
  const intervals = lambdaIntervals(plans, savedContext(run.candidates, score, run.energy));
  return intervals.map(({ candidate, from }) => ({ from, step: candidate.index }));
}

/** A search made up for a figure, as if it had been kept. @param weight that modelled energy is set to. */
export function toyRun(
  { steps, baseline, limits, energy }: ParetoInput,
  weight = energy?.weight ?? 0,
): KeptRun {
  return {
    folder: 'toy search',
    ...(energy && weight > 0 && { energy: { weight, unquantized: energy.unquantized } }),
    steps: steps.map(({ step, bytes, metric, exact, energy: own }) => ({
      index: step,
      bytes,
      ...(own !== undefined && { energy: own }),
      ...(exact && { metric }),
    })),
    candidates: {
      metric: baseline.task === 'sst2' ? 'accuracy' : 'perplexity',
      baseline: baseline.metric,
      fp32Bytes: baseline.bytes,
      limits,
    },
  };
}
