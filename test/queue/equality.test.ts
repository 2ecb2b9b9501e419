import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { ALL_ACCELERATIONS, NO_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { openQueue } from '../../src/queue/open-queue.js';
import type { Task } from '../../src/tasks/task.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { pathOf, search, type Outcome } from '../experiment/accelerations-support.js';
import { sentencesOf, toyText } from '../experiment/study-support.js';
import { writeToy } from '../support/toy-file.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

/** A model, its data, and what this process finds alone. */
interface Case {
  readonly path: string;
  readonly task: Task;
  readonly plain: Outcome;
}

describe('a search over a queue finds bit for bit what one process finds', function () {
  this.timeout(120_000);
  // Hooks run in this order: workers end before their server does.
  const workers: WorkerProcess[] = [];
  after(() => Promise.all(workers.map((worker) => worker.end())));
  const redis = withRedis();
  const at = temporaryFolder();
  const cases = new Map<string, Case>();

  before(async () => {
    await startBackend('wasm');
    for (const kind of ['accuracy', 'perplexity'] as const) {
      const toy = await writeToy({ classes: kind === 'accuracy' ? 2 : 0 }, 7);
      const path = at(`${kind}.safetensors`);
      await copyFile(toy.path, path);
      await toy.remove();
      const task = await taskOf(kind, path);
      cases.set(kind, { path, task, plain: await search(path, task, NO_ACCELERATIONS) });
    }
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

async function taskOf(kind: 'accuracy' | 'perplexity', path: string): Promise<Task> {
  if (kind === 'perplexity') return toyText();
  const checkpoint = await openCheckpoint(path);
  try {
    return await sentencesOf(checkpoint, 60);
  } finally {
    await checkpoint.close();
  }
}
