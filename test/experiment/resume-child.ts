/*
 * A process of its own for resume.test.ts: runs a search, or a sweep, of a toy model on a store on disk.
 *   resume-child.ts <folder> search|knapsack|sweep
 * Tells on standard output when it begins to measure a key ("begin <key>"), when it is through ("end"), and
 * what else happens ("event").
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend } from '../../src/backend/start.js';
import { runSearch } from '../../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH } from '../../src/experiment/runs/search-settings.js';
import { runSweep } from '../../src/experiment/runs/sweep-run.js';
import { keyId, openStore, type MeasurementStore } from '../../src/store/index.js';
import { closeStudy, toyStudy } from './study-support.js';

/** Straight to the descriptor: a line that was written cannot be lost with the process. */
function tell(line: string): void {
  writeSync(1, `${line}\n`);
}

/** The store, telling when a measurement begins and ends, and when extras are put. */
function watched(store: MeasurementStore): MeasurementStore {
  const told: Pick<MeasurementStore, 'getOrAnswer' | 'put'> = {
    getOrAnswer: (key, questions, ask, options) =>
      store.getOrAnswer(
        key,
        questions,
        async () => {
          tell(`begin ${keyId(key)}`);
          const answer = await ask();
          tell('end');
          return answer;
        },
        options,
      ),
    put: (key, outcome) => {
      tell(`begin extras ${keyId(key)}`);
      return store.put(key, outcome);
    },
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'getOrAnswer' || name === 'put') return told[name];
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

async function main(folder: string, what: string): Promise<void> {
  await startBackend('cpu');
  const store = await openStore(join(folder, 'm.sqlite'));
  const study = await toyStudy(folder, { store: watched(store) });
  const runs = join(folder, 'runs');
  const onProgress = (): void => {
    tell('event');
  };
  if (what === 'sweep')
    await runSweep(
      study,
      { bits: [6, 3], levels: ['block'], quantizer: 'min-max', observables: true },
      { runs, onProgress },
    );
  else
    await runSearch(
      study,
      {
        ...DEFAULT_SEARCH,
        method: what === 'knapsack' ? 'knapsack' : 'tiered',
        bits: [8, 6, 4, 3, 2],
        constraints: {
          loss: { kind: 'absolute', value: 0.1 },
          memory: { kind: 'share', share: 0.3 },
        },
      },
      { runs, onProgress },
    );
  await closeStudy(study);
  store.close();
  tell('done');
}

const [folder, what] = process.argv.slice(2);
main(folder, what).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
