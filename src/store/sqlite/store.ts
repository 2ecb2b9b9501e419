import { Claims } from './claims.js';
import type { Connection } from './connection.js';
import {
  checkedKey,
  keyId,
  matches,
  verdictId,
  type KeyFilter,
  type MeasurementKey,
  type VerdictLimit,
} from '../key.js';
import { describeMachine } from '../machine.js';
import { Memo } from '../memoise.js';
import { thisProcess } from './owner.js';
import { hasExtras, openMeasurement, openVerdict, withEarlierExtras } from '../record.js';
import {
  SEALED_COLUMNS,
  sealedOf,
  sealedRows,
  writeMeasurement,
  writeRun,
  writeVerdict,
} from './rows.js';
import { runLog } from './runs.js';
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
} from '../types.js';

/** Measurements in a SQLite file whose tables are in order; made by `openStore`. */
export class SqliteStore implements MeasurementStore {
  readonly path: string;
  readonly setAside: SetAside | undefined;
  readonly runs: RunLog;
  readonly #connection: Connection;
  readonly #claims: Claims;
  readonly #memo: Memo;
  readonly #machine = describeMachine();

  constructor(path: string, connection: Connection, setAside?: SetAside) {
    const owner = thisProcess();
    this.path = path;
    this.setAside = setAside;
    this.#connection = connection;
    this.#claims = new Claims(connection, owner);
    this.#memo = new Memo({
      get: (key) => this.get(key),
      put: (key, outcome) => this.put(key, outcome),
      verdict: (key, limit) => this.verdict(key, limit),
      putVerdict: (key, limit, verdict) => this.putVerdict(key, limit, verdict),
      claim: (id) => this.#claims.take(id),
      release: (id) => {
        this.#claims.release(id);
      },
    });
    this.runs = runLog({
      where: path,
      owner,
      read: (id) => {
        const row = connection.get(`SELECT ${SEALED_COLUMNS} FROM runs WHERE id = ?`, [id]);
        return row === undefined ? undefined : sealedOf(row);
      },
      readAll: () => sealedRows(connection, 'runs'),
      write: (run, sealed) => {
        writeRun(connection, run, sealed);
      },
      exclusively: (work) => connection.transaction(work),
    });
  }

  get(key: MeasurementKey): StoredMeasurement | undefined {
    const row = this.#connection.get(`SELECT ${SEALED_COLUMNS} FROM measurements WHERE id = ?`, [
      keyId(key),
    ]);
    return row === undefined ? undefined : openMeasurement(sealedOf(row), this.path);
  }

  has(key: MeasurementKey, needs: readonly string[] = []): boolean {
    const found = this.get(key);
    return found !== undefined && hasExtras(found, needs);
  }

  put(key: MeasurementKey, outcome: Outcome): StoredMeasurement {
    return this.#connection.transaction(() => {
      const stored: StoredMeasurement = {
        ...withEarlierExtras(outcome, this.get(key)),
        key: checkedKey(key),
        createdAt: new Date().toISOString(),
        machine: this.#machine,
      };
      writeMeasurement(this.#connection, stored);
      return stored;
    });
  }

  list(filter: KeyFilter = {}): StoredMeasurement[] {
    return Array.from(sealedRows(this.#connection, 'measurements'), (sealed) =>
      openMeasurement(sealed, this.path),
    ).filter(({ key }) => matches(key, filter));
  }

  verdict(key: MeasurementKey, limit: VerdictLimit): StoredVerdict | undefined {
    const row = this.#connection.get(`SELECT ${SEALED_COLUMNS} FROM verdicts WHERE id = ?`, [
      verdictId(key, limit),
    ]);
    return row === undefined ? undefined : openVerdict(sealedOf(row), this.path);
  }

  putVerdict(key: MeasurementKey, limit: VerdictLimit, verdict: Verdict): StoredVerdict {
    const stored: StoredVerdict = {
      key: checkedKey(key),
      limit,
      passes: verdict.passes,
      bound: verdict.bound,
      createdAt: new Date().toISOString(),
      machine: this.#machine,
    };
    writeVerdict(this.#connection, stored);
    return stored;
  }

  getOrMeasure(
    key: MeasurementKey,
    measure: () => Promise<Outcome>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement> {
    return this.#memo.getOrMeasure(key, measure, options);
  }

  getOrAnswer(
    key: MeasurementKey,
    questions: readonly Question[],
    ask: () => Promise<Answer>,
    options?: GetOrMeasureOptions,
  ): Promise<MemoisedMeasurement | MemoisedVerdict> {
    return this.#memo.getOrAnswer(key, questions, ask, options);
  }

  close(): void {
    this.#claims.releaseAll();
    try {
      // The driver closes late (see Connection): with the log folded in, the file is complete on
      // its own.
      this.#connection.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Closed before, or others are at work: their close, or the next open, folds it in.
    }
    this.#connection.close();
  }
}
