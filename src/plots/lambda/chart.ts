import { PlotError } from '../../util/errors.js';
import { BYTES_PER_MB } from '../../util/format.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { taskView, type DataNames, type TaskView } from '../parts/task-view.js';
import { COLORS, STAR } from '../parts/theme.js';
import type { BaselineRecord } from '../records.js';
import {
  piecesOf,
  SCORES,
  textsOf,
  type LambdaCandidate,
  type LambdaInput,
  type LambdaSearch,
} from './pieces.js';
import { lambdaStops, scoreLabels, scoresOf, type Scorable } from './scores.js';
import { lambdaParameters, selectionTransforms } from './selection.js';
import {
  axisFormat,
  colorOf,
  domainOf,
  KINDS,
  planTooltip,
  stepsView,
  viewName,
  WIDTH,
} from './steps-view.js';

export type { LambdaCandidate, LambdaInput, LambdaSearch } from './pieces.js';

/** Sizes of the stars: those that lie on each other are seen all the same. */
const STARS = [520, 210, 60] as const;

/**
 * Fig. 9 a.4 and b.4: memory and metric of the plan that each λ takes, as steps, by the paper's score and by
 * the balanced one, a line a search; and below the same plans by quality and memory. The slider's λ is marked
 * in the panels of the score that is set, and its plans are starred below; a piece that is pointed at is
 * ringed there.
 *
 * @throws {PlotError} when no search has a candidate.
 */
export function lambdaChart(input: LambdaInput, names: DataNames = {}): ChartSpec {
  const { baseline, lambda = 0.5, score = 'paper', remarks = [] } = input;
  const view = taskView(baseline.task, names);
  const searches = input.searches.filter(({ candidates }) => candidates.length > 0);
  if (searches.length === 0)
    throw new PlotError({
      what: 'no plan to draw',
      where: 'λ chart',
      got: `${input.searches.length} searches without a candidate`,
      expected: 'a search that found a plan within its limits',
    });
  const scored = searches.map(({ candidates, limits, energy }) => ({
    candidates,
    scores: scoresOf(baseline, limits, view, energy),
  }));
  const stops = lambdaStops(scored, { [score]: lambda });
  const pieces = searches.flatMap((search, index) => piecesOf(search, scored[index], stops, view));
  const cases = searches.map(({ name }) => name);
  const title = `${view.title}: which plan each λ takes`;
  return chart(
    `${title}: memory and ${view.metric.name} of the selected plan as steps over λ, by the paper's score and the balanced one, for ${cases.join(', ')} on ${baseline.model}.`,
    {
      title: {
        text: title,
        subtitle: [
          `${baseline.model}, ${cases.join(', ')}: memory and ${view.metric.name} of the plan selected; a step is a breakpoint`,
          'Wide lines lie under narrow ones. Dotted: the λ of the slider; its plans are starred below',
          ...energyRemarks(searches),
          ...remarks,
        ],
      },
      params: [
        ...lambdaParameters({ score, lambda }, stops, scoreLabels(scored, view)),
        {
          name: 'pointed',
          select: { type: 'point', fields: ['key'], on: 'pointerover', clear: 'pointerout' },
          views: SCORES.flatMap((name) => KINDS.map((kind) => viewName(name, kind))),
        },
      ],
      vconcat: [
        {
          hconcat: SCORES.map((name) => ({
            vconcat: KINDS.map((kind) => stepsView(kind, name, pieces, stops, cases, view)),
            spacing: 8,
          })),
          spacing: 24,
        },
        plansView(searches, scored, baseline, cases, view),
      ],
      resolve: { scale: { color: 'shared' } },
    },
  );
}

/** Says of searches that weigh energy that it is modelled. */
function energyRemarks(searches: readonly LambdaSearch[]): string[] {
  const weighing = searches.filter(({ energy }) => energy !== undefined);
  if (weighing.length === 0) return [];
  const each = weighing.map(({ name, energy }) => `${name} ε = ${energy!.weight}`);
  return [`The score weighs modelled energy too: ${each.join(', ')}; nothing was metered`];
}

/** The candidates by quality and memory, with those that λ selects. */
function plansView(
  searches: readonly LambdaSearch[],
  scored: readonly Scorable[],
  baseline: BaselineRecord,
  cases: readonly string[],
  view: TaskView,
): Part {
  const weighing = searches.some(({ energy }) => energy !== undefined);
  // As `merit` works it out.
  const costs = (index: number, { energy = 0 }: LambdaCandidate): number => {
    const term = searches[index].energy;
    return term === undefined ? 0 : (term.weight * energy) / term.unquantized;
  };
  const rows = searches.flatMap(({ name, candidates }, index) => {
    const { loss, bytes } = scored[index].scores.balanced.balanced!;
    return candidates.map((candidate) => ({
      ...candidate,
      case: name,
      key: `${name} ${candidate.step}`,
      mb: candidate.bytes / BYTES_PER_MB,
      ...textsOf(candidate, view),
      unitLoss: loss,
      unitBytes: bytes,
      ...(weighing && { energyCost: costs(index, candidate) }),
    }));
  });
  const selection = selectionTransforms(scored[0].scores, view, {
    groupby: ['case'],
    feasible: 'true',
    units: {
      ...{ loss: 'datum.unitLoss', bytes: 'datum.unitBytes' },
      ...(weighing && { energy: 'datum.energyCost' }),
    },
  });
  const color = colorOf(cases);
  const place: Part = {
    x: {
      field: 'mb',
      type: 'quantitative',
      title: 'Memory (MB)',
      scale: { domain: domainOf(rows.map(({ mb }) => mb)), zero: false, nice: true },
    },
    y: {
      field: 'metric',
      type: 'quantitative',
      title: view.axisTitle,
      scale: {
        domain: domainOf([baseline.metric, ...rows.map(({ metric }) => metric)]),
        zero: false,
        nice: true,
      },
      axis: { minExtent: 40, tickCount: 5, format: axisFormat(view) },
    },
  };
  const point = (more: Part): Part => ({ type: 'point', filled: true, opacity: 1, ...more });
  const tooltip = [{ field: 'case', title: 'Case' }, ...planTooltip(view)];
  return {
    width: 2 * WIDTH + 24 + 40,
    height: 190,
    data: { values: values(rows, 'λ chart') },
    transform: [...selection],
    layer: [
      {
        data: { values: [{ metric: baseline.metric }] },
        mark: {
          type: 'rule',
          strokeDash: [5, 4],
          color: COLORS.black,
          strokeWidth: 1,
          aria: false,
        },
        encoding: { y: place.y },
      },
      {
        mark: point({ size: 45, color: COLORS.grey }),
        encoding: { ...place, tooltip },
      },
      {
        transform: [{ filter: { param: 'pointed', empty: false } }],
        mark: point({
          filled: false,
          size: 260,
          strokeWidth: 2.5,
          color: COLORS.black,
          aria: false,
        }),
        encoding: place,
      },
      // Stars on each other are seen all the same.
      ...cases.map((name, index) => ({
        transform: [{ filter: `datum.selected && datum.case === ${JSON.stringify(name)}` }],
        mark: point({ shape: STAR, size: STARS[Math.min(index, STARS.length - 1)] }),
        encoding: { ...place, color, tooltip },
      })),
    ],
  };
}
