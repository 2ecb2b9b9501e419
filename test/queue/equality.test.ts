import assert from 'node:assert/strict';
import { ALL_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { openQueue } from '../../src/queue/open-queue.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { pathOf, search } from '../experiment/accelerations-support.js';
import type { Place } from './support/faults.js';
import { toyPlace } from './support/place.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

describe('a search over a queue finds bit for bit what one process finds', function () {
  this.timeout(120_000);
  // Hooks run in this order: workers end before their server does.
  const workers: WorkerProcess[] = [];
  after(() => Promise.all(workers.map((worker) => worker.end())));
  const redis = withRedis();
  const at = temporaryFolder();
  const cases = new Map<string, Omit<Place, 'redis'>>();

  before(async () => {
    for (const kind of ['accuracy', 'perplexity'] as const)
      cases.set(kind, await toyPlace(at('.'), kind));
  });

  for (const count of [1, 2, 3])
    for (const kind of ['accuracy', 'perplexity'])
      it(`${kind}, workers: ${count}`, async () => {
        const { url, environment } = redis();
        if (workers.length < count)
          workers.push(await WorkerProcess.start(url, at('.'), environment));
        const { path, task, plain } = cases.get(kind)!;
        assert.ok(plain.result.trace.length > 5);
        const before = workers.map(({ said }) => seatsIn(said));
        // Each way with each metric; verdicts hang on the timing of tallies.
        const verdicts = (count % 2 === 0) === (kind === 'accuracy');
        const ways = { ...ALL_ACCELERATIONS, memo: false, verdicts };
        const { openPool } = openQueue(url);
        const outcome = await search(path, task, ways, { openPool });
        assert.deepEqual(pathOf(outcome, !verdicts), pathOf(plain, !verdicts));
        assert.ok(outcome.report.work.savedByPrefix > 0);
        const taken = workers.map(({ said }, index) => seatsIn(said) - before[index]);
        assert.ok(Math.min(...taken) > 0, `seats taken: ${taken.join(', ')}`);
      });
});

const seatsIn = (said: string): number => said.match(/seat \d+ of session \w+ \(/g)?.length ?? 0;
