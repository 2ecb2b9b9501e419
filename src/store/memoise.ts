import { setTimeout as wait } from 'node:timers/promises';
import { throwIfAborted } from '../util/errors.js';
import { keyId, type MeasurementKey } from './key.js';
import { whenUnlocked, type Tell } from './patience.js';
import { hasExtras } from './record.js';
import type { StoreRows } from './rows.js';
import type {
  Answer,
  GetOrMeasureOptions,
  MeasurementStore,
  MemoisedMeasurement,
  MemoisedVerdict,
  Outcome,
  Question,
} from './types.js';

/** Time between two looks at whether another process has finished, in milliseconds. */
const POLL_MS = 50;

/** The part of a store that memoising needs. */
export type MemoSource = Pick<MeasurementStore, 'get' | 'put' | 'verdict' | 'putVerdict'>;

type Known = MemoisedMeasurement | MemoisedVerdict;

/** An answer that is asked for, and the way to find it where nobody knows it. */
interface Request extends GetOrMeasureOptions {
  readonly key: MeasurementKey;
  readonly id: string;
  readonly questions: readonly Question[];
  readonly ask: () => Promise<Answer>;
}

/** Measures each key once, among the callers in this process and among processes. */
export class Memo {
  /** By key id; settles without error when the caller at work is done, whatever came of it. */
  private readonly atWork = new Map<string, Promise<void>>();

  constructor(
    private readonly source: MemoSource,
    private readonly claims: Pick<StoreRows, 'claim' | 'release'>,
    private readonly tell?: Tell,
  ) {}

  /** As {@link MeasurementStore.getOrMeasure}. */
  async getOrMeasure(
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options: GetOrMeasureOptions = {},
  ): Promise<MemoisedMeasurement> {
    // Without a question no verdict is an answer.
    return (await this.getOrAnswer(key, [], measure, options)) as MemoisedMeasurement;
  }

  /** As {@link MeasurementStore.getOrAnswer}. */
  async getOrAnswer(
    key: MeasurementKey,
    questions: readonly Question[],
    ask: () => Promise<Answer>,
    options: GetOrMeasureOptions = {},
  ): Promise<Known> {
    const id = keyId(key);
    const request = { key, id, questions, ask, ...options };
    for (;;) {
      throwIfAborted(options.signal, 'measurement');
      const found = await this.patiently(request, () => this.find(request));
      if (found !== undefined) return found;
      const other = this.atWork.get(id);
      if (other === undefined) break;
      await settledOrAborted(other, options.signal);
    }
    const work = this.claimAndAsk(request);
    const settled = (): undefined => undefined;
    this.atWork.set(id, work.then(settled, settled));
    try {
      return await work;
    } finally {
      this.atWork.delete(id);
    }
  }

  private async claimAndAsk(request: Request): Promise<Known> {
    const { id, ask, onWait, signal } = request;
    let told = false;
    for (;;) {
      const holder = await this.patiently(request, () => this.claims.claim(id));
      if (holder === undefined) break;
      if (!told) onWait?.(holder);
      told = true;
      await settledOrAborted(wait(POLL_MS), signal);
      throwIfAborted(signal, 'measurement');
      const found = await this.patiently(request, () => this.find(request));
      if (found !== undefined) return found;
    }
    try {
      // Another process may have put it between our look and our claim.
      const found = await this.patiently(request, () => this.find(request));
      if (found !== undefined) return found;
      const answer = await ask();
      return await this.patiently(request, () => this.keep(request, answer));
    } finally {
      this.claims.release(id);
    }
  }

  /** Another program may have the store locked for long: the measurement is not given up for that. */
  private patiently<T>({ signal }: Request, work: () => T): Promise<T> {
    return whenUnlocked(work, { tell: this.tell, signal });
  }

  private find({ key, questions, needs = [] }: Request): Known | undefined {
    for (const { limit, accepts } of questions) {
      const verdict = this.source.verdict(key, limit);
      if (verdict !== undefined && accepts(verdict)) return { verdict, limit, fresh: false };
    }
    const found = this.source.get(key);
    return found && hasExtras(found, needs) ? { ...found, fresh: false } : undefined;
  }

  private keep({ key }: Request, answer: Answer): Known {
    if (!('verdict' in answer)) return { ...this.source.put(key, answer), fresh: true };
    const { verdict, limit } = answer;
    this.source.putVerdict(key, limit, verdict);
    return { verdict, limit, fresh: true };
  }
}

/** Resolves at whichever comes first; the listener goes either way. */
async function settledOrAborted(
  work: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) {
    await work;
    return;
  }
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
