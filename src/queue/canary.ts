import { createHash } from 'node:crypto';
import type { StatedConfig } from '../model/config.js';
import { openDescribed } from '../model/structure.js';
import { resolvePlan, uniformPlan, type ResolvedPlan } from '../quant/plan.js';
import type { BatchScores, Task } from '../tasks/task.js';

/** Width of the second plan of a canary: the quantizer's arithmetic counts too. */
const CANARY_BITS = 6;

/**
 * SHA-256 over the bits of scores: equal for the same numbers alone.
 *
 * @param found of each plan its scores, or the name of its error
 */
export function bitsOf(found: readonly unknown[]): string {
  const sum = createHash('sha256');
  for (const one of found) {
    if (typeof one === 'string') sum.update(`error ${one}\n`);
    else
      for (const { indices, values, margins, tokenNll } of one as readonly BatchScores[])
        for (const numbers of [indices, values, margins, tokenNll])
          if (numbers !== undefined) {
            sum.update(`${numbers.length} `);
            sum.update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
          }
  }
  return sum.digest('hex');
}

/** The plans of a canary: unquantized, and one width for everything. */
export async function canaryPlans(
  checkpoint: string,
  stated: StatedConfig,
): Promise<readonly ResolvedPlan[]> {
  const { checkpoint: file, description } = await openDescribed(checkpoint, stated);
  await file.close();
  return [new Map(), resolvePlan(uniformPlan(CANARY_BITS), description.hierarchy)];
}

/** The batch with the least to compute. */
export function canaryBatch({ batches }: Task): number {
  const sizes = batches.map(({ inputs }) => inputs.ids.length);
  return sizes.indexOf(Math.min(...sizes));
}
