import type { Redis } from 'ioredis';
import { parsed } from './protocol/codec.js';
import { keys } from './protocol/keys.js';
import { workerJson, type WorkerMessage } from './protocol/messages.js';

/** The workers that live; records that make no sense are passed over, and those that are gone taken out. */
export async function readWorkers(client: Redis): Promise<WorkerMessage[]> {
  const ids = await client.smembers(keys.workers);
  if (ids.length === 0) return [];
  const texts = await client.mget(ids.map((id) => keys.worker(id)));
  const gone = ids.filter((_, index) => texts[index] === null);
  if (gone.length > 0) await client.srem(keys.workers, ...gone);
  return texts.flatMap((text) => {
    if (text === null) return [];
    try {
      return [parsed(workerJson, text, 'worker')];
    } catch {
      return [];
    }
  });
}
