import { paperWeight, type ScoreName } from '../../search/score.js';
import type { Part } from '../parts/part.js';
import type { TaskView } from '../parts/task-view.js';
import { stopAt, type LambdaStops, type Scores } from './scores.js';

/** Sorts behind every score. */
const LAST = 1e300;
/** As in the search: the differences of two metrics are inexact. */
const LIMIT_TOLERANCE = 1e-12;

/** The start of a figure's switch and slider. */
export interface LambdaStart {
  readonly score: ScoreName;
  readonly lambda: number;
  /** Takes the smallest plan within one standard error; absent where ties are not known. */
  readonly oneSe?: boolean;
}

/**
 * The signals of a figure that selects by λ: `score` with a switch, `place` with a slider, `oneSe` with a
 * box; and of these `lambda`. The slider goes over the stops of the score that is set: the scale that is
 * drawn says where it stands.
 */
export function lambdaParameters(
  { score, lambda, oneSe }: LambdaStart,
  stops: LambdaStops,
  labels: Readonly<Record<ScoreName, string>>,
): Part[] {
  const { paper, balanced } = stops;
  const last = paper.length - 1;
  const slider = { input: 'range', min: 0, max: last, step: 1, name: 'λ: stop of the scale drawn' };
  return [
    {
      name: 'score',
      value: score,
      bind: {
        input: 'select',
        options: ['paper', 'balanced'],
        labels: [labels.paper, labels.balanced],
        name: 'Score',
      },
    },
    { name: 'place', value: stopAt(stops[score], lambda), bind: slider },
    { name: 'lambdaStops', value: { paper, balanced } },
    { name: 'lambda', expr: 'lambdaStops[score][place]' },
    ...(oneSe === undefined
      ? []
      : [
          {
            name: 'oneSe',
            value: oneSe,
            bind: {
              input: 'checkbox',
              name: 'Ties: the smallest plan within one standard error of the best',
            },
          },
        ]),
  ];
}

/** The loss of a plan, as the search works it out. @param plan a datum: "datum", "datum.other". */
export function lossOf(plan: string, scores: Scores, { higher }: TaskView): string {
  const { baseline } = scores.balanced.balanced!;
  return higher ? `(${baseline} - ${plan}.metric)` : `(${plan}.metric - ${baseline})`;
}

/** Keeps the limits that are set. @param plan as of {@link lossOf}. */
export function keepsLimits(plan: string, scores: Scores, view: TaskView): string {
  const loss = lossOf(plan, scores, view);
  return `${loss} <= lossLimit + ${LIMIT_TOLERANCE} && ${plan}.bytes <= bytesLimit`;
}

/**
 * The score of a plan at `lambda`, with its sign turned so that the smallest wins: operation by operation
 * that of the search, so that both round alike.
 */
function orderOf(scores: Scores, view: TaskView, units: UnitFields | undefined): string {
  const { fp32Bytes, balanced } = scores.balanced;
  const allowed = units ?? { loss: String(balanced!.loss), bytes: String(balanced!.bytes) };
  const goodness = view.higher ? 'datum.metric' : '(-datum.metric)';
  const cost = units === undefined ? energyCost('datum', scores) : units.energy;
  const [less, more] = cost === undefined ? ['', ''] : [` - ${cost}`, ` + ${cost}`];
  const paper = `-(${goodness} - (lambda * datum.bytes) / ${fp32Bytes}${less})`;
  const loss = `((1 - lambda) * ${lossOf('datum', scores, view)}) / ${allowed.loss}`;
  const balancedScore = `(${loss} + (lambda * datum.bytes) / ${allowed.bytes}${more})`;
  return `(score === 'paper' ? ${paper} : ${balancedScore})`;
}

/**
 * ε·e/e_0 of a plan at the signal `energyWeight`; undefined where energy is no objective.
 *
 * @param plan as of {@link lossOf}.
 */
export function energyCost(plan: string, { paper: { energy } }: Scores): string | undefined {
  return energy && `(energyWeight * ${plan}.energy) / ${energy.unquantized}`;
}

/** Expressions of the units of the balanced score, where they are a row's own. */
interface UnitFields {
  readonly loss: string;
  readonly bytes: string;
  /** Of ε·e/e_0, where a search of them weighs it. */
  readonly energy?: string;
}

/** Variations of {@link selectionTransforms}. */
interface SelectionVariant {
  /** Rows know their ties, and the signal `oneSe` says that these count. */
  readonly oneSe?: boolean;
  /** Fields of the searches that are selected from apart. */
  readonly groupby?: readonly string[];
  /** Condition of a plan to be selected; by default that it keeps the limits set. */
  readonly feasible?: string;
  readonly units?: UnitFields;
}

/**
 * Marks the row that is selected: as `select` of the search does, in the chart. Rows have `metric`, `bytes`,
 * `step`, `selectable`, and with `oneSe` in `tieOf` the steps that they tie with as the smaller.
 */
export function selectionTransforms(
  scores: Scores,
  view: TaskView,
  { oneSe = false, groupby = [], feasible, units }: SelectionVariant = {},
): readonly Part[] {
  const calculate = (as: string, expression: string): Part => ({ calculate: expression, as });
  const rank = (as: string, ...fields: readonly string[]): Part => ({
    window: [{ op: 'row_number', as }],
    sort: fields.map((field) => ({ field })),
    ...(groupby.length > 0 && { groupby: [...groupby] }),
  });
  // Of equal balanced scores the smaller plan, then the better; of the paper's the first.
  const onlyBalanced = (value: string): string => `score === 'paper' ? 0 : ${value}`;
  const transforms = [
    calculate('feasible', feasible ?? `datum.selectable && ${keepsLimits('datum', scores, view)}`),
    calculate('order', `datum.feasible ? ${orderOf(scores, view, units)} : ${LAST}`),
    calculate('worse', view.higher ? '-datum.metric' : 'datum.metric'),
    calculate('score', `score === 'paper' && ${view.higher} ? -datum.order : datum.order`),
    calculate('tieBytes', onlyBalanced('datum.bytes')),
    calculate('tieWorse', onlyBalanced('datum.worse')),
    rank('rank', 'order', 'tieBytes', 'tieWorse', 'step'),
    calculate(oneSe ? 'best' : 'selected', 'datum.feasible && datum.rank === 1'),
  ];
  if (!oneSe) return transforms;
  const isTie = 'oneSe && datum.bestStep >= 0 && indexof(datum.tieOf, datum.bestStep) >= 0';
  return [
    ...transforms,
    calculate('bestHere', 'datum.best ? datum.step : -1'),
    {
      joinaggregate: [{ op: 'max', field: 'bestHere', as: 'bestStep' }],
      ...(groupby.length > 0 && { groupby: [...groupby] }),
    },
    calculate('tied', `datum.feasible && (datum.best || (${isTie}))`),
    calculate('tieSize', `datum.tied ? datum.bytes : ${LAST}`),
    rank('tieRank', 'tieSize', 'worse', 'step'),
    calculate('selected', 'datum.tied && datum.tieRank === 1'),
  ];
}

/**
 * Marks the row that comes closest to the limits where none keeps both: as the search tells it, by the share
 * of the baseline's metric that is missed plus that of its bytes.
 */
export function nearestTransforms(scores: Scores, view: TaskView): readonly Part[] {
  const { fp32Bytes, balanced } = scores.balanced;
  const missed = `max(0, ${lossOf('datum', scores, view)} - lossLimit) / ${Math.abs(balanced!.baseline) || 1}`;
  const distance = `${missed} + max(0, datum.bytes - bytesLimit) / ${fp32Bytes}`;
  return [
    { joinaggregate: [{ op: 'max', field: 'feasible', as: 'anyFeasible' }] },
    { calculate: `datum.selectable ? ${distance} : ${LAST}`, as: 'distance' },
    {
      window: [{ op: 'row_number', as: 'near' }],
      sort: [{ field: 'distance' }, { field: 'step' }],
    },
    { calculate: '!datum.anyFeasible && datum.selectable && datum.near === 1', as: 'nearest' },
  ];
}

/** Loss that the score trades for a byte; at most so much, where memory alone counts. */
export function lossPerByte(scores: Scores, most: number): string {
  const { fp32Bytes, balanced } = scores.balanced;
  // Of λ = 1/2, where λ/(1 − λ) is 1.
  const even = paperWeight(0.5, balanced!, fp32Bytes) / fp32Bytes;
  return `min(${most}, score === 'paper' ? lambda / ${fp32Bytes} : lambda / max(1e-12, 1 - lambda) * ${even})`;
}
