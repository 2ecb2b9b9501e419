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

/** Everything that has to be the same, metrics to the last bit. */
function assertSame(found: TieredSearchResult, alone: TieredSearchResult, what: string): void {
  const pathOf = ({ trace, final, candidates }: TieredSearchResult): object => ({
    steps: trace.map(({ assignment, accepted }) => [assignment.key, accepted]),
    candidates: candidates.map(({ assignment, metric }) => [assignment.key, metric]),
    final: final.key,
  });
  assert.deepStrictEqual(pathOf(found), pathOf(alone), what);
  for (const [index, { evaluation }] of found.trace.entries()) {
    // It hangs on the timing of tallies after which batch a refusal is sure, and whether before the last one.
    const other = alone.trace[index].evaluation;
    if (evaluation.kind === 'verdict' || other.kind === 'verdict') continue;
    assert.equal(evaluation.metric, other.metric, `${what}, step ${index}`);
  }
}

/** True where the developers' shared folder is beside the clone. */
export const hasReference = sharedPath(FILES.a1[0]) !== undefined;

/**
 * The reference's searches on real data, bit for bit over a queue as in this process.
 *
 * @param walked of this process, where it has walked already
 * @returns seconds of each search over the queue, and how many steps it had
 */
export async function referencePaths(
  redis: TestRedis,
  name: 'a1' | 'b1',
  counts: readonly number[],
  walked?: TieredSearchResult,
): Promise<{ readonly steps: number; readonly seconds: readonly number[] }> {
  await startBackend('wasm');
  const [model, data, words] = FILES[name].map((path) => sharedPath(path)!);
  const task = await taskOf(name, data, words);
  const alone = walked ?? (await walk(name, model, task));
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
      assertSame(found, alone, `${name}, workers: ${count}`);
    }
    return { steps, seconds };
  } finally {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await forgetWorkers(redis);
  }
}
