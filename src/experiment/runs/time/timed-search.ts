import { rungSizes } from '../../../search/ladder/rungs.js';
import type { SearchProgress } from '../../../search/trace.js';
import { formatCount, roughTime } from '../../../util/format.js';
import type { ProgressEvent } from '../../../util/progress.js';
import type { Study } from '../../open/study.js';
import { jsonText } from '../../record/folder.js';
import type { RunRecord } from '../../record/run-record.js';
import { LADDER_JSON } from '../../record/schema.js';
import type { SearchSettings } from '../search-settings.js';
import type { SweepSettings } from '../sweep-result.js';
import { estimateOf, estimateText, type Speed, type WorkPart } from './estimate.js';
import { sampleSpeed } from './sample.js';
import { SearchRest } from './search-rest.js';
import { searchWork, sweepWork, type SearchWork } from './work-ahead.js';

type Listener = (event: ProgressEvent | SearchProgress) => void;

interface Told {
  readonly onProgress?: Listener | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly estimate?: boolean | undefined;
}

/** A search that knows its time. */
export interface TimedSearch {
  /** Tells the time left with the search's own events. */
  readonly onProgress: Listener | undefined;
  /** Rungs that the time allows; undefined where none is given. */
  readonly rungs: number | undefined;
}

/** A phase of its own: whoever shows progress may keep its note. */
export const ESTIMATE_PHASE = 'estimate';

/**
 * Estimates a search from a timed sample, tells it, and where a time is given chooses the largest rung by it. The
 * choice is kept in the run's folder: taken up again, a run goes on with it whatever the speed is then.
 */
export async function timedSearch(
  study: Study,
  settings: SearchSettings,
  record: Pick<RunRecord, 'kept' | 'write'>,
  { onProgress, signal, estimate = true }: Told,
): Promise<TimedSearch> {
  const time = settings.ladder?.time;
  const told = estimate && onProgress !== undefined;
  const kept = time === undefined ? undefined : await record.kept(LADDER_JSON);
  if (!told && (time === undefined || kept !== undefined))
    return { onProgress, rungs: rungsKept(kept) };
  const speed = await sampleSpeed(study, signal && { signal });
  const sizes = rungSizes(study.task.items);
  const rungs =
    time === undefined ? undefined : (rungsKept(kept) ?? rungsWithin(study, settings, speed, time));
  if (rungs !== undefined && kept === undefined)
    await record.write(LADDER_JSON, jsonText({ rungs, speed }));
  const largest = rungs === undefined ? 1 : sizes[rungs - 1] / study.task.items;
  const work = searchWork(study, settings, largest);
  if (!told) return { onProgress, rungs };
  const text = estimateText(estimateOf(allOf(work), speed));
  onProgress(estimateEvent([text, ...rungsText(rungs, sizes, time, work, speed)].join('; ')));
  const rest = new SearchRest(work, speed);
  return {
    onProgress: (event) => {
      onProgress('stage' in event ? rest.see(event) : event);
    },
    rungs,
  };
}

/** Estimates a sweep from a timed sample and tells it. */
export async function tellSweepTime(
  study: Study,
  settings: SweepSettings,
  { onProgress, signal }: Told,
): Promise<void> {
  if (onProgress === undefined) return;
  const speed = await sampleSpeed(study, signal && { signal });
  onProgress(estimateEvent(estimateText(estimateOf(sweepWork(study, settings), speed))));
}

function estimateEvent(note: string): ProgressEvent {
  return { phase: ESTIMATE_PHASE, done: 1, total: 1, unit: 'samples', note };
}

function allOf({ before, decisions, after }: SearchWork): WorkPart[] {
  return [...before, ...decisions, ...after];
}

/** The most rungs that a search is expected to be through with in time, if all its decisions take the largest. */
function rungsWithin(study: Study, settings: SearchSettings, speed: Speed, time: number): number {
  const sizes = rungSizes(study.task.items);
  const exact = { ...settings, ladder: undefined };
  for (let rungs = sizes.length; rungs > 1; rungs--) {
    const share = sizes[rungs - 1] / study.task.items;
    const { before, after } = searchWork(study, settings, share);
    const whole = searchWork(study, exact).decisions;
    const decisions = whole.map((part) => ({ ...part, tokens: share * part.tokens }));
    if (estimateOf([...before, ...decisions, ...after], speed).seconds <= time) return rungs;
  }
  return 1;
}

function rungsText(
  rungs: number | undefined,
  sizes: readonly number[],
  time: number | undefined,
  work: SearchWork,
  speed: Speed,
): string[] {
  if (rungs === undefined || time === undefined) return [];
  const [largest, all] = [sizes[rungs - 1], sizes[sizes.length - 1]];
  const sample =
    largest === all
      ? 'decisions go up to all items'
      : `decisions go up to ${formatCount(largest)} of ${formatCount(all)} items`;
  const { seconds } = estimateOf(allOf(work), speed);
  return seconds > time ? [sample, `more than the ${roughTime(time)} asked for`] : [sample];
}

function rungsKept(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    const { rungs } = JSON.parse(text) as { rungs?: unknown };
    return Number.isSafeInteger(rungs) && (rungs as number) > 0 ? (rungs as number) : undefined;
  } catch {
    return undefined;
  }
}
