import type { Question } from '../../store/index.js';
import type { Asked } from './verdict.js';

/** Of a plan that breaks the model, which no limit has to be named for. */
export const BROKEN: Question = { limit: null, accepts: () => true };

/** A verdict of before may answer; a pass does not where its metric is needed. */
export function questionsOf(asked: Asked | undefined): Question[] {
  if (asked === undefined || asked.need === 'exact') return [];
  const { need, limit } = asked;
  return [{ limit, accepts: ({ passes }) => need === 'verdict' || !passes }];
}
