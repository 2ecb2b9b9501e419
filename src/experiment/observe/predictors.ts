import { evaluateExactly } from '../../search/evaluation.js';
import { predict, type Predictor } from '../../search/knapsack/predictors.js';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import { Assignment, groupsOf, normaliseBits, type Level } from '../../search/space.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { RunOptions } from '../../util/progress.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import type { FisherColumnWork } from './fisher-column.js';
import { FISHER } from './fisher-table.js';
import { driftItems } from './membrane-drift.js';
import { observedItems, type ObservedItems } from './observed-items.js';

/** Names of the figures that can stand for a loss, the measured one first. */
export const PREDICTORS = ['loss', 'kl', 'flips', 'drift', 'sqnr', 'fisher'] as const;
export type PredictorName = (typeof PREDICTORS)[number];

const extra =
  (name: string) =>
  ({ extras }: SensitivityRow): number =>
    extras?.[name] ?? NaN;
const sqnr = extra('sqnr');

const FIGURE_OF: Readonly<Record<PredictorName, Predictor['of']>> = {
  loss: (row) => row.loss,
  kl: extra('klDivergence'),
  flips: extra('flipRate'),
  drift: extra('membraneDrift'),
  // Noise over signal adds up, decibels do not.
  sqnr: (row) => 10 ** (-sqnr(row) / 10),
  fisher: extra(FISHER),
};

/** A figure that can stand for the loss of units, against the loss that was measured. */
export interface PredictorResult {
  readonly predictor: PredictorName;
  /** Spearman's rank correlation with the measured loss over rows; absent where there is none to tell. */
  readonly rank?: number;
  readonly rows: number;
  /**
   * The price of the table of it, in evaluations of the whole task: forward passes by their tokens, gradients by their
   * time.
   */
  readonly cost: number;
  /** Bits of each unit in the plan that it leads to. */
  readonly bits: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** The plan's own, measured; NaN where it breaks the model. */
  readonly metric: number;
  readonly loss: number;
  /** 95 % interval beside the unquantized model's metric, item by item. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
}

/** Predictors beside each other: of one table, for plans of at most the same bytes. */
export interface PredictorComparison {
  readonly level: Exclude<Level, 'global'>;
  /** Those of the plan that has this width everywhere. */
  readonly uniformBits: number;
  readonly maxBytes: number;
  readonly results: readonly PredictorResult[];
}

/**
 * Compares the figures of a table as predictors of the loss: rank correlation, price, and the plan that a knapsack by
 * each leads to within the bytes of the second smallest width, measured. Figures that the table does not have are left
 * out.
 *
 * @param work of the gradients in the table
 */
export async function comparePredictors(
  study: Study,
  space: ModelSpace,
  table: SensitivityTable,
  work: FisherColumnWork,
  run: RunOptions = {},
): Promise<PredictorComparison> {
  const widths = normaliseBits(table.rows.map(({ bits }) => bits));
  const uniformBits = widths.at(-2) ?? widths[0];
  const level = levelOf(table);
  const units = groupsOf(space, level).flatMap((group) => group.units);
  const maxBytes = space.bytes(Assignment.unquantized.with(units, uniformBits));
  const results: PredictorResult[] = [];
  const all = table.rows.filter((row) => row.level === level);
  for (const predictor of PREDICTORS) {
    const of = FIGURE_OF[predictor];
    if (!all.some((row) => Number.isFinite(of(row)))) continue;
    const { rank, rows, plan, bytes } = predict(space, table, { of }, { level, maxBytes });
    run.onProgress?.({
      ...{ phase: 'plans by predictor', done: results.length, total: PREDICTORS.length },
      ...{ unit: 'evaluations', note: predictor },
    });
    const { metric, extras } = await evaluateExactly(study.evaluator.evaluateIn(space), plan, {
      parent: Assignment.unquantized,
      signal: run.signal,
    });
    const ends: Pick<PredictorResult, 'pairedLow' | 'pairedHigh'> = extras ?? {};
    const { pairedLow, pairedHigh } = ends;
    results.push({
      predictor,
      ...(Number.isFinite(rank) && { rank }),
      ...{ rows, cost: costOf(study, predictor, all.length, work) },
      bits: Object.fromEntries(units.map((unit) => [unit, plan.bitsOf(unit)])),
      ...{ bytes, metric, loss: metricOf(table.metric).lossOf(table.baseline.metric, metric) },
      ...(pairedLow !== undefined && { pairedLow }),
      ...(pairedHigh !== undefined && { pairedHigh }),
    });
  }
  return { level, uniformBits, maxBytes, results };
}

/** Modules where there are any: units that plans are made of. */
function levelOf({ rows }: SensitivityTable): PredictorComparison['level'] {
  const order = ['module', 'matrix', 'block'] as const;
  return order.find((level) => rows.some((row) => row.level === level)) ?? 'block';
}

/** Each row and the unquantized model take a pass over the predictor's items, or none. */
function costOf(
  { task, options: { file } }: Study,
  predictor: PredictorName,
  rows: number,
  { evaluations }: FisherColumnWork,
): number {
  const { vocabSize } = file.config;
  const over = ({ batches }: ObservedItems): number => {
    const tokens = batches.flatMap(({ lengths }) => [...lengths]);
    return ((rows + 1) * tokens.reduce((sum, length) => sum + length, 0)) / task.tokens;
  };
  switch (predictor) {
    case 'loss':
      return rows + 1;
    case 'kl':
    case 'flips':
      return over(observedItems(task, vocabSize));
    case 'drift':
      return over(driftItems(task, vocabSize));
    case 'sqnr':
      return 0;
    case 'fisher':
      return evaluations;
  }
}
