import type { Estimate } from '../../energy/measured/statistics.js';
import { QuantError, SearchError } from '../../util/errors.js';
import type { PackedSpeed } from './packed-speed.js';

/** A limit that a measured speed has to keep. */
export interface SpeedLimit {
  readonly least: number;
  /** Tokens a second, or times the speed in float32. */
  readonly unit: 'tokens/s' | 'of float32';
}

/** The statement that an interval allows. */
export type SpeedVerdict = 'keeps' | 'fails' | 'not told apart';

/** A plan that was looked at for a limit. */
export interface JudgedSpeed {
  /** Id of the plan. */
  readonly plan: string;
  readonly verdict: SpeedVerdict | 'not packed';
  /** Absent where the plan has no packed execution. */
  readonly speed?: PackedSpeed;
  /** The reason for that. */
  readonly reason?: string;
}

/** No plan of a search was shown to keep a limit on speed. */
export class UnmetSpeedError extends SearchError {}

/** The number that a limit is about. */
export function limitedBy(speed: PackedSpeed, { unit }: SpeedLimit): Estimate {
  return unit === 'tokens/s' ? speed.tokensPerSecond : speed.ofFloat32;
}

/** "keeps" only with the whole interval at the limit or above: where noise decides, nothing is said. */
export function speedVerdict(speed: PackedSpeed, limit: SpeedLimit): SpeedVerdict {
  const { low, high } = limitedBy(speed, limit);
  if (low >= limit.least) return 'keeps';
  return high < limit.least ? 'fails' : 'not told apart';
}

/** A selection among plans whose speed was shown to keep the limit, and the better ones that were passed over. */
export interface SelectedBySpeed<T> {
  /** Undefined where no plan was shown to keep it. */
  readonly selected: T | undefined;
  /** In the order in which they were looked at, the selected one the last. */
  readonly judged: readonly JudgedSpeed[];
}

/**
 * Takes the best plan whose measured speed keeps a limit: the best of all is measured, and unless it keeps the limit
 * the best of the others, and so on. A plan that there is no packed execution of is passed over.
 *
 * @param best of the candidates without those plans, named by their ids; undefined of none.
 * @param measure is not asked for a plan that `known` has: several calls with the same one measure a plan once.
 * @throws what `measure` throws, but for {QuantError}.
 */
export async function selectBySpeed<T>(
  best: (without: ReadonlySet<string>) => { readonly plan: string; readonly own: T } | undefined,
  measure: (own: T) => Promise<PackedSpeed>,
  limit: SpeedLimit,
  known: Map<string, JudgedSpeed> = new Map(),
): Promise<SelectedBySpeed<T>> {
  const judged: JudgedSpeed[] = [];
  for (;;) {
    const next = best(new Set(judged.map(({ plan }) => plan)));
    if (next === undefined) return { selected: undefined, judged };
    const { plan, own } = next;
    const verdict = known.get(plan) ?? (await judge(plan, () => measure(own), limit));
    known.set(plan, verdict);
    judged.push(verdict);
    if (verdict.verdict === 'keeps') return { selected: own, judged };
  }
}

async function judge(
  plan: string,
  measure: () => Promise<PackedSpeed>,
  limit: SpeedLimit,
): Promise<JudgedSpeed> {
  try {
    const speed = await measure();
    return { plan, verdict: speedVerdict(speed, limit), speed };
  } catch (error) {
    if (!(error instanceof QuantError)) throw error;
    return { plan, verdict: 'not packed', reason: error.message };
  }
}
