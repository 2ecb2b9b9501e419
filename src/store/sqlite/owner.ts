import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** The writer of a claim or a run, in a form that tells later whether that process still lives. */
export interface Owner {
  /** One a store object: two stores in one process do not take each other's claims for their own. */
  readonly token: string;
  readonly pid: number;
  /** Host and process namespace: inside one, a process id means one process. */
  readonly scope: string;
  /** Boot and start time of the process, where the platform tells: a process id is used again. */
  readonly started: string | null;
}

/** `unknown`: another host or container, or a platform that does not tell processes of one id apart. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** This process as an owner. */
export function thisProcess(): Owner {
  return {
    token: randomBytes(8).toString('hex'),
    pid: process.pid,
    scope: scopeHere(),
    started: startOf(process.pid),
  };
}

/** The liveness of the process that an owner names. */
export function livenessOf(owner: Owner): Liveness {
  if (owner.scope !== scopeHere()) return 'unknown';
  if (!processExists(owner.pid)) return 'dead';
  if (owner.started === null) return 'unknown';
  return startOf(owner.pid) === owner.started ? 'alive' : 'dead';
}

function scopeHere(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Linux only.
  }
  return `${hostname()} ${namespace}`.trim();
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there, but somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Boot id and start time in clock ticks since boot (proc(5)); null where it cannot be read. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything; count after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    // Killed, but not yet collected by its parent.
    if (state === 'Z' || state === 'X') return null;
    return `${boot} ${ticks}`;
  } catch {
    return null;
  }
}
