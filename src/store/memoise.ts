import { setTimeout as wait } from 'node:timers/promises';
import { throwIfAborted } from '../util/errors.js';
import { keyId, type MeasurementKey } from './key.js';
import { hasExtras } from './record.js';
import type {
  Answer,
  GetOrMeasureOptions,
  Holder,
  MeasurementStore,
  MemoisedMeasurement,
  MemoisedVerdict,
  Outcome,
  Question,
} from './types.js';

/** How often to look whether another process has finished, in milliseconds. */
const POLL_MS = 50;

/** What memoising needs of a store. */
export type MemoSource = Pick<MeasurementStore, 'get' | 'put' | 'verdict' | 'putVerdict'> & {
  /** Takes the right to measure, or returns which other process has it. */
  claim(id: string): Holder | undefined;
  release(id: string): void;
};

type Known = MemoisedMeasurement | MemoisedVerdict;

/** What is asked for, and how it is found out where nobody knows. */
interface Request extends GetOrMeasureOptions {
  readonly key: MeasurementKey;
  readonly id: string;
  readonly questions: readonly Question[];
  readonly ask: () => Promise<Answer>;
}

/** Measures each key once, among the callers in this process and among processes. */
export class Memo {
  readonly #source: MemoSource;
  /** By key id; settles without error when the caller at work is done, whatever came of it. */
  readonly #atWork = new Map<string, Promise<void>>();

  constructor(source: MemoSource) {
    this.#source = source;
  }

  async getOrMeasure(
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options: GetOrMeasureOptions = {},
  ): Promise<MemoisedMeasurement> {
    // Without a question no verdict is an answer.
    return (await this.getOrAnswer(key, [], measure, options)) as MemoisedMeasurement;
  }

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
      const found = this.#find(request);
      if (found !== undefined) return found;
      const other = this.#atWork.get(id);
      if (other === undefined) break;
      await settledOrAborted(other, options.signal);
    }
    const work = this.#claimAndAsk(request);
    this.#atWork.set(
      id,
      work.then(
        () => undefined,
        () => undefined,
      ),
    );
    try {
      return await work;
    } finally {
      this.#atWork.delete(id);
    }
  }

  async #claimAndAsk(request: Request): Promise<Known> {
    const { id, ask, onWait, signal } = request;
    let told = false;
    for (;;) {
      const holder = this.#source.claim(id);
      if (holder === undefined) break;
      if (!told) onWait?.(holder);
      told = true;
      await settledOrAborted(wait(POLL_MS), signal);
      throwIfAborted(signal, 'measurement');
      const found = this.#find(request);
      if (found !== undefined) return found;
    }
    try {
      // Another process may have put it between our look and our claim.
      return this.#find(request) ?? this.#keep(request, await ask());
    } finally {
      this.#source.release(id);
    }
  }

  #find({ key, questions, needs = [] }: Request): Known | undefined {
    for (const { limit, accepts } of questions) {
      const verdict = this.#source.verdict(key, limit);
      if (verdict !== undefined && accepts(verdict)) return { verdict, limit, fresh: false };
    }
    const found = this.#source.get(key);
    if (found === undefined || !hasExtras(found, needs)) return undefined;
    return { ...found, fresh: false };
  }

  #keep({ key }: Request, answer: Answer): Known {
    if (!('verdict' in answer)) return { ...this.#source.put(key, answer), fresh: true };
    const { verdict, limit } = answer;
    this.#source.putVerdict(key, limit, verdict);
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
