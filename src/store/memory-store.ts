import {
  checkedKey,
  keyId,
  matches,
  verdictId,
  type KeyFilter,
  type MeasurementKey,
} from './key.js';
import { describeMachine } from './machine.js';
import { Memo } from './memoise.js';
import { thisProcess } from './sqlite/owner.js';
import {
  hasExtras,
  openMeasurement,
  openVerdict,
  seal,
  sealMeasurement,
  withEarlierExtras,
  type Sealed,
} from './record.js';
import { runLog } from './sqlite/runs.js';
import type { MeasurementStore, Outcome, StoredMeasurement, StoredVerdict } from './types.js';

const WHERE = 'store in memory';

/**
 * A store that lasts as long as the process: for tests, and for runs that shall leave nothing
 * behind. Keeps the sealed form, so that what was put cannot be changed through the object that was
 * put.
 */
export function memoryStore(): MeasurementStore {
  const rows = new Map<string, Sealed>();
  const verdicts = new Map<string, Sealed>();
  const runs = new Map<string, Sealed>();
  const machine = describeMachine();

  const get = (key: MeasurementKey): StoredMeasurement | undefined => {
    const sealed = rows.get(keyId(key));
    return sealed === undefined ? undefined : openMeasurement(sealed, WHERE);
  };
  const put = (key: MeasurementKey, outcome: Outcome): StoredMeasurement => {
    const stored: StoredMeasurement = {
      ...withEarlierExtras(outcome, get(key)),
      key: checkedKey(key),
      createdAt: new Date().toISOString(),
      machine,
    };
    rows.set(keyId(key), sealMeasurement(stored));
    return stored;
  };
  const verdict: MeasurementStore['verdict'] = (key, limit) => {
    const sealed = verdicts.get(verdictId(key, limit));
    return sealed === undefined ? undefined : openVerdict(sealed, WHERE);
  };
  const putVerdict: MeasurementStore['putVerdict'] = (key, limit, { passes, bound }) => {
    const stored: StoredVerdict = {
      key: checkedKey(key),
      limit,
      passes,
      bound,
      createdAt: new Date().toISOString(),
      machine,
    };
    verdicts.set(verdictId(key, limit), seal(stored));
    return stored;
  };
  // No other process sees this store: nothing to claim.
  const claims = { claim: () => undefined, release: () => undefined };
  const memo = new Memo({ get, put, verdict, putVerdict, ...claims });

  return {
    path: undefined,
    setAside: undefined,
    get,
    has: (key, needs = []) => {
      const found = get(key);
      return found !== undefined && hasExtras(found, needs);
    },
    put,
    list: (filter: KeyFilter = {}) =>
      Array.from(rows.values(), (sealed) => openMeasurement(sealed, WHERE)).filter(({ key }) =>
        matches(key, filter),
      ),
    verdict,
    putVerdict,
    getOrMeasure: (key, measure, options) => memo.getOrMeasure(key, measure, options),
    getOrAnswer: (key, questions, ask, options) => memo.getOrAnswer(key, questions, ask, options),
    runs: runLog({
      where: WHERE,
      owner: thisProcess(),
      read: (id) => runs.get(id),
      readAll: () => runs.values(),
      write: (run, sealed) => {
        runs.set(run.id, sealed);
      },
      exclusively: (work) => work(),
    }),
    close: () => undefined,
  };
}
