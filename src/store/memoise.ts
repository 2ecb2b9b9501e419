import { setTimeout as wait } from 'node:timers/promises';
import { throwIfAborted } from '../util/errors.js';
import { keyId, type MeasurementKey } from './key.js';
import { hasExtras } from './record.js';
import type {
  GetOrMeasureOptions,
  Holder,
  MemoisedMeasurement,
  Outcome,
  StoredMeasurement,
} from './types.js';

/** How often to look whether another process has finished, in milliseconds. */
const POLL_MS = 50;

/** What memoising needs of a store. */
export interface MemoSource {
  get(key: MeasurementKey): StoredMeasurement | undefined;
  put(key: MeasurementKey, outcome: Outcome): StoredMeasurement;
  /** Takes the right to measure, or returns which other process has it. */
  claim(id: string): Holder | undefined;
  release(id: string): void;
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
    const id = keyId(key);
    for (;;) {
      throwIfAborted(options.signal, 'measurement');
      const found = this.#find(key, options);
      if (found !== undefined) return found;
      const other = this.#atWork.get(id);
      if (other === undefined) break;
      await settledOrAborted(other, options.signal);
    }
    const work = this.#claimAndMeasure(id, key, measure, options);
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

  async #claimAndMeasure(
    id: string,
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement> {
    let told = false;
    for (;;) {
      const holder = this.#source.claim(id);
      if (holder === undefined) break;
      if (!told) options.onWait?.(holder);
      told = true;
      await settledOrAborted(wait(POLL_MS), options.signal);
      throwIfAborted(options.signal, 'measurement');
      const found = this.#find(key, options);
      if (found !== undefined) return found;
    }
    try {
      // Another process may have put it between our look and our claim.
      const found = this.#find(key, options);
      if (found !== undefined) return found;
      return { ...this.#source.put(key, await measure()), fresh: true };
    } finally {
      this.#source.release(id);
    }
  }

  #find(key: MeasurementKey, options: GetOrMeasureOptions): MemoisedMeasurement | undefined {
    const found = this.#source.get(key);
    if (found === undefined || !hasExtras(found, options.needs ?? [])) return undefined;
    return { ...found, fresh: false };
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
