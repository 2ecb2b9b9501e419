import type { Json } from '../../util/json.js';
import type { Part } from '../parts/part.js';
import type { TaskView } from '../parts/task-view.js';
import { COLORS } from '../parts/theme.js';
import { scoreLabels, type LambdaStops, type Scores } from './scores.js';
import { energyCost, keepsLimits, lossOf } from './selection.js';

/** A plan that λ can select. */
export interface ScalePlan {
  readonly step: number;
  readonly metric: number;
  readonly bytes: number;
  /** Modelled energy, where the score weighs it. */
  readonly energy?: number;
  /** Of its metric and memory, for a tooltip. */
  readonly text: string;
}

/** Rows of the scale in pixels: labels of breakpoints, plans, round values of λ. */
const ROWS = { breaks: 16, plans: 20, ticks: 16 } as const;
const HEIGHT = ROWS.breaks + ROWS.plans + ROWS.ticks;
/** Pixels that a label needs. */
const LABEL = 44;
const NUMBER = 18;

/**
 * The scale of λ, of the score that is set: which plan each λ selects, a field a plan, and a mark where one
 * gives way to the next. It follows the limits that are set. The paper's λ goes to infinity and is drawn
 * logarithmically, with 0 at the left end.
 *
 *     signals   score, lambda, lossLimit, bytesLimit
 *     plans × plans that keep the limits → the λ at which each pair scores the same
 *     per plan: from the last crossing with a larger plan to the first with a smaller one
 */
export function scaleView(
  plans: readonly ScalePlan[],
  stops: LambdaStops,
  scores: Scores,
  view: TaskView,
  width: number,
): Part {
  const at = { axis: null, scale: { domain: [0, 1], nice: false } };
  const x = (field: string): Part => ({ field, type: 'quantitative', ...at });
  const band = (row: keyof typeof ROWS): Part => {
    const top = row === 'breaks' ? 0 : ROWS.breaks + (row === 'ticks' ? ROWS.plans : 0);
    return { value: top + ROWS[row] / 2 };
  };
  const place = (lambda: string): string => placeOf(lambda, stops);
  const fields = intervalTransforms(scores, view, place);
  const label = (size: number, color: string): Part => ({
    type: 'text',
    fontSize: size,
    color,
    aria: false,
  });
  return {
    width,
    height: HEIGHT,
    title: titleOf(scores, view),
    data: { values: plans as unknown as Json },
    layer: [
      {
        transform: fields,
        mark: { type: 'rect', stroke: '#ffffff', strokeWidth: 1.5, color: '#d7e3ef' },
        encoding: {
          x: x('left'),
          x2: { field: 'right' },
          y: { value: ROWS.breaks },
          y2: { value: ROWS.breaks + ROWS.plans },
          description: { field: 'spoken' },
          tooltip: [
            { field: 'range', title: 'λ' },
            { field: 'name', title: 'Selects' },
            { field: 'text', title: 'Plan' },
          ],
        },
      },
      {
        transform: [
          ...fields,
          { filter: `(datum.right - datum.left) * ${width} > ${NUMBER}` },
          { calculate: '(datum.left + datum.right) / 2', as: 'middle' },
          {
            calculate: `(datum.right - datum.left) * ${width} > ${LABEL} ? datum.name : '' + datum.step`,
            as: 'label',
          },
        ],
        mark: label(11, COLORS.black),
        encoding: { x: x('middle'), y: band('plans'), text: { field: 'label' } },
      },
      {
        transform: [...fields, { filter: 'datum.from > 0' }],
        mark: { type: 'rule', color: COLORS.black, strokeWidth: 1, aria: false },
        encoding: {
          x: x('left'),
          y: { value: ROWS.breaks - 3 },
          y2: { value: ROWS.breaks + ROWS.plans },
        },
      },
      {
        transform: [
          ...fields,
          { filter: 'datum.from > 0' },
          {
            window: [{ op: 'lag', field: 'left', as: 'before' }],
            sort: [{ field: 'left' }],
          },
          {
            filter: `!isValid(datum.before) || (datum.left - datum.before) * ${width} > ${LABEL}`,
          },
          { calculate: "format(datum.from, '.3~r')", as: 'label' },
        ],
        mark: label(10, COLORS.black),
        encoding: { x: x('left'), y: band('breaks'), text: { field: 'label' } },
      },
      {
        data: { values: ticksOf(stops) },
        transform: [
          { filter: 'datum.score === score' },
          { calculate: place('datum.lambda'), as: 'left' },
        ],
        mark: label(10, '#666666'),
        encoding: { x: x('left'), y: band('ticks'), text: { field: 'label' } },
      },
      {
        data: { values: [{}] },
        transform: [{ calculate: place('lambda'), as: 'left' }],
        mark: { type: 'rule', color: COLORS.vermilion, strokeWidth: 2.5, aria: false },
        encoding: {
          x: x('left'),
          y: { value: ROWS.breaks - 5 },
          y2: { value: ROWS.breaks + ROWS.plans + 4 },
        },
      },
    ],
  };
}

/** Place of a λ on the scale that is set, [0, 1]. */
export function placeOf(lambda: string, { least, most }: LambdaStops): string {
  const logarithmic = `clamp(log(max(${lambda}, ${least}) / ${least}) / ${Math.log(most / least)}, 0, 1)`;
  return `(score === 'paper' ? ${logarithmic} : ${lambda})`;
}

function titleOf(scores: Scores, view: TaskView): Part {
  const labels = scoreLabels([{ scores }], view);
  const text = (name: 'paper' | 'balanced'): string => JSON.stringify(labels[name]);
  const expression = `'Plan that each λ selects; score ' + (score === 'paper' ? ${text('paper')} : ${text('balanced')})`;
  return {
    text: { expr: expression },
    fontSize: 12,
    fontWeight: 'normal',
    offset: 4,
    frame: 'group',
  };
}

/** Round values of λ, so few that their labels do not touch. */
function ticksOf({ least, most }: LambdaStops): Json {
  const [first, last] = [Math.log10(least), Math.log10(most)].map(Math.round);
  const every = Math.ceil((last - first) / 8);
  const powers = Array.from({ length: last - first + 1 }, (_, index) => first + index).filter(
    (power) => (power - first) % every === 0,
  );
  const text = (power: number): string => String(Number((10 ** power).toPrecision(1)));
  return [
    ...powers.map((power, index) => ({
      score: 'paper',
      lambda: 10 ** power,
      // 0 lies there too.
      label: index === 0 ? `≤ ${text(power)}` : text(power),
    })),
    ...[0, 0.2, 0.4, 0.6, 0.8, 1].map((lambda) => ({
      score: 'balanced',
      lambda,
      label: String(lambda),
    })),
  ];
}

/** From plans to the λ that each is selected at: `from`, `to`, and their places `left` and `right`. */
function intervalTransforms(
  scores: Scores,
  view: TaskView,
  place: (lambda: string) => string,
): readonly Part[] {
  const { fp32Bytes, balanced } = scores.balanced;
  const { loss, bytes } = balanced!;
  // The λ at which a plan and one that is smaller by `bytes` and worse by `loss` score the same.
  const crossing =
    `(score === 'paper' ? datum.lost * ${fp32Bytes} / datum.spared : ` +
    `(datum.lost / ${loss}) / (datum.lost / ${loss} + datum.spared / ${bytes}))`;
  const calculate = (as: string, expression: string): Part => ({ calculate: expression, as });
  const limits =
    energyCost('datum', scores) === undefined
      ? [
          // Of equal size the better one, of twins the first.
          calculate(
            'beaten',
            'datum.spared === 0 && (datum.lost < 0 || (datum.lost === 0 && datum.other.step < datum.step))',
          ),
          calculate(
            'until',
            `datum.beaten ? -1 : datum.spared > 0 ? (datum.lost > 0 ? ${crossing} : -1) : 1e300`,
          ),
          calculate('since', `datum.spared < 0 && datum.lost < 0 ? ${crossing} : 0`),
        ]
      : weighingEnergy(scores);
  return [
    { filter: keepsLimits('datum', scores, view) },
    calculate('other', 'lambdaPlans'),
    { flatten: ['other'] },
    { filter: keepsLimits('datum.other', scores, view) },
    calculate('lost', `${lossOf('datum.other', scores, view)} - ${lossOf('datum', scores, view)}`),
    calculate('spared', 'datum.bytes - datum.other.bytes'),
    ...limits,
    {
      aggregate: [
        { op: 'max', field: 'since', as: 'from' },
        { op: 'min', field: 'until', as: 'to' },
      ],
      groupby: ['step', 'metric', 'bytes', 'text'],
    },
    calculate('end', "score === 'paper' ? datum.to : min(datum.to, 1)"),
    { filter: 'datum.end - datum.from > 1e-12' },
    calculate('left', place('datum.from')),
    calculate('right', place('datum.end')),
    calculate('name', "'step ' + datum.step"),
    calculate(
      'range',
      "format(datum.from, '.4~r') + (datum.end > 1e200 ? ' and more' : ' to ' + format(datum.end, '.4~r'))",
    ),
    calculate('spoken', "'λ ' + datum.range + ' selects ' + datum.name + ': ' + datum.text"),
  ];
}

/**
 * `until` and `since` where modelled energy counts too: then a plan that is worse and larger may win, for its
 * energy. The other plan's score is `ahead` of this one's at λ = 0, and comes nearer by `turn` as λ grows by 1.
 */
function weighingEnergy(scores: Scores): readonly Part[] {
  const { fp32Bytes, balanced } = scores.balanced;
  const { loss, bytes } = balanced!;
  const dearer = `(${energyCost('datum.other', scores)!} - ${energyCost('datum', scores)!})`;
  const calculate = (as: string, expression: string): Part => ({ calculate: expression, as });
  return [
    calculate('inUnits', `score === 'paper' ? datum.lost : datum.lost / ${loss}`),
    calculate('ahead', `datum.inUnits + ${dearer}`),
    calculate(
      'turn',
      `score === 'paper' ? datum.spared / ${fp32Bytes} : datum.spared / ${bytes} + datum.inUnits`,
    ),
    calculate(
      'beaten',
      'datum.turn === 0 && (datum.ahead < 0 || (datum.ahead === 0 && datum.other.step < datum.step))',
    ),
    calculate('until', 'datum.beaten ? -1 : datum.turn > 0 ? datum.ahead / datum.turn : 1e300'),
    calculate('since', 'datum.turn < 0 && datum.ahead < 0 ? datum.ahead / datum.turn : 0'),
  ];
}
