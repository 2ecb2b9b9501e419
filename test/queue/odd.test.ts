import assert from 'node:assert/strict';
import { ALL_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { openQueue } from '../../src/queue/open-queue.js';
import { QueueError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { search } from '../experiment/accelerations-support.js';
import type { Place } from './support/faults.js';
import { hostileJobs, otherArithmetic, poisonShare } from './support/odd-cases.js';
import { toyPlace } from './support/place.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

const WAYS = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };

describe('a queue with odd workers and odd jobs', function () {
  this.timeout(120_000);
  const redis = withRedis();
  const at = temporaryFolder();
  let place: Omit<Place, 'redis'>;
  before(async () => {
    place = await toyPlace(at('.'), 'perplexity');
  });
  const here = (): Place => ({ redis: redis(), ...place });

  it('leaves out a worker whose bits are others, and says why', () => otherArithmetic(here()));

  it('is told of a model that no worker has', async () => {
    const { url, environment } = redis();
    const worker = await WorkerProcess.start(url, at('nothing-here'), environment);
    try {
      const { openPool } = openQueue(url);
      await assert.rejects(search(place.path, place.task, WAYS, { openPool }), (error) => {
        assert.ok(error instanceof QueueError);
        assert.match(
          error.message,
          /all workers have refused; got .*a file of the session is not here/,
        );
        return true;
      });
    } finally {
      await worker.end('SIGKILL');
    }
  });

  it('gives a share up that took three workers down, and names it', () => poisonShare(here()));

  it('stays up and computes the same after 1,000 jobs of nonsense', () => hostileJobs(here()));
});
