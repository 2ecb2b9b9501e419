import { SearchError } from '../util/errors.js';
import { seededRandom } from '../util/random.js';
import {
  Assignment,
  checkSpace,
  groupsOf,
  normaliseBits,
  type Level,
  type SearchSpace,
} from './space.js';

/** Every unit at the same bits, for each bit width from high to low. */
export function uniformPlans(space: SearchSpace, bits: readonly number[]): Assignment[] {
  checkSpace(space);
  const units = space.units.map((unit) => unit.id);
  return normaliseBits(bits).map((width) => Assignment.unquantized.with(units, width));
}

export interface RandomPlanOptions {
  readonly bits: readonly number[];
  readonly level: Exclude<Level, 'global'>;
  /** The footprint to come close to from below. */
  readonly bytes: number;
  /** Share of it that a plan may stay below it; 0.02 by default. */
  readonly tolerance?: number;
  readonly count: number;
  readonly seed: number;
}

/** Draws for each plan asked for before it is given up. */
const MAX_DRAWS = 200;

/**
 * Different random plans of about one size: each group's bits are drawn uniformly from B, then randomly
 * chosen groups go a step down or up until the footprint is within the tolerance. The same seed gives the
 * same plans. Not uniform over all plans of that size: a baseline, not a sampler.
 *
 * @throws {SearchError} when so many plans of that size are not found.
 */
export function randomPlans(space: SearchSpace, options: RandomPlanOptions): Assignment[] {
  checkSpace(space);
  const { level, bytes: most, tolerance = 0.02, count, seed } = options;
  const bits = normaliseBits(options.bits);
  const groups = groupsOf(space, level);
  const random = seededRandom(seed);
  const least = most * (1 - tolerance);

  // Footprints are additive: what each group saves at each bit width is looked up.
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const saved = groups.map((group) =>
    bits.map((width) => fp32Bytes - space.bytes(Assignment.unquantized.with(group.units, width))),
  );

  const draw = (): Assignment | undefined => {
    const places = groups.map(() => random.integer(0, bits.length - 1));
    // Down or up by one step at a time; a plan that jumps over the window again and again is given up.
    for (let step = 0; step < groups.length * bits.length; step++) {
      const size = places.reduce((sum, place, group) => sum - saved[group][place], fp32Bytes);
      if (size >= least && size <= most)
        return groups.reduce(
          (plan, { units }, group) => plan.with(units, bits[places[group]]),
          Assignment.unquantized,
        );
      const by = size > most ? 1 : -1;
      const movable = [...places.keys()].filter((group) => {
        const place = places[group] + by;
        return place >= 0 && place < bits.length;
      });
      if (movable.length === 0) return undefined;
      places[movable[random.integer(0, movable.length - 1)]] += by;
    }
    return undefined;
  };

  const plans = new Map<string, Assignment>();
  for (let draws = 0; plans.size < count && draws < MAX_DRAWS * count; draws++) {
    const plan = draw();
    if (plan !== undefined) plans.set(plan.key, plan);
  }
  if (plans.size < count)
    throw new SearchError({
      what: 'not enough random plans of that size',
      where: 'random plans',
      got: `${plans.size} between ${Math.ceil(least)} and ${most} bytes`,
      expected: `${count}; another size, tolerance or bit widths`,
    });
  return [...plans.values()];
}
