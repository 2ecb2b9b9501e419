import type { EvaluatorReport } from '../experiment/scoring/evaluator.js';
import { COMPUTED } from '../plots/figures/savings.js';
import type { SavingRecord } from '../plots/records.js';

/**
 * The work that each acceleration saved a run, in evaluations of the whole task, as far as evaluations
 * were begun; nothing where all was known before.
 */
export function savingRecords(
  run: string,
  { work, fullWork, measured, stopped }: EvaluatorReport,
): SavingRecord[] {
  if (measured + stopped === 0 || fullWork === 0) return [];
  const parts: [string, number][] = [
    [COMPUTED, work.done],
    ['prefix reuse', work.savedByPrefix],
    ['spike-exact exit', work.savedByExit],
    ['certain verdict', work.savedByVerdict],
  ];
  return parts.map(([part, amount]) => ({ run, part, evaluations: amount / fullWork }));
}
