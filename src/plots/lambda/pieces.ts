import { lambdaIntervals, type EnergyTerm, type ScoreName } from '../../search/score.js';
import { BYTES_PER_MB } from '../../util/format.js';
import type { TaskView } from '../parts/task-view.js';
import type { BaselineRecord, LimitsRecord } from '../records.js';
import type { LambdaStops, Scorable } from './scores.js';

/** A plan that keeps the limits of its search. */
export interface LambdaCandidate {
  readonly step: number;
  /** "step 12, attention.3 at 4 bits" */
  readonly plan: string;
  readonly metric: number;
  readonly bytes: number;
  /** Modelled energy of a token in microjoules, where the search weighs it. */
  readonly energy?: number;
}

/** A search that λ selects from. */
export interface LambdaSearch {
  /** 'a1' */
  readonly name: string;
  readonly limits: LimitsRecord;
  readonly candidates: readonly LambdaCandidate[];
  /** Where modelled energy is an objective of it. */
  readonly energy?: EnergyTerm;
}

/** The input of Fig. 9 a.4 or b.4: searches of one model on one task. */
export interface LambdaInput {
  readonly baseline: BaselineRecord;
  readonly searches: readonly LambdaSearch[];
  /** Start of the slider; 0.5 by default. */
  readonly lambda?: number;
  /** Start of the switch; the paper's by default. */
  readonly score?: ScoreName;
  /** Further lines below the title. */
  readonly remarks?: readonly string[];
}

export const SCORES = ['paper', 'balanced'] as const;

/** A piece of λ at which a plan is selected. */
export interface PieceRow {
  readonly score: ScoreName;
  readonly case: string;
  readonly key: string;
  readonly plan: string;
  readonly from: number;
  /** Where it is drawn from and to: within the axis. */
  readonly left: number;
  readonly right: number;
  readonly range: string;
  readonly mb: number;
  readonly metric: number;
  readonly metricText: string;
  readonly memoryText: string;
}

/** The pieces of a search by both scores, each in rising λ. */
export function piecesOf(
  { name, candidates }: LambdaSearch,
  { scores }: Scorable,
  { least, most }: LambdaStops,
  view: TaskView,
): PieceRow[] {
  const inside = (score: ScoreName, lambda: number): number =>
    score === 'paper' ? Math.min(most, Math.max(least, lambda)) : lambda;
  const text = (lambda: number): string => String(Number(lambda.toPrecision(3)));
  return SCORES.flatMap((score) =>
    lambdaIntervals(candidates, scores[score]).map(({ candidate, from, to }) => ({
      score,
      case: name,
      key: `${name} ${candidate.step}`,
      plan: candidate.plan,
      from,
      left: inside(score, from),
      right: inside(score, to),
      range: Number.isFinite(to) ? `${text(from)} to ${text(to)}` : `${text(from)} and more`,
      mb: candidate.bytes / BYTES_PER_MB,
      ...textsOf(candidate, view),
    })),
  );
}

/** A plan's metric and memory, for tooltips. */
export function textsOf(
  { metric, bytes }: LambdaCandidate,
  view: TaskView,
): Pick<PieceRow, 'metric' | 'metricText' | 'memoryText'> {
  const memoryText = `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;
  return { metric, metricText: view.metric.format(metric), memoryText };
}
