import type { ConnectionOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { QueueAddress } from '../redis/address.js';
import { connect, connectionOptions, loadPackages, type QueuePackages } from '../redis/connect.js';

/** A connection, and how to make further ones. */
export interface Link {
  readonly packages: QueuePackages;
  readonly client: Redis;
  readonly options: ConnectionOptions;
  /** Hears of faults of the connection: they pass, and jobs are waited for by other means. */
  readonly trouble: (error: Error) => void;
}

/** @throws {QueueError} as `connect`. */
export async function openLink(address: QueueAddress, tell: (text: string) => void): Promise<Link> {
  const packages = await loadPackages();
  const client = await connect(packages, address);
  let last = '';
  const trouble = (error: Error): void => {
    const text = `queue: ${error.message.split('\n', 1)[0]}`;
    if (text !== last) tell(text);
    last = text;
  };
  client.on('error', trouble);
  client.on('ready', () => {
    if (last !== '') tell('queue: connected again');
    last = '';
  });
  return { packages, client, options: connectionOptions(address), trouble };
}
