import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULTS, searchThrough } from './support/faults.js';
import { toyPlace } from './support/place.js';
import { hasRedis, TestRedis } from './support/redis.js';

/*
 * Searches over a queue while things break: `npm run soak:queue -- [--times 10] [--only <part of a name>]`. Each
 * has to walk the path that one process walks; prints the seconds until work went on.
 */

function valueOf(flag: string): string | undefined {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
}

async function main(): Promise<void> {
  if (!(await hasRedis())) {
    console.log('skipped: redis-server is missing');
    return;
  }
  const times = Number(valueOf('--times') ?? 10);
  const faults = FAULTS.filter(({ name }) => name.includes(valueOf('--only') ?? ''));
  const folder = await mkdtemp(join(tmpdir(), 'qslm-soak-queue-'));
  const redis = await TestRedis.start();
  process.env['QSLM_QUEUE_PASSWORD'] = redis.password;
  let failed = 0;
  try {
    const place = { redis, ...(await toyPlace(folder, 'perplexity')) };
    for (const fault of faults) {
      const seconds: number[] = [];
      for (let time = 0; time < times; time++)
        try {
          seconds.push(await searchThrough(place, fault));
        } catch (error) {
          failed++;
          console.log(`FAILED: ${fault.name}: ${String(error)}`);
        }
      const sorted = seconds.map((one) => one.toFixed(1)).sort((a, b) => Number(a) - Number(b));
      console.log(
        `${fault.name}: ${seconds.length} of ${times}; resumed after ${sorted.join(' ')} s`,
      );
    }
  } finally {
    await redis.remove();
    await rm(folder, { recursive: true, force: true });
  }
  process.exit(failed === 0 ? 0 : 1);
}

void main();
