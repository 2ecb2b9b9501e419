/*
 * A process of its own for processes.test.ts. Speaks one line a happening on standard output.
 *   put <store> <prefix>       puts <prefix>0, <prefix>1, … until killed; tells each that returned
 *   share <store> <log> <seed> measures the same 40 keys as its sibling, in an order of its own
 *   hold <store> <plan>        starts to measure and never ends
 *   open <store>               opens, puts its own process id, closes
 */
import { appendFileSync, readFileSync, writeSync } from 'node:fs';
import { openStore } from '../../src/store/index.js';
import { yieldToEvents } from '../../src/util/progress.js';
import { seededRandom } from '../../src/util/random.js';
import { accuracyOf, keyOf } from './support.js';

/** Straight to the descriptor: a line that was written cannot be lost with the process. */
function tell(line: string): void {
  writeSync(1, `${line}\n`);
}

async function put(path: string, prefix: string): Promise<void> {
  const store = await openStore(path);
  for (let index = 0; ; index++) {
    const plan = `${prefix}${index}`;
    store.put(keyOf(plan), { measurement: accuracyOf(index / 7) });
    tell(plan);
    // A run is updated in between, so that a kill can also meet another kind of write.
    if (index % 5 === 0) store.runs.create({ kind: 'search', config: { index } });
    await yieldToEvents();
  }
}

async function share(path: string, log: string, seed: string): Promise<void> {
  const store = await openStore(path);
  const random = seededRandom(Number(seed));
  const keys = random.shuffled(Array.from({ length: 40 }, (_, index) => index));
  let fresh = 0;
  let siblingWorks = false;
  const worker = async (): Promise<void> => {
    for (let index = keys.pop(); index !== undefined; index = keys.pop()) {
      const plan = `plan${index}`;
      const value = index / 7;
      const found = await store.getOrMeasure(keyOf(plan), async () => {
        appendFileSync(log, `${process.pid} ${plan}\n`);
        // Until the sibling is at work too, whatever the machine's load: else one might do it all
        // alone.
        while (!siblingWorks) {
          siblingWorks = measurersIn(readFileSync(log, 'utf8')).size > 1;
          await yieldToEvents();
        }
        return { measurement: accuracyOf(value) };
      });
      if (found.measurement.value !== value) throw new Error(`${plan}: wrong value`);
      if (found.fresh) fresh++;
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  tell(`fresh ${fresh}`);
  store.close();
}

/** Process ids in a log of `<pid> <plan>` lines. */
function measurersIn(log: string): Set<string> {
  return new Set(
    log
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  );
}

async function hold(path: string, plan: string): Promise<void> {
  const store = await openStore(path);
  store.runs.create({ kind: 'search', config: null });
  await store.getOrMeasure(keyOf(plan), () => {
    tell('measuring');
    // An open handle keeps the process there until it is killed.
    return new Promise(() => setInterval(() => undefined, 1000));
  });
}

async function open(path: string): Promise<void> {
  const store = await openStore(path);
  store.put(keyOf(`process${process.pid}`), { measurement: accuracyOf(1) });
  tell(store.setAside === undefined ? 'opened' : `set aside ${store.setAside.path}`);
  store.close();
}

const COMMANDS: Readonly<
  Record<string, ((...words: [string, string, string]) => Promise<void>) | undefined>
> = { put, share, hold, open };

const [command, ...words] = process.argv.slice(2);
COMMANDS[command]!(...(words as [string, string, string])).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
