import { randomBytes } from 'node:crypto';
import { StoreError } from '../../util/errors.js';
import type { Json } from '../../util/json.js';
import { describeMachine } from '../machine.js';
import { unseal, type Sealed } from '../record.js';
import type { KeptRun, StoreRows } from '../rows.js';
import type { Run, RunChange, RunLog, RunState } from '../types.js';
import { livenessOf } from './owner.js';

/** The log of the runs in a store's rows. */
export function runLog({
  where,
  owner,
  runs,
  exclusively,
}: Pick<StoreRows, 'where' | 'owner' | 'runs' | 'exclusively'>): RunLog {
  const open = (sealed: Sealed): KeptRun => unseal(sealed, where) as KeptRun;
  const write = (run: KeptRun): Run => {
    runs.write(run);
    return publicRun(run);
  };
  return {
    create({ kind, config }: { readonly kind: string; readonly config: Json }): Run {
      const startedAt = new Date().toISOString();
      const run: KeptRun = {
        id: runId(startedAt),
        kind,
        config,
        state: 'running',
        startedAt,
        finishedAt: null,
        result: null,
        machine: describeMachine(),
        owner,
      };
      return exclusively(() => write(run));
    },
    list(filter: { readonly kind?: string; readonly state?: RunState } = {}): Run[] {
      return Array.from(runs.readAll(), (sealed) => publicRun(open(sealed))).filter(
        ({ kind, state }) => (filter.kind ?? kind) === kind && (filter.state ?? state) === state,
      );
    },
    show(id: string): Run | undefined {
      const sealed = runs.read(id);
      return sealed && publicRun(open(sealed));
    },
    update(id: string, { state, result }: RunChange): Run {
      return exclusively(() => {
        const sealed = runs.read(id);
        if (sealed === undefined)
          throw new StoreError({ what: 'there is no such run', where, got: id });
        const run = open(sealed);
        const finishedAt = state === 'running' ? null : new Date().toISOString();
        return write({
          ...run,
          // Whoever reports on a run is the one that runs it, a resumed one included.
          owner,
          state: state ?? run.state,
          result: result ?? run.result,
          finishedAt: state === undefined ? run.finishedAt : finishedAt,
        });
      });
    },
  };
}

/** "20260131-174502-9f3a1c": sorts by time, and two processes starting in one second differ. */
function runId(startedAt: string): string {
  const [date, time] = startedAt.slice(0, 19).replace(/[-:]/g, '').split('T');
  return `${date}-${time}-${randomBytes(3).toString('hex')}`;
}

function publicRun({ owner, ...run }: KeptRun): Run {
  return run.state === 'running' && livenessOf(owner) === 'dead'
    ? { ...run, state: 'interrupted' }
    : run;
}
