import type { EvaluatorReport } from '../experiment/scoring/evaluator.js';
import { COMPUTED } from '../plots/figures/savings.js';
import type { SavingRecord } from '../plots/records.js';

/**
 * The work that each acceleration saved a run, in evaluations of the whole task, as far as evaluations
 * were begun; nothing where all was known before.
 */
export function savingRecords(run: string, { work, fullWork }: EvaluatorReport): SavingRecord[] {
  const parts: [string, number][] = [
    [COMPUTED, work.done],
    ['prefix reuse', work.savedByPrefix],
    ['spike-exact exit', work.savedByExit],
    ['certain verdict', work.savedByVerdict],
  ];
  // Plans may be answered from parts that the store has: work is what tells, not their count.
  if (parts.every(([, amount]) => amount === 0) || fullWork === 0) return [];
  return parts.map(([part, amount]) => ({ run, part, evaluations: amount / fullWork }));
}
