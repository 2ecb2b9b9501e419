import type { Measurement } from '../tasks/metrics/metrics.js';
import type { Json } from '../util/json.js';
import type { KeyFilter, MeasurementKey, VerdictLimit } from './key.js';

/** Figures of a measurement beside its metric: "kl" in nats, "flipRate", "sqnr" in dB. */
export type Extras = Readonly<Record<string, number | readonly number[]>>;

/** The result of measuring a plan. */
export interface Outcome {
  readonly measurement: Measurement;
  /** Footprint of the plan in bytes. */
  readonly bytes?: number;
  readonly extras?: Extras;
}

/** An outcome as the store keeps it. Floats come back bit for bit. */
export interface StoredMeasurement extends Outcome {
  readonly key: MeasurementKey;
  /** Time at which it was put, ISO 8601 in UTC. */
  readonly createdAt: string;
  /** Processor, platform and runtime it was measured on. */
  readonly machine: string;
}

export interface MemoisedMeasurement extends StoredMeasurement {
  /** True where this very call measured it, false where it was there already or another caller did. */
  readonly fresh: boolean;
}

/**
 * The verdict on a plan that was not measured to the end, because pass or fail was certain before
 * (`VerdictEvaluation` of the search, as a record).
 */
export interface Verdict {
  readonly passes: boolean;
  /** The metric still possible: of a failure the best, of a pass the worst. NaN: it is no number. */
  readonly bound: number;
}

/** The answer for a plan that need not be measured to the end. */
export type Answer = Outcome | SettledVerdict;

/** A verdict that became certain, and the limit it is about. */
export interface SettledVerdict {
  readonly verdict: Verdict;
  readonly limit: VerdictLimit;
}

export interface MemoisedVerdict extends SettledVerdict {
  /** As of {@link MemoisedMeasurement}. */
  readonly fresh: boolean;
}

/** A verdict that may answer for a plan instead of its measurement. */
export interface Question {
  readonly limit: VerdictLimit;
  /** True for a verdict under this limit that is an answer. */
  readonly accepts: (verdict: Verdict) => boolean;
}

/** A verdict as the store keeps it. */
export interface StoredVerdict extends Verdict {
  readonly key: MeasurementKey;
  readonly limit: VerdictLimit;
  /** Time at which it was put, ISO 8601 in UTC. */
  readonly createdAt: string;
  readonly machine: string;
}

/** Another process that is measuring the key asked for. */
export interface Holder {
  readonly pid: number;
  /** Host (and process namespace) that `pid` belongs to. */
  readonly scope: string;
}

export interface GetOrMeasureOptions {
  /** Extras that must be there: a stored measurement without them is measured again. */
  readonly needs?: readonly string[];
  /** Stops waiting for others; `measure` has to watch the signal itself. */
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process is found to be measuring this key. */
  readonly onWait?: (holder: Holder) => void;
}

/** The state of a run. One that says `running` while its process is known to be gone reads `interrupted`. */
export type RunState = 'running' | 'finished' | 'failed' | 'interrupted';

/** One command's work, for `qslm runs`. */
export interface Run {
  readonly id: string;
  /** "search", "sweep". */
  readonly kind: string;
  readonly config: Json;
  readonly state: RunState;
  /** ISO 8601 in UTC. */
  readonly startedAt: string;
  /** Null while it runs, and for a run that was interrupted by force. */
  readonly finishedAt: string | null;
  readonly result: Json;
  readonly machine: string;
}

export interface RunChange {
  /** Any state but `running` sets `finishedAt`. */
  readonly state?: RunState;
  readonly result?: Json;
}

export interface RunLog {
  /** Enters a run that begins. */
  create(run: { readonly kind: string; readonly config: Json }): Run;
  /** Oldest first. */
  list(filter?: { readonly kind?: string; readonly state?: RunState }): Run[];
  /** One run, by its id. */
  show(id: string): Run | undefined;
  /** @throws {StoreError} when there is no such run. */
  update(id: string, change: RunChange): Run;
}

/** A damaged store that was moved out of the way, or a damaged log of one, of which a copy was kept. */
export interface SetAside {
  /** `log`: the store goes on with what was written before the damage. */
  readonly part: 'store' | 'log';
  /** The damaged file's place now, its `-wal` and `-shm` beside it under the same name; a log's copy. */
  readonly path: string;
  /** The fault found in it. */
  readonly reason: string;
  /** Measurements, verdicts and runs that could still be read and checked, and are in the new store. */
  readonly recovered: number;
}

/**
 * Measurements by key. All calls but `getOrMeasure` are synchronous, as SQLite is, and take well
 * below a millisecond, or up to the busy timeout while another process writes.
 *
 * Every call throws `StoreError` when the disk is full, the file is not writable, locked for
 * longer than the busy timeout or damaged, and after `close`.
 */
export interface MeasurementStore {
  /** The store's file; undefined in memory. */
  readonly path: string | undefined;
  /** Set when opening found a damaged file: show it to the user. */
  readonly setAside: SetAside | undefined;
  readonly runs: RunLog;

  /** The measurement put for this key. */
  get(key: MeasurementKey): StoredMeasurement | undefined;
  /** True where the key was measured, with all the extras named in `needs`. */
  has(key: MeasurementKey, needs?: readonly string[]): boolean;
  /**
   * Keeps an outcome: once it returns, the outcome survives the process being killed and, on a disk
   * that honours fsync, a power cut. A second put replaces the first; extras of both are kept.
   */
  put(key: MeasurementKey, outcome: Outcome): StoredMeasurement;
  /** In the order they were first put. */
  list(filter?: KeyFilter): StoredMeasurement[];
  /** The verdict put for this key under this very limit: same metric, baseline and allowed loss. */
  verdict(key: MeasurementKey, limit: VerdictLimit): StoredVerdict | undefined;
  /** Keeps a verdict, as safely as `put` keeps an outcome. A second one replaces the first. */
  putVerdict(key: MeasurementKey, limit: VerdictLimit, verdict: Verdict): StoredVerdict;
  /**
   * The stored outcome, or the one of `measure`, which runs once a key however many callers and
   * processes ask at the same time: the others wait. If `measure` fails or its process dies, one of
   * those waiting takes over; an error reaches only the caller whose `measure` threw it.
   *
   * @throws {AbortedError} when the signal fires while waiting for another caller.
   */
  getOrMeasure(
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement>;
  /**
   * The same with verdicts as answers too: a stored one that some question accepts, or the one that `ask`
   * comes to, which is kept.
   *
   * @param questions asked in this order, before a measurement is looked for
   */
  getOrAnswer(
    key: MeasurementKey,
    questions: readonly Question[],
    ask: () => Promise<Answer>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement | MemoisedVerdict>;
  /** Gives up claims held, folds the log into the file. Closing twice is allowed. */
  close(): void;
}
