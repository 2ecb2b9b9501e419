import {
  checkedKey,
  keyId,
  matches,
  verdictId,
  type KeyFilter,
  type MeasurementKey,
  type VerdictLimit,
} from './key.js';
import { describeMachine } from './machine.js';
import { Memo } from './memoise.js';
import { holdingUntilUnlocked, type Tell } from './patience.js';
import { hasExtras, openMeasurement, openVerdict, withEarlierExtras } from './record.js';
import type { StoreRows } from './rows.js';
import { runLog } from './sqlite/runs.js';
import type {
  Answer,
  GetOrMeasureOptions,
  MeasurementStore,
  MemoisedMeasurement,
  MemoisedVerdict,
  Outcome,
  Question,
  RunLog,
  SetAside,
  StoredMeasurement,
  StoredVerdict,
  Verdict,
} from './types.js';

/** All of a store but its rows. */
interface Surroundings {
  readonly setAside?: SetAside | undefined;
  readonly tell?: Tell | undefined;
  readonly patienceMs?: number | undefined;
}

/** A store over rows: keys, seals and memoising, the same wherever the rows lie. */
export class RowStore implements MeasurementStore {
  readonly runs: RunLog;
  readonly setAside: SetAside | undefined;
  private readonly memo: Memo;
  private readonly machine = describeMachine();
  /** For calls that cannot wait for a lock otherwise; memoising waits by itself. */
  private readonly insist: <T>(work: () => T) => T;

  constructor(
    private readonly rows: StoreRows,
    readonly path: string | undefined,
    { setAside, tell, patienceMs }: Surroundings = {},
  ) {
    this.setAside = setAside;
    this.insist = (work) => holdingUntilUnlocked(work, tell, patienceMs);
    this.runs = runLog({
      ...rows,
      exclusively: (work) => this.insist(() => rows.exclusively(work)),
    });
    const source = {
      get: this.get.bind(this),
      verdict: this.verdict.bind(this),
      put: this.putNow.bind(this),
      putVerdict: this.putVerdictNow.bind(this),
    };
    this.memo = new Memo(source, rows, tell);
  }

  get(key: MeasurementKey): StoredMeasurement | undefined {
    const sealed = this.rows.measurements.read(keyId(key));
    return sealed && openMeasurement(sealed, this.rows.where);
  }

  has(key: MeasurementKey, needs: readonly string[] = []): boolean {
    const found = this.get(key);
    return found !== undefined && hasExtras(found, needs);
  }

  put(key: MeasurementKey, outcome: Outcome): StoredMeasurement {
    return this.insist(() => this.putNow(key, outcome));
  }

  private putNow(key: MeasurementKey, outcome: Outcome): StoredMeasurement {
    return this.rows.exclusively(() => {
      const kept = { ...withEarlierExtras(outcome, this.get(key)), key: checkedKey(key) };
      const stored: StoredMeasurement = { ...kept, ...this.origin() };
      this.rows.measurements.write(stored);
      return stored;
    });
  }

  list(filter: KeyFilter = {}): StoredMeasurement[] {
    const { measurements, where } = this.rows;
    const all = Array.from(measurements.readAll(), (sealed) => openMeasurement(sealed, where));
    return all.filter(({ key }) => matches(key, filter));
  }

  verdict(key: MeasurementKey, limit: VerdictLimit): StoredVerdict | undefined {
    const sealed = this.rows.verdicts.read(verdictId(key, limit));
    return sealed && openVerdict(sealed, this.rows.where);
  }

  putVerdict(key: MeasurementKey, limit: VerdictLimit, verdict: Verdict): StoredVerdict {
    return this.insist(() => this.putVerdictNow(key, limit, verdict));
  }

  private putVerdictNow(
    key: MeasurementKey,
    limit: VerdictLimit,
    { passes, bound }: Verdict,
  ): StoredVerdict {
    const stored = { key: checkedKey(key), limit, passes, bound, ...this.origin() };
    this.rows.verdicts.write(stored);
    return stored;
  }

  getOrMeasure(
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement> {
    return this.memo.getOrMeasure(key, measure, options);
  }

  getOrAnswer(
    key: MeasurementKey,
    questions: readonly Question[],
    ask: () => Promise<Answer>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement | MemoisedVerdict> {
    return this.memo.getOrAnswer(key, questions, ask, options);
  }

  close(): void {
    this.rows.close();
  }

  private origin(): { readonly createdAt: string; readonly machine: string } {
    return { createdAt: new Date().toISOString(), machine: this.machine };
  }
}
