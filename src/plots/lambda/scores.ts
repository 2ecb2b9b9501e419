import {
  lambdaIntervals,
  scoreContext,
  type EnergyTerm,
  type ScoreContext,
  type ScoreName,
  type Scored,
} from '../../search/score.js';
import { BYTES_PER_MB } from '../../util/format.js';
import type { TaskView } from '../parts/task-view.js';
import type { BaselineRecord, LimitsRecord } from '../records.js';

/** Both scores for the plans of a figure, in the units of its limits. */
export type Scores = Readonly<Record<ScoreName, ScoreContext>>;

/** @param energy where modelled energy is an objective. */
export function scoresOf(
  { metric: value, bytes }: Pick<BaselineRecord, 'metric' | 'bytes'>,
  limits: LimitsRecord,
  { metric }: TaskView,
  energy?: EnergyTerm,
): Scores {
  const name = metric.name as ScoreContext['metric'];
  const quality = { metric: name, baseline: value, allowedLoss: limits.loss };
  const context = (score: ScoreName): ScoreContext =>
    scoreContext(score, { quality, maxBytes: limits.bytes }, bytes, energy);
  return { paper: context('paper'), balanced: context('balanced') };
}

/** Name and formula of each score, for a switch and a title; of several searches without their units. */
export function scoreLabels(
  searches: readonly Pick<Scorable, 'scores'>[],
  view: TaskView,
): Record<ScoreName, string> {
  const { name, loss } = view.metric;
  const [sign, best] = view.higher ? ['−', 'largest'] : ['+', 'smallest'];
  const units = searches.map(({ scores }) => scores.balanced.balanced!);
  const [first] = units;
  const amount = Number((first.loss / loss.unit).toPrecision(3));
  const memory = `${(first.bytes / BYTES_PER_MB).toFixed(2)} MB`;
  const [allowedLoss, allowedMemory] =
    units.length === 1
      ? [`(${amount} ${loss.name})`, `(${memory})`]
      : ['allowed loss', 'allowed memory'];
  const weighs = searches.some(({ scores }) => scores.paper.energy !== undefined);
  const third = (before: string): string => (weighs ? ` ${before} ε · modelled energy/fp32’s` : '');
  return {
    paper: `paper: ${name} ${sign} λ · memory/fp32 memory${third(sign)}, ${best} wins`,
    balanced: `balanced: (1 − λ) · loss/${allowedLoss} + λ · memory/${allowedMemory}${third('+')}, smallest wins`,
  };
}

/** The λ that a slider stops at: as many of either score, so that one slider serves both. */
export interface LambdaStops {
  /** In rising order, from 0. */
  readonly paper: readonly number[];
  readonly balanced: readonly number[];
  /** Ends of the paper's λ on a logarithmic scale; 0 is its left end too. */
  readonly least: number;
  readonly most: number;
}

/** Stops of the paper's score in a decade, and of the balanced one. */
const PER_DECADE = 20;
const BALANCED_STEPS = 100;

/** Plans that λ selects from, and the scores that it does so by. */
export interface Scorable {
  readonly candidates: readonly Scored[];
  readonly scores: Scores;
}

/** Values of λ that the paper and the tables speak of. */
const ROUND = [0, 0.25, 0.5, 0.75, 1];

/**
 * Round values of λ, and of both scores each value at which the selection changes, and one between any two
 * of these: no plan that is ever selected is stepped over.
 *
 * @param searches selected from apart.
 * @param start further values to stop at.
 */
export function lambdaStops(
  searches: readonly Scorable[],
  start: Readonly<Partial<Record<ScoreName, number>>>,
): LambdaStops {
  const breaks = (score: ScoreName): number[] =>
    sorted(
      searches
        .flatMap(({ candidates, scores }) => lambdaIntervals(candidates, scores[score]))
        .map(({ from }) => from)
        .filter((from) => from > 0),
    );
  const [ofPaper, ofBalanced] = [breaks('paper'), breaks('balanced')];
  const wanted = [...ofPaper, ...(start.paper ? [start.paper] : [])];
  // A tenth more on either side, for what lies beyond the first and the last break.
  const least = 10 ** Math.floor(Math.log10(Math.min(0.1, ...wanted) / 1.1));
  const most = 10 ** Math.ceil(Math.log10(Math.max(1, ...wanted) * 1.1));
  const decades = Math.round(Math.log10(most / least));
  const paper = sorted([
    ...ROUND,
    ...wanted,
    ...ofPaper.slice(1).map((to, index) => Math.sqrt(ofPaper[index] * to)),
    ...Array.from({ length: decades * PER_DECADE + 1 }, (_, step) =>
      Number((least * 10 ** (step / PER_DECADE)).toPrecision(3)),
    ),
  ]);
  const balanced = sorted([
    ...ofBalanced,
    ...(start.balanced ? [start.balanced] : []),
    ...[0, ...ofBalanced].map((from, index) => (from + (ofBalanced.at(index) ?? 1)) / 2),
    ...Array.from({ length: BALANCED_STEPS + 1 }, (_, step) => step / BALANCED_STEPS),
  ]);
  const count = Math.max(paper.length, balanced.length);
  return {
    paper: filled(paper, count, (value) => Math.log(Math.max(value, least))),
    balanced: filled(balanced, count, (value) => value),
    least,
    most,
  };
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((one, other) => one - other);
}

/** Halves the widest gaps until there are as many values as asked for. */
function filled(
  values: readonly number[],
  count: number,
  place: (value: number) => number,
): number[] {
  const all = [...values];
  while (all.length < count) {
    const gaps = all.slice(1).map((value, index) => place(value) - place(all[index]));
    const widest = gaps.indexOf(Math.max(...gaps));
    all.splice(widest + 1, 0, (all[widest] + all[widest + 1]) / 2);
  }
  return all;
}

/** The stop nearest to a λ. */
export function stopAt(stops: readonly number[], lambda: number): number {
  const distances = stops.map((stop) => Math.abs(stop - lambda));
  return distances.indexOf(Math.min(...distances));
}
