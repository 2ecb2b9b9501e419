import type { BackendReport } from '../backend/start.js';
import type { ConfigReport } from '../model/config.js';
import { formatCount } from './numbers.js';
import type { Fact } from './table.js';

/** What was assumed of a model beyond its shapes, and on whose word. */
export function configFacts({ config, sources }: ConfigReport): Fact[] {
  return [
    ['embedding', `${config.embedding} (${sources.embedding})`],
    ['context', `${formatCount(config.contextLength)} tokens (${sources.contextLength})`],
  ];
}

/** Which backend runs, and whether something else was tried first. */
export function backendFact({ name, description, passedOver }: BackendReport): Fact {
  const tried = passedOver.map((other) => other.name).join(', ');
  return ['backend', `${name}: ${description}${tried && `; ${tried} did not start`}`];
}
