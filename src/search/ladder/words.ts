import { formatCount } from '../../util/format.js';
import type { SearchStep } from '../trace.js';

/** "undecided, taken as kept": of a step that not even the largest sample was clear about; undefined else. */
export function takenText({
  rung,
  accepted,
}: Pick<SearchStep, 'rung' | 'accepted'>): string | undefined {
  if (rung === undefined || rung.clear) return undefined;
  return `undecided, taken as ${accepted ? 'kept' : 'refused'}`;
}

/**
 * The items that decided about a step, in words; undefined where no samples decide.
 *
 *     "decided on 77 of 1,222 items, wrong with probability 6.8e-6 at most"
 *     "undecided, taken as kept: 611 of 1,222 items do not tell"
 *
 * @param many the items' name: "windows".
 */
export function rungText(
  step: Pick<SearchStep, 'rung' | 'accepted'>,
  many = 'items',
): string | undefined {
  const { rung } = step;
  if (rung === undefined) return undefined;
  const { items, of, level } = rung;
  if (items === of) return `decided on all ${formatCount(of)} ${many}`;
  const some = `${formatCount(items)} of ${formatCount(of)} ${many}`;
  const taken = takenText(step);
  return taken === undefined
    ? `decided on ${some}, wrong with probability ${level.toPrecision(2)} at most`
    : `${taken}: ${some} do not tell`;
}
