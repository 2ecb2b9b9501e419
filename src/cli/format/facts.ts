import type { Study } from '../../experiment/open/study.js';
import { settingsOf, type ModelDescription } from '../../model/structure.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';
import { formatCounted } from '../../util/format.js';
import type { Fact } from './table.js';

/** The assumptions on a model beyond its shapes, each with its source. */
export function configFacts({ family, config, sources }: ConfigFacts): Fact[] {
  const values = settingsOf({ family, config });
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

/** The backend that runs, and those before it that are not available. */
export function backendFact(backend: Study['options']['backend']): Fact {
  const { name, description, passedOver = [] } = backend;
  const others = passedOver.map((other) => other.name).join(', ');
  return ['backend', `${name}: ${description}${others && ` (${others} is not available)`}`];
}

/** "872 sentences" */
export function itemsText({ items, metric }: Pick<Task, 'items' | 'metric'>): string {
  const { one, many } = metricOf(metric).item;
  return formatCounted(items, one, many);
}
