import type { BackendReport } from '../../backend/start.js';
import type { ModelDescription } from '../../model/structure.js';
import type { Task } from '../../tasks/task.js';
import type { Wikitext2Task } from '../../tasks/wikitext2.js';
import { formatCount, formatCounted } from '../../util/format.js';
import type { Fact } from './table.js';

/** What was assumed of a model beyond its shapes, and on whose word. */
export function configFacts({ family, config, sources }: ConfigFacts): Fact[] {
  const values = config as unknown as Readonly<Record<string, string | number>>;
  return family.choices.map((choice) => {
    const [name, value] = choice.show(values[choice.name]);
    return [name, `${value} (${sources[choice.name]})`];
  });
}

type ConfigFacts = Pick<ModelDescription, 'family' | 'config' | 'sources'>;

/** {@link configFacts} and the whole configuration, for a result in JSON. */
export function configJson({ family, config, sources }: ConfigFacts): object {
  return { family: family.id, config, sources };
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
