import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openQueue } from '../../../src/queue/open-queue.js';
import type { TieredSearchResult } from '../../../src/search/tiers/tiers.js';
import { FILES, taskOf, walk } from '../../experiment/reference-walk.js';
import { sharedPath } from '../../support/shared.js';
import { forgetWorkers } from './faults.js';
import type { TestRedis } from './redis.js';
import { WorkerProcess } from './worker.js';

/** Everything of a path that has to be the same, metrics to the last bit. */
function pathOf({ trace, final, candidates }: TieredSearchResult): object {
  return {
    steps: trace.map(({ assignment, accepted, evaluation }) => [
      assignment.key,
      accepted,
      evaluation.kind === 'exact' ? evaluation.metric : evaluation.passes,
    ]),
    candidates: candidates.map(({ assignment, metric }) => [assignment.key, metric]),
    final: final.key,
  };
}

/** True where the developers' shared folder is beside the clone. */
export const hasReference = sharedPath(FILES.a1[0]) !== undefined;

/**
 * The reference's searches on real data, bit for bit over a queue as in this process.
 *
 * @returns seconds of each search over the queue, and how many steps it had
 */
export async function referencePaths(
  redis: TestRedis,
  name: 'a1' | 'b1',
  counts: readonly number[],
): Promise<{ readonly steps: number; readonly seconds: readonly number[] }> {
  await startBackend('wasm');
  const [model, data, words] = FILES[name].map((path) => sharedPath(path)!);
  const task = await taskOf(name, data, words);
  const alone = pathOf(await walk(name, model, task));
  const workers: WorkerProcess[] = [];
  const seconds: number[] = [];
  let steps = 0;
  try {
    for (const count of counts) {
      while (workers.length < count)
        workers.push(await WorkerProcess.start(redis.url, dirname(model), redis.environment));
      const began = performance.now();
      const found = await walk(name, model, task, openQueue(redis.url, { seats: count }).openPool);
      seconds.push((performance.now() - began) / 1000);
      steps = found.trace.length;
      assert.deepStrictEqual(pathOf(found), alone, `${name}, workers: ${count}`);
    }
    return { steps, seconds };
  } finally {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await forgetWorkers(redis);
  }
}
