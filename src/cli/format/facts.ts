import type { BackendReport } from '../../backend/start.js';
import type { ConfigReport } from '../../model/spikegpt/config.js';
import type { Task } from '../../tasks/task.js';
import type { Wikitext2Task } from '../../tasks/wikitext2.js';
import { formatCount, formatCounted } from './numbers.js';
import type { Fact } from './table.js';

/** What was assumed of a model beyond its shapes, and on whose word. */
export function configFacts({ config, sources }: ConfigReport): Fact[] {
  return [
    ['embedding', `${config.embedding} (${sources.embedding})`],
    ['context', `${formatCount(config.contextLength)} tokens (${sources.contextLength})`],
  ];
}

/** Which backend runs, and what would have come before it. */
export function backendFact({ name, description, passedOver }: BackendReport): Fact {
  const others = passedOver.map((other) => other.name).join(', ');
  return ['backend', `${name}: ${description}${others && ` (${others} is not available)`}`];
}

/** What is measured, on which data, cut how. */
export function taskFacts(task: Task): Fact[] {
  const isWindowed = (one: Task): one is Wikitext2Task => one.metric === 'perplexity';
  if (!isWindowed(task))
    return [
      ['task', `${task.name}: accuracy over ${formatCounted(task.items, 'sentence')}`],
      ['data', task.source],
    ];
  const { items, context, stride } = task;
  const overlap = stride === context ? 'not overlapping' : `stride ${formatCount(stride)}`;
  return [
    ['task', `${task.name}: token perplexity`],
    ['data', task.source],
    ['windows', `${formatCount(items)} of ${formatCount(context)} tokens, ${overlap}`],
  ];
}
