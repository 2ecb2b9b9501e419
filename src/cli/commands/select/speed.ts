import { InvalidArgumentError, Option } from 'commander';
import type { RunJson } from '../../../experiment/record/schema.js';
import type { CandidatesJson } from '../../../experiment/record/search-schema.js';
import type { SavedSelection } from '../../../experiment/record/select-saved.js';
import { speedWork } from '../../../experiment/selection/packed-speed.js';
import { withSavedSpeeds } from '../../../experiment/selection/saved-speeds.js';
import {
  limitedBy,
  selectBySpeed,
  UnmetSpeedError,
  type JudgedSpeed,
  type SpeedLimit,
} from '../../../experiment/selection/speed-limit.js';
import { resolvePlan } from '../../../quant/plan.js';
import { describeMachine } from '../../../store/machine.js';
import { UsageError } from '../../../util/errors.js';
import { formatTable, numberColumns, type Fact } from '../../format/table.js';
import { positiveInteger } from '../../options/common.js';
import type { Session } from '../../session.js';
import { estimateText } from '../energy/columns.js';

/** Flags of a limit on speed. */
export interface SpeedFlags {
  readonly minSpeed?: SpeedLimit;
  readonly repeat?: number;
}

export function minSpeedOption(): Option {
  return new Option(
    '--min-speed <limit>',
    'tokens/s ("120"), or times float32 ("1.2x"), at least, in packed execution: candidates are measured, best first, until one is shown to keep it; wasm, SpikeGPT',
  ).argParser(speedLimit);
}

/** "120" tokens/s, "1.2x" the speed in float32. */
export function speedLimit(text: string): SpeedLimit {
  const match = /^(\d+(?:\.\d+)?)(x?)$/.exec(text.trim());
  const least = Number(match?.[1]);
  if (match === null || !(least > 0))
    throw new InvalidArgumentError(
      'Expected tokens/s ("120"), or times the speed in float32 ("1.2x").',
    );
  return { least, unit: match[2] === 'x' ? 'of float32' : 'tokens/s' };
}

export function repeatOption(): Option {
  return new Option(
    '--repeat <count>',
    'with --min-speed: windows of each plan and of float32, at least 2; default: 10',
  ).argParser(positiveInteger);
}

/** @throws {UsageError} for repeats without a limit, and too few of them. */
export function checkSpeedFlags({ minSpeed, repeat }: SpeedFlags): void {
  if (repeat === undefined || (minSpeed !== undefined && repeat > 1)) return;
  throw new UsageError({
    what: minSpeed === undefined ? 'nothing is repeated' : 'too few repeats for an interval',
    where: '--repeat',
    got: String(repeat),
    expected: minSpeed === undefined ? '--min-speed with it' : 'at least 2',
  });
}

/** Selections under a limit on speed, and the speeds that were measured for them. */
export interface FastSelections {
  readonly limit: SpeedLimit;
  /** Undefined for a weight without a plan that was shown to keep the limit. */
  readonly selections: readonly (SavedSelection | undefined)[];
  /** A plan once. */
  readonly judged: readonly JudgedSpeed[];
  readonly machine: string;
  readonly work: string;
  readonly repeat: number;
  /** Plans whose intervals hold together. */
  readonly plans: number;
}

/**
 * Selects for each weight the best plan whose packed speed keeps the limit.
 *
 * @param select of the candidates that are left.
 */
export async function selectFast(
  session: Session,
  run: RunJson,
  kept: CandidatesJson,
  { lambdas, limit, repeat = 10 }: SpeedRequest,
  select: (kept: CandidatesJson, lambda: number) => SavedSelection | undefined,
): Promise<FastSelections> {
  const plans = new Set(kept.candidates.map(({ plan }) => plan)).size;
  return withSavedSpeeds(run, { repeat, plans, ...session.run }, async (speeds, description) => {
    const known = new Map<string, JudgedSpeed>();
    const selections: (SavedSelection | undefined)[] = [];
    for (const lambda of lambdas) {
      const { selected } = await selectBySpeed(
        (without) => {
          const candidates = kept.candidates.filter(({ plan }) => !without.has(plan));
          const own = select({ ...kept, candidates }, lambda);
          return own && { plan: own.candidate.plan, own };
        },
        ({ plan }) => speeds.measure(resolvePlan(plan, description.hierarchy)),
        limit,
        known,
      );
      selections.push(selected);
    }
    const [machine, work] = [describeMachine(), speedWork(description)];
    return { limit, selections, judged: [...known.values()], machine, work, repeat, plans };
  });
}

interface SpeedRequest {
  readonly lambdas: readonly number[];
  readonly limit: SpeedLimit;
  readonly repeat?: number | undefined;
}

/**
 * The selections, where each weight has one.
 *
 * @throws {UnmetSpeedError} with the fastest plan that was measured.
 */
export function requireFast(fast: FastSelections, where: string): SavedSelection[] {
  const { selections, limit, judged } = fast;
  const found = selections.filter((own) => own !== undefined);
  if (found.length === selections.length) return found;
  const count = (verdict: JudgedSpeed['verdict']): number =>
    judged.filter((each) => each.verdict === verdict).length;
  throw new UnmetSpeedError({
    what: `no plan of this search was shown to keep ${limitText(limit)} in packed execution`,
    where,
    got:
      `${count('fails')} below it, ${count('not told apart')} not told apart from it, ` +
      `${count('not packed')} without packed execution; fastest: ${fastestText(fast)}`,
    expected: 'a lower limit, or more repeats where noise decides',
  });
}

function fastestText({ judged, limit }: FastSelections): string {
  const speeds = judged.flatMap(({ plan, speed }) =>
    speed ? [{ plan, at: limitedBy(speed, limit) }] : [],
  );
  if (speeds.length === 0) return 'none';
  const { plan, at } = speeds.reduce((one, other) => (other.at.value > one.at.value ? other : one));
  return `${plan}, ${estimateText(at)}`;
}

/** "1.2 times float32", "120 tokens/s" */
export function limitText({ least, unit }: SpeedLimit): string {
  return unit === 'tokens/s' ? `${least} tokens/s` : `${least} times float32`;
}

/** The limit, and the conditions of what was measured for it. */
export function speedFacts({ limit, machine, work, repeat, plans }: FastSelections): Fact[] {
  return [
    ['speed', `at least ${limitText(limit)} in packed execution, measured now: ${work}`],
    ['machine', machine],
    [
      'intervals',
      `95 %, Student of logarithms, over ${repeat} repeats, of ${plans} plans together; another time may decide otherwise near the limit`,
    ],
  ];
}

/** A line a plan that was looked at, in the order in which that was. */
export function speedTable({ judged }: FastSelections): string {
  return formatTable(
    [
      ...[{ title: 'plan' }, { title: 'limit' }],
      ...numberColumns('tokens/s packed', 'times float32'),
    ],
    judged.map(({ plan, verdict, speed, reason }) => [
      ...[plan, reason === undefined ? verdict : `${verdict}: ${reason}`],
      ...(speed ? [estimateText(speed.tokensPerSecond), estimateText(speed.ofFloat32)] : ['', '']),
    ]),
  );
}

/** The same for a result in JSON. */
export function speedJson({ limit, judged, machine, work, repeat, plans }: FastSelections): object {
  return { origin: 'measured', execution: 'packed', limit, judged, machine, work, repeat, plans };
}
