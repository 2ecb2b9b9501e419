import type { Holder } from '../types.js';
import { textOf, type Connection, type Row } from './connection.js';
import { livenessOf, type Liveness, type Owner } from './owner.js';

/** Time between two signs that a process is still measuring, in milliseconds. */
const HEARTBEAT_MS = 10_000;

/**
 * Time after its last heartbeat for which a claim still counts, in milliseconds. Nothing for a process
 * known to be dead. Long for one known to live: a pure JavaScript backend can keep the event loop,
 * and with it the heartbeat, for minutes. A minute where nobody can tell. Too short costs a second
 * measurement, never a wrong one.
 */
const PATIENCE_MS: Readonly<Record<Liveness, number>> = {
  dead: 0,
  unknown: 60_000,
  alive: 600_000,
};

/** The measurements under way, among all processes that share the store. */
export class Claims {
  private readonly held = new Set<string>();
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly owner: Owner,
  ) {}

  /** Takes the claim on a measurement, or returns its holder. */
  take(id: string): Holder | undefined {
    const select =
      'SELECT owner, CAST(heartbeat_at AS REAL) AS heartbeat_at FROM claims WHERE id = ?';
    const holder = this.connection.transaction(() => {
      const row = this.connection.get(select, [id]);
      const other = row && holderOf(row);
      if (other !== undefined) return other;
      this.connection.run(
        `INSERT INTO claims (id, token, owner, heartbeat_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
           token = excluded.token, owner = excluded.owner, heartbeat_at = excluded.heartbeat_at`,
        [id, this.owner.token, Buffer.from(JSON.stringify(this.owner)), Date.now()],
      );
      return undefined;
    });
    if (holder === undefined) this.hold(id);
    return holder;
  }

  /** Gives a claim back. Never throws: a claim left behind runs out by itself. */
  release(id: string): void {
    this.held.delete(id);
    if (this.held.size === 0) clearInterval(this.heartbeat);
    this.quietly('DELETE FROM claims WHERE token = ? AND id = ?', [this.owner.token, id]);
  }

  /** Gives all claims back. */
  releaseAll(): void {
    this.held.clear();
    clearInterval(this.heartbeat);
    this.quietly('DELETE FROM claims WHERE token = ?', [this.owner.token]);
  }

  private hold(id: string): void {
    this.held.add(id);
    if (this.held.size > 1) return;
    const update = 'UPDATE claims SET heartbeat_at = ? WHERE token = ?';
    this.heartbeat = setInterval(() => {
      this.quietly(update, [Date.now(), this.owner.token]);
    }, HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  private quietly(sql: string, parameters: readonly (string | number)[]): void {
    try {
      this.connection.run(sql, parameters);
    } catch {
      // Disk full, or locked for long: a claim is lost, and the measurement itself will say so.
    }
  }
}

/** The claim's holder, or undefined where the claim no longer counts. */
function holderOf(row: Row): Holder | undefined {
  const owner = parseOwner(row.owner);
  if (owner === undefined) return undefined;
  // Absolute: a clock that was set back must not make a claim last for hours.
  const age = Math.abs(Date.now() - Number(row.heartbeat_at));
  return age < PATIENCE_MS[livenessOf(owner)] ? owner : undefined;
}

function parseOwner(blob: unknown): Owner | undefined {
  try {
    return JSON.parse(textOf(blob)) as Owner;
  } catch {
    return undefined;
  }
}
