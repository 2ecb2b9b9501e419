import type { Sealed } from './record.js';
import type { Owner } from './sqlite/owner.js';
import type { Holder, Run, StoredMeasurement, StoredVerdict } from './types.js';

/** Rows of one kind, sealed. */
export interface Rows<T> {
  /** The row of an id. */
  read(id: string): Sealed | undefined;
  /** In the order they were first written. */
  readAll(): Iterable<Sealed>;
  /** Inserts a row, or overwrites the one of the same id in its place. */
  write(row: T): void;
}

/** A run as it is kept: with the process that runs it. */
export interface KeptRun extends Run {
  readonly owner: Owner;
}

/** The rows of a store, wherever they lie. */
export interface StoreRows {
  /** Their place, for errors. */
  readonly where: string;
  /** This process. */
  readonly owner: Owner;
  readonly measurements: Rows<StoredMeasurement>;
  readonly verdicts: Rows<StoredVerdict>;
  readonly runs: Rows<KeptRun>;
  /** Runs `work` with no other writer in between. */
  exclusively<T>(work: () => T): T;
  /** Takes the right to measure, or returns the other process that has it. */
  claim(id: string): Holder | undefined;
  /** Gives the right back. */
  release(id: string): void;
  /** Closes the place of the rows; closing twice is allowed. */
  close(): void;
}
