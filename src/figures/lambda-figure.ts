import { paceRemark } from '../experiment/runs/search-settings.js';
import { energyTerm } from '../experiment/selection/energy-objective.js';
import { stepText } from '../plots/figures/pareto-rows.js';
import { lambdaChart, type LambdaCandidate } from '../plots/lambda/chart.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { SearchOutcome } from '../search/outcome.js';
import type { EnergyTerm, ScoreName } from '../search/score.js';
import { PlotError } from '../util/errors.js';
import { limitsRecord } from './records.js';
import {
  baselineRecord,
  dataNames,
  searchRecords,
  type DrawnSearch,
  type FigureSubject,
} from './study-figures.js';

/** A search whose selection is drawn: a `SearchRun`, or one that was read back. */
export interface DrawnSelection extends DrawnSearch {
  readonly outcome: DrawnSearch['outcome'] & Pick<SearchOutcome, 'candidates'>;
}

export interface LambdaFigureOptions {
  /** Start of the slider; 0.5 by default. */
  readonly lambda?: number;
  /** Start of the switch; the paper's by default. */
  readonly score?: ScoreName;
}

/**
 * Fig. 9 a.4 and b.4: which plan each λ takes, by both scores, for searches of one study.
 *
 *     await show(lambdaFigure(study, [a1, a2, a3]));
 *
 * @throws {PlotError} as `lambdaChart`.
 */
export function lambdaFigure(
  study: FigureSubject,
  runs: readonly DrawnSelection[],
  { lambda, score }: LambdaFigureOptions = {},
): ChartSpec {
  const first = runs.at(0);
  if (first === undefined)
    throw new PlotError({ what: 'no search to draw', where: 'λ figure', got: '0 runs' });
  const { outcome } = first;
  const names = runs.map(({ settings }, index) => settings?.case ?? `search ${index + 1}`);
  const input = {
    baseline: baselineRecord(study, outcome.baseline, outcome.fp32Bytes),
    searches: runs.map((run, index) => ({
      name: names[index],
      limits: limitsRecord(run.outcome.limits),
      candidates: candidatesOf(study, run),
      ...energyOf(run),
    })),
    remarks: runs.flatMap(({ settings: { method, pace } = {} }, index) => {
      const remark = method && pace && paceRemark({ method, pace });
      return remark ? [`${names[index]}: ${remark}`] : [];
    }),
    ...(lambda !== undefined && { lambda }),
    ...(score && { score }),
  };
  return lambdaChart(input, dataNames(study.task));
}

function energyOf({ settings, energy }: DrawnSelection): { readonly energy?: EnergyTerm } {
  const term = energyTerm(settings?.energyWeight, energy);
  return term === undefined ? {} : { energy: term };
}

function candidatesOf(study: FigureSubject, run: DrawnSelection): LambdaCandidate[] {
  const steps = new Map(searchRecords(study, run).map((record) => [record.step, record]));
  return run.outcome.candidates.map(({ step, metric, bytes }) => {
    const record = steps.get(step)!;
    const { energy } = record;
    return { step, metric, bytes, plan: stepText(record), ...(energy !== undefined && { energy }) };
  });
}
