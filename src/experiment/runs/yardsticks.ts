import { planId } from '../../quant/plan.js';
import { randomPlans, uniformPlans } from '../../search/baselines.js';
import { evaluateExactly, type ExactEvaluation } from '../../search/evaluation.js';
import type { RungDecision } from '../../search/ladder/rungs.js';
import type { Assignment } from '../../search/space.js';
import { ModelError, SearchError, throwIfAborted } from '../../util/errors.js';
import { formatCount } from '../../util/format.js';
import { mapInFlight, type RunOptions } from '../../util/progress.js';
import { storedBitsOf, type ModelSpace } from '../open/model-space.js';
import type { SearchLadder } from './ladder-run.js';
import type { SearchSettings } from './search-settings.js';

/** A plan that no search chose, measured on the search split. */
export interface YardstickPoint {
  readonly kind: 'uniform' | 'random';
  /** "8 bits", "random 2" */
  readonly name: string;
  readonly plan: string;
  /** NaN where the plan broke the model. */
  readonly metric: number;
  readonly low?: number;
  readonly high?: number;
  /** The same beside the unquantized model's metric, item by item; absent of a run of an earlier version. */
  readonly pairedLow?: number;
  readonly pairedHigh?: number;
  readonly bytes: number;
  readonly bits: Readonly<Record<string, number>>;
}

/** A way to measure a plan, or where samples decide to estimate it. */
type Yardstick = Pick<SearchLadder, 'evaluate'> &
  Partial<Pick<SearchLadder, 'estimate' | 'used'>> & {
    /** Plans that may be measured at once; one by default. */
    readonly inFlight?: () => number;
  };

/** Of a two-sided interval of 95 %, a side. */
const INTERVAL_LEVEL = 0.025;

/** An estimate in the form of a measurement; NaN of a plan that breaks the model. */
async function estimated(
  rung: Promise<RungDecision>,
): Promise<Pick<ExactEvaluation, 'metric' | 'extras'>> {
  try {
    const { estimate, low, high } = await rung;
    return { metric: estimate, extras: { low, high } };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { metric: NaN };
  }
}

/** Share of the selected plan's bytes that a random plan may stay below it. */
const SIZE_TOLERANCE = 0.05;

/** Random plans of a size; none where the bit widths allow no plan of that size. */
function randomOfSize(
  space: ModelSpace,
  { bits, granularity, yardsticks: { random, seed } }: SearchSettings,
  bytes: number,
): Assignment[] {
  const sizes = { bits, level: granularity, bytes, tolerance: SIZE_TOLERANCE };
  for (let count = random; count > 0; count--)
    try {
      return randomPlans(space, { ...sizes, count, seed });
    } catch (error) {
      // Fewer of that size than asked for.
      if (!(error instanceof SearchError)) throw error;
    }
  return [];
}

/**
 * Measures the plans that a search's result is to beat: every width for all units, and random plans of the
 * selected plan's size (up to 5 % smaller), as many as there are up to the number asked for.
 *
 * Where samples decide, these plans are only estimated on the smallest one, which their names say.
 *
 * @param selected without it there are no random plans.
 */
export async function measureYardsticks(
  space: ModelSpace,
  { evaluate, estimate, used, inFlight = () => 1 }: Yardstick,
  settings: SearchSettings,
  selected: Assignment | undefined,
  { onProgress, signal }: RunOptions = {},
): Promise<YardstickPoint[]> {
  const { bits, yardsticks } = settings;
  const uniform = yardsticks.uniform ? uniformPlans(space, bits) : [];
  const taken = new Set([...uniform, ...(selected ? [selected] : [])].map(({ key }) => key));
  const sized = selected ? randomOfSize(space, settings, space.bytes(selected)) : [];
  const random = sized.filter(({ key }) => !taken.has(key));
  const [first] = space.units;
  const plans = [
    ...uniform.map((plan) => ['uniform', `${plan.bitsOf(first.id)} bits`, plan] as const),
    ...random.map((plan, index) => ['random', `random ${index + 1}`, plan] as const),
  ];
  const step = { phase: 'compare', total: plans.length, unit: 'evaluations' };
  let done = 0;
  const pointOf = async ([
    kind,
    name,
    assignment,
  ]: (typeof plans)[number]): Promise<YardstickPoint> => {
    throwIfAborted(signal, 'compare');
    onProgress?.({ ...step, done, note: name });
    const found =
      estimate && used
        ? await estimated(estimate(assignment, INTERVAL_LEVEL, { ...(signal && { signal }) }))
        : await evaluateExactly(evaluate, assignment, { signal });
    const { metric, extras } = found;
    const { low, high, pairedLow, pairedHigh } = (extras ?? {}) as Partial<Record<string, number>>;
    done++;
    return {
      kind,
      name: used ? `${name} (on ${formatCount(used.rungs[0])} of ${formatCount(used.all)})` : name,
      plan: planId(space.resolve(assignment)),
      metric,
      ...(low !== undefined && { low }),
      ...(high !== undefined && { high }),
      ...(pairedLow !== undefined && { pairedLow }),
      ...(pairedHigh !== undefined && { pairedHigh }),
      bytes: space.bytes(assignment),
      bits: storedBitsOf(assignment, space),
    };
  };
  return mapInFlight(plans, inFlight, pointOf);
}
