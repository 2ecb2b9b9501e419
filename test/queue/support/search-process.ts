import { startBackend } from '../../../src/backend/start.js';
import { ALL_ACCELERATIONS } from '../../../src/experiment/scoring/options.js';
import { openQueue } from '../../../src/queue/open-queue.js';
import { openStore } from '../../../src/store/index.js';
import { pathOf, search } from '../../experiment/accelerations-support.js';
import { toyText } from '../../experiment/study-support.js';

/*
 * A coordinator as a process, to be killed: searches a checkpoint over a queue with a store, says "evaluated" after
 * each plan that workers scored, and at the end its path and what it found in the store, as JSON.
 */

const [, , url, checkpoint, storePath] = process.argv;

async function main(): Promise<void> {
  await startBackend('wasm');
  const store = await openStore(storePath);
  const { openPool } = openQueue(url);
  const ways = { ...ALL_ACCELERATIONS, verdicts: false };
  const outcome = await search(checkpoint, toyText(), ways, {
    store,
    openPool: async (options) => {
      const pool = await openPool(options);
      return {
        useTask: (task) => pool.useTask(task),
        close: () => pool.close(),
        score: async (request) => {
          const found = await pool.score(request);
          console.log('evaluated');
          return found;
        },
      };
    },
  });
  store.close();
  const { remembered } = outcome.report;
  console.log(`path ${JSON.stringify({ path: pathOf(outcome, true), remembered })}`);
}

void main();
