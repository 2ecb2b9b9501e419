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

/** A store over rows: keys, seals and memoising, the same wherever the rows lie. */
export class RowStore implements MeasurementStore {
  readonly runs: RunLog;
  private readonly memo: Memo;
  private readonly machine = describeMachine();

  constructor(
    private readonly rows: StoreRows,
    readonly path: string | undefined,
    readonly setAside: SetAside | undefined,
  ) {
    this.runs = runLog(rows);
    this.memo = new Memo(this, rows);
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

  putVerdict(key: MeasurementKey, limit: VerdictLimit, { passes, bound }: Verdict): StoredVerdict {
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
