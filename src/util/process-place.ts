import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/*
 * This process, short enough for a file's name: "<host>-<pid>-<start>", so that a later process can tell
 * whether the writer of a file still lives. Process ids are used again: the start tells them apart.
 */

let here: string | undefined;

/** This process. */
export function placeHere(): string {
  return (here ??= `${hostHere()}-${process.pid}-${startOf(process.pid) ?? 0}`);
}

/** The liveness of a process by its {@link placeHere}; `unknown` on another host or in another container. */
export function livenessOf(place: string): 'alive' | 'dead' | 'unknown' {
  const [host, pid, start] = place.split('-');
  if (host !== hostHere()) return 'unknown';
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    return isGone ? 'dead' : 'alive';
  }
  const found = startOf(Number(pid));
  return found === undefined || start === '0' || found === start ? 'alive' : 'dead';
}

/** Host, boot and process namespace: inside one, a process id means one process. */
function hostHere(): string {
  const parts = [hostname()];
  try {
    parts.push(readlinkSync('/proc/self/ns/pid'));
    parts.push(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  } catch {
    // Linux only.
  }
  return createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, 6);
}

/** Start in clock ticks since boot (proc(5)). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in parentheses and may hold anything; count after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
