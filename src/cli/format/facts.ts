import type { Study } from '../../experiment/open/study.js';
import type { ModelDescription } from '../../model/structure.js';
import { settingsOf } from '../../model/structure.js';
import type { Fact } from './table.js';

/** What was assumed of a model beyond its shapes, and on whose word. */
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

/** Which backend runs, and what would have come before it. */
export function backendFact({
  name,
  description,
  passedOver = [],
}: Study['options']['backend']): Fact {
  const others = passedOver.map((other) => other.name).join(', ');
  return ['backend', `${name}: ${description}${others && ` (${others} is not available)`}`];
}
