import { cpus } from 'node:os';

/** The busy share of all processors' time between two looks, [0, 1]; this process's own work is part of it. */
export function processorLoad(): () => number | undefined {
  const before = times();
  return () => {
    const after = times();
    const all = after.all - before.all;
    return all > 0 ? Math.min(1, Math.max(0, (after.busy - before.busy) / all)) : undefined;
  };
}

/** Milliseconds since the start of the machine, all processors together. */
function times(): { readonly busy: number; readonly all: number } {
  let [busy, all] = [0, 0];
  for (const { times: own } of cpus()) {
    const total = own.user + own.nice + own.sys + own.idle + own.irq;
    all += total;
    busy += total - own.idle;
  }
  return { busy, all };
}
