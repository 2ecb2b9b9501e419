import { isUnquantized, type ResolvedPlan } from '../../quant/plan.js';
import type { Answer, Question } from '../../store/index.js';
import { ModelError } from '../../util/errors.js';
import type { Asked } from './verdict.js';

/** Of a plan that breaks the model, which no limit has to be named for. */
export const BROKEN: Question = { limit: null, accepts: () => true };

/** A verdict of before may answer; a pass does not where its metric is needed. */
export function questionsOf(asked: Asked | undefined): Question[] {
  if (asked === undefined || asked.need === 'exact') return [];
  const { need, limit } = asked;
  return [{ limit, accepts: ({ passes }) => need === 'verdict' || !passes }];
}

/** An answer, or the verdict that a plan breaks the model. */
export async function finite(plan: ResolvedPlan, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    // The task throws it for outputs that are not finite; of the unquantized model it is a fault.
    if (!(error instanceof ModelError) || isUnquantized(plan)) throw error;
    return { verdict: { passes: false, bound: NaN }, limit: null };
  }
}
