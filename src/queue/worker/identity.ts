import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** A name for a worker that no other one has, from which people see where it is. */
export function workerName(): string {
  const host = hostname().replace(/[^0-9A-Za-z_.-]/g, '_');
  return `${host.slice(0, 40)}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** A line of a fault: the first of its message. */
export function faultText(error: Error): string {
  return `${error.name}: ${error.message.split('\n', 1)[0]}`;
}
