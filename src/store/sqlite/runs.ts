import { randomBytes } from 'node:crypto';
import { StoreError } from '../../util/errors.js';
import type { Json } from '../../util/json.js';
import { describeMachine } from '../machine.js';
import { livenessOf, type Owner } from './owner.js';
import { seal, unseal, type Sealed } from '../record.js';
import type { Run, RunChange, RunLog, RunState } from '../types.js';

/** A run as it is kept: with who runs it. */
export interface KeptRun extends Run {
  readonly owner: Owner;
}

/** Where runs are kept. */
export interface RunStorage {
  readonly where: string;
  readonly owner: Owner;
  read(id: string): Sealed | undefined;
  readAll(): Iterable<Sealed>;
  write(run: Run, sealed: Sealed): void;
  /** Runs `work` with no other writer in between. */
  exclusively<T>(work: () => T): T;
}

export function runLog(storage: RunStorage): RunLog {
  const open = (sealed: Sealed): KeptRun => unseal(sealed, storage.where) as KeptRun;
  const write = (run: KeptRun): Run => {
    storage.write(run, seal(run));
    return publicRun(run);
  };
  return {
    create({ kind, config }: { readonly kind: string; readonly config: Json }): Run {
      const startedAt = new Date().toISOString();
      return write({
        id: runId(startedAt),
        kind,
        config,
        state: 'running',
        startedAt,
        finishedAt: null,
        result: null,
        machine: describeMachine(),
        owner: storage.owner,
      });
    },
    list(filter: { readonly kind?: string; readonly state?: RunState } = {}): Run[] {
      return Array.from(storage.readAll(), (sealed) => publicRun(open(sealed))).filter(
        ({ kind, state }) => (filter.kind ?? kind) === kind && (filter.state ?? state) === state,
      );
    },
    show(id: string): Run | undefined {
      const sealed = storage.read(id);
      return sealed === undefined ? undefined : publicRun(open(sealed));
    },
    update(id: string, { state, result }: RunChange): Run {
      return storage.exclusively(() => {
        const sealed = storage.read(id);
        if (sealed === undefined)
          throw new StoreError({ what: 'there is no such run', where: storage.where, got: id });
        const run = open(sealed);
        const ended = state !== undefined && state !== 'running';
        return write({
          ...run,
          // Whoever reports on a run is the one that runs it, a resumed one included.
          owner: storage.owner,
          state: state ?? run.state,
          result: result ?? run.result,
          finishedAt: ended
            ? new Date().toISOString()
            : state === undefined
              ? run.finishedAt
              : null,
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
