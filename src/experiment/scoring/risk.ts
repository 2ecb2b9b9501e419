import type { BatchScores, Measurement, Task } from '../../tasks/task.js';

/** Shares of the sentences, those at most risk first, that are batched together. */
const RISK_SHARES = [0.3, 0.3] as const;

/**
 * The task with the items first that are likely to settle a verdict: sentences the unquantized model gets
 * wrong or barely right, windows it finds hardest. Any order is correct; this one makes a failure certain
 * soonest.
 *
 * @param baseline of the unquantized model; its `scores`, where at hand, also tell how close it was
 */
export function arrangedByRisk(
  task: Task,
  baseline: Measurement,
  scores: readonly BatchScores[] = [],
): Task {
  const risk = riskOf(baseline, scores);
  const order = risk.map((_, index) => index).sort((a, b) => risk[b] - risk[a] || a - b);
  if (baseline.metric === 'perplexity') return task.arranged([order]);
  const groups: number[][] = [];
  let from = 0;
  for (const share of RISK_SHARES) {
    const to = from + Math.ceil(share * order.length);
    groups.push(order.slice(from, to));
    from = to;
  }
  return task.arranged(groups);
}

/** Larger for items that are likelier to count against a plan, [items]. */
function riskOf(baseline: Measurement, scores: readonly BatchScores[]): number[] {
  if (baseline.metric === 'perplexity')
    return baseline.windowNll.map((nll, window) => nll / baseline.windowTokens[window]);
  const risk = baseline.correct.map((right) => 1 - right);
  for (const { indices, margins } of scores)
    if (margins)
      indices.forEach((index, row) => {
        risk[index] = -margins[row];
      });
  return risk;
}
