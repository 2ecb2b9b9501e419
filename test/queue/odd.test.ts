import assert from 'node:assert/strict';
import { Queue } from 'bullmq';
import { ALL_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { arithmeticHere, arithmeticId } from '../../src/queue/identity.js';
import { openQueue } from '../../src/queue/open-queue.js';
import { PREFIX, PROTOCOL, seatQueue, seatsQueue } from '../../src/queue/protocol/keys.js';
import { queueStatus } from '../../src/queue/status.js';
import { QueueError } from '../../src/util/errors.js';
import { seededRandom, type Random } from '../../src/util/random.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { pathOf, search } from '../experiment/accelerations-support.js';
import type { Place } from './support/faults.js';
import { toyPlace } from './support/place.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

const WAYS = { ...ALL_ACCELERATIONS, memo: false, verdicts: false };

describe('a queue with odd workers and odd jobs', function () {
  this.timeout(120_000);
  const workers: WorkerProcess[] = [];
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.end('SIGKILL')));
  });
  const redis = withRedis();
  const at = temporaryFolder();
  let place: Omit<Place, 'redis'>;
  before(async () => {
    place = await toyPlace(at('.'), 'perplexity');
  });
  const startOne = async (odd?: 'bits' | 'dies'): Promise<WorkerProcess> => {
    const { url, environment } = redis();
    const more = odd && { ODD: odd };
    const worker = await WorkerProcess.start(url, at('.'), { ...environment, ...more });
    workers.push(worker);
    return worker;
  };

  it('leaves out a worker whose bits are others, and says why', async () => {
    const odd = await startOne('bits');
    await startOne();
    const { openPool } = openQueue(redis().url);
    let refused: readonly { readonly reason: string }[] = [];
    const outcome = await search(place.path, place.task, WAYS, {
      openPool: async (options) => {
        const pool = await openPool(options);
        return {
          ...pool,
          close: async () => {
            ({ refused } = (await queueStatus(redis().url)).sessions[0]);
            await pool.close();
          },
        };
      },
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
    assert.match(odd.said, /computes other bits/);
    assert.match(refused[0].reason, /computes other bits/);
    assert.equal(refused.length, 1);
  });

  it('is told of a model that no worker has', async () => {
    const { url, environment } = redis();
    workers.push(await WorkerProcess.start(url, at('nothing-here'), environment));
    const { openPool } = openQueue(url);
    await assert.rejects(search(place.path, place.task, WAYS, { openPool }), (error) => {
      assert.ok(error instanceof QueueError);
      assert.match(error.message, /all workers have refused; got .*the model is not here/);
      return true;
    });
  });

  it('gives a share up that took three workers down, and names it', async () => {
    await Promise.all(Array.from({ length: 4 }, () => startOne('dies')));
    const { openPool } = openQueue(redis().url, { seats: 1 });
    await assert.rejects(search(place.path, place.task, WAYS, { openPool }), (error) => {
      assert.ok(error instanceof QueueError);
      assert.match(error.message, /plan \w{16}, share 1 .*took its workers down; got 3 workers/);
      return true;
    });
    assert.equal(workers.filter(({ isAlive }) => isAlive).length, 1);
  });

  it('stays up and computes the same after 1,000 jobs of nonsense', async () => {
    const worker = await startOne();
    const { url, port, password } = redis();
    const connection = { port, password, maxRetriesPerRequest: null };
    const offers = new Queue(seatsQueue(arithmeticId(arithmeticHere('wasm'))), {
      connection,
      prefix: PREFIX,
    });
    const random = seededRandom(16);
    const nonsense = (what: object): { name: string; data: unknown } => ({
      name: 'job',
      data: mutated(what, random),
    });
    const lease = { protocol: PROTOCOL, session: 'a0', seat: 0 };
    await offers.addBulk(Array.from({ length: 500 }, () => nonsense(lease)));
    let failed = 0;
    const { openPool } = openQueue(url);
    let evaluations = 0;
    const outcome = await search(place.path, place.task, WAYS, {
      openPool: async (options) => {
        const pool = await openPool(options);
        return {
          ...pool,
          score: async (request) => {
            if (evaluations++ !== 2) return pool.score(request);
            const [{ session }] = (await queueStatus(url)).sessions;
            const seat = new Queue(seatQueue(session, 0), { connection, prefix: PREFIX });
            const share = shareOf(session);
            await seat.addBulk(Array.from({ length: 500 }, () => nonsense(share)));
            // It comes after all of them.
            const answer = await pool.score(request);
            failed = await seat.getFailedCount();
            await seat.close();
            return answer;
          },
        };
      },
    });
    assert.deepEqual(pathOf(outcome, true), pathOf(place.plain, true));
    assert.ok(worker.isAlive);
    assert.equal(failed, 500);
    // The search's own last offers may still lie there when it ends; the worker that is left takes them too.
    for (let tries = 0; tries < 100 && (await offers.getWaitingCount()) > 0; tries++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await offers.getWaitingCount(), 0);
    // Some name a session that there could be, which is over.
    const { failed: refused, completed } = await offers.getJobCounts('failed', 'completed');
    assert.ok(refused > 300 && refused + completed >= 500, `${refused}, ${completed}`);
    await offers.obliterate({ force: true });
    await offers.close();
  });
});

function shareOf(session: string): object {
  return {
    ...{ protocol: PROTOCOL, session, seat: 0, evaluation: 1, task: 'a'.repeat(64) },
    plan: [['blocks.0.att.key.weight', { bits: 4 }]],
    batches: [0, 1],
    question: {
      need: 'verdict',
      limit: { metric: 'perplexity', baseline: 10, allowedLoss: 'Infinity' },
      items: 10,
      tokens: 100,
    },
  };
}

const NONSENSE: readonly unknown[] = [
  ...[null, true, -1, 0.5, 1e300, '', '../../etc/passwd', 'x'.repeat(10_000), [], {}],
  ...[[-1], [1e9], [0, 0], ['0'], [[]], { bits: 0 }, { bits: 4, method: 'code' }],
  ...[[['no.such.weight', { bits: 4 }]], [['__proto__', { bits: 4 }]], { __proto__: null }],
];

/** One member replaced, left out or added, sometimes deep inside. */
function mutated(value: object, random: Random): unknown {
  if (random.integer(0, 19) === 0) return NONSENSE[random.integer(0, NONSENSE.length - 1)];
  const members = Object.entries(value) as [string, unknown][];
  const chosen = random.integer(0, members.length);
  if (chosen === members.length) return { ...value, path: '/etc/passwd' };
  const [name, member] = members[chosen];
  const isDeep = typeof member === 'object' && member !== null && !Array.isArray(member);
  if (isDeep && random.integer(0, 1) === 0) return { ...value, [name]: mutated(member, random) };
  return { ...value, [name]: NONSENSE[random.integer(0, NONSENSE.length - 1)] };
}
