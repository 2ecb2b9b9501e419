/*
 * The names of everything in the server. All begin with one prefix, so that a user of Redis can be limited to it
 * (`~qslm:*`). BullMQ has its own keys below it, by the name of a queue.
 */

export const PREFIX = 'qslm';

/** Raise when messages change: workers of another version do not see the jobs. */
export const PROTOCOL = 3;

export const keys = {
  /** Ids of sessions; those without a {@link keys.session} are over. */
  sessions: `${PREFIX}:sessions`,
  /** The description of a session, for as long as its coordinator lives. */
  session: (session: string) => `${PREFIX}:session:${session}`,
  /** Reasons of workers that do not take part, by worker. */
  refused: (session: string) => `${PREFIX}:refused:${session}`,
  /** The worker that holds a seat. */
  holder: (session: string, seat: number) => `${PREFIX}:holder:${session}:${seat}`,
  /** The tally of an evaluation: a field a share, and `stop`. */
  tally: (session: string, evaluation: number) => `${PREFIX}:tally:${session}:${evaluation}`,
  /** A text by its SHA-256. */
  blob: (sha256: string) => `${PREFIX}:blob:${sha256}`,
  /** Ids of workers; those without a {@link keys.worker} are gone. */
  workers: `${PREFIX}:workers`,
  /** A worker as it describes itself, for as long as it lives. */
  worker: (worker: string) => `${PREFIX}:worker:${worker}`,
} as const;

/** The queue that seats are taken from by workers of one arithmetic. */
export const seatsQueue = (arithmetic: string): string => `seats-${arithmetic}`;
/** The queue of the shares of one seat. */
export const seatQueue = (session: string, seat: number): string => `seat-${session}-${seat}`;

/** Names of jobs in the queue of a seat. */
export const SHARE = 'share';
export const OBSERVE = 'observe';

/** Field of {@link keys.tally} that asks everyone to stop. */
export const STOP_FIELD = 'stop';

/** Seconds that a session outlives its coordinator, and a worker's record the worker. */
export const SESSION_SECONDS = 30;
export const WORKER_SECONDS = 10;
/** Pause between two signs of life, and between two looks at those of others. */
export const HEARTBEAT_MS = 2000;

/** Milliseconds that a job stays with a worker that is no longer heard of, and between two looks for such jobs. */
export const LOCK_MS = 5000;
export const STALLED_MS = 2500;
/** Workers that a share may take down with it. */
export const MOST_LOST_WORKERS = 3;
/** Attempts at a share that fails for a reason of the worker's, each on whatever worker has the seat by then. */
export const SHARE_ATTEMPTS = 3;
