import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode, systemReason } from '../../util/system-errors.js';
import type { AbsentMeter, Meter, MeterReading, MissingReading } from './meter.js';

/*
 * RAPL (running average power limit) as Linux shows it under /sys/class/powercap: a folder a zone, with
 * `name` ("package-0", "core", "dram"), `energy_uj`, a counter in microjoules, and `max_energy_range_uj`, at
 * which it begins again (Linux, Documentation/power/powercap/powercap.rst).
 */

/** Where Linux has it. */
export const POWERCAP = '/sys/class/powercap';

/** More than any socket takes: a counter that says more has jumped, or has wrapped more than once. */
const MOST_WATTS = 2000;

/** The longest that a counter may lag: then a look finds more than was drawn since the last. */
const LAG_SECONDS = 0.5;

/** Between two looks at the counters of a window, so that none wraps twice unseen. */
const LOOK_MS = 1000;

const MICROJOULES = 1e6;

interface Zone {
  /** "package-0" */
  readonly name: string;
  /** Of its energy counter. */
  readonly path: string;
  readonly rangeMicrojoules: number;
}

interface Domain {
  readonly pattern: RegExp;
  readonly name: string;
  readonly covers: string;
}

const DOMAINS: readonly Domain[] = [
  {
    pattern: /^package-\d+/,
    name: 'RAPL package',
    covers:
      'the processor packages: cores, caches and memory controllers; no memory modules, no fans',
  },
  { pattern: /^core$/, name: 'RAPL core', covers: 'the processor cores, a part of the package' },
  { pattern: /^dram$/, name: 'RAPL memory', covers: 'the memory modules' },
];

export interface RaplOptions {
  /** {@link POWERCAP} by default. */
  readonly powercap?: string | undefined;
  /** Seconds, monotonic. */
  readonly clock?: (() => number) | undefined;
}

/**
 * The RAPL meters of a machine, a domain each, all sockets together. A domain with a socket that cannot be
 * read is absent as a whole: half a sum is no sum.
 */
export async function raplMeters({
  powercap = POWERCAP,
  clock = () => performance.now() / 1000,
}: RaplOptions = {}): Promise<{ meters: Meter[]; absent: AbsentMeter[] }> {
  const folders = await readdir(powercap).catch(() => undefined);
  // intel-rapl-mmio:0 is a second door to the same package.
  const zoneNames = folders?.filter((name) => /^intel-rapl(:\d+)+$/.test(name)).sort();
  if (zoneNames === undefined || zoneNames.length === 0) {
    const reason = folders ? `${powercap} has no RAPL zone` : `there is no ${powercap}`;
    const needed =
      'a processor with RAPL, Linux with intel_rapl loaded, and no virtual machine between: most hide it';
    return { meters: [], absent: [{ name: 'RAPL', reason, needed }] };
  }
  const zones = await Promise.all(zoneNames.map((name) => zoneAt(join(powercap, name))));
  const meters: Meter[] = [];
  const absent: AbsentMeter[] = [];
  for (const { pattern, name, covers } of DOMAINS) {
    const own = zones.filter((zone) => pattern.test(zone.name));
    const faults = own.flatMap((zone) => ('fault' in zone ? [zone.fault] : []));
    if (own.length === 0) absent.push({ name, reason: 'this processor has no such zone' });
    else if (faults.length > 0) absent.push({ name, ...faults[0] });
    else meters.push(new RaplMeter(name, covers, own as readonly Zone[], clock));
  }
  return { meters, absent };
}

type Fault = Pick<AbsentMeter, 'reason' | 'needed'>;

async function zoneAt(folder: string): Promise<Zone | { name: string; fault: Fault }> {
  const path = join(folder, 'energy_uj');
  const name = await readFile(join(folder, 'name'), 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  try {
    counterAt(path);
    return { name, path, rangeMicrojoules: counterAt(join(folder, 'max_energy_range_uj')) };
  } catch (error) {
    const denied = ['EACCES', 'EPERM'].includes(systemCode(error) ?? '');
    const needed = denied
      ? `read permission for ${path}, which Linux gives to root alone since 5.10; who runs the machine can give it to a group by a udev rule`
      : undefined;
    return { name, fault: { reason: `${path}: ${systemReason(error)}`, needed } };
  }
}

/** @throws {Error} for a file that is not there, not readable or no count. */
function counterAt(path: string): number {
  // Not awaited: a busy thread would come back to the answer late, and count its joules to another time.
  const text = readFileSync(path, 'utf8').trim();
  if (!/^\d{1,15}$/.test(text)) throw new Error(`no count: ${JSON.stringify(text.slice(0, 40))}`);
  return Number(text);
}

class RaplMeter implements Meter {
  readonly source = 'rapl';
  readonly resolution = 'a counter in steps of some 15 to 61 µJ that moves about every millisecond';

  constructor(
    readonly name: string,
    readonly covers: string,
    private readonly zones: readonly Zone[],
    private readonly clock: () => number,
  ) {}

  start(): ReturnType<Meter['start']> {
    const counters = this.zones.map((zone) => new Counter(zone, this.clock));
    const look = (): void => {
      for (const counter of counters) counter.look();
    };
    look();
    const begun = this.clock();
    const timer = setInterval(look, LOOK_MS);
    // A window that nobody ends keeps no process alive.
    timer.unref();
    const stop = (): MeterReading | MissingReading => {
      clearInterval(timer);
      look();
      const seconds = this.clock() - begun;
      const fault = counters.find(({ missing }) => missing !== undefined)?.missing;
      if (fault !== undefined) return { missing: fault };
      return { joules: counters.reduce((sum, { joules }) => sum + joules, 0), seconds };
    };
    return Promise.resolve({ stop: () => Promise.resolve(stop()) });
  }
}

/** A zone's counter over a window. */
class Counter {
  joules = 0;
  missing: string | undefined;
  private last: { readonly at: number; readonly microjoules: number } | undefined;

  constructor(
    private readonly zone: Zone,
    private readonly clock: () => number,
  ) {}

  look(): void {
    const { path, rangeMicrojoules } = this.zone;
    try {
      const microjoules = counterAt(path);
      const at = this.clock();
      if (this.last !== undefined) this.add(this.last, { at, microjoules }, rangeMicrojoules);
      this.last = { at, microjoules };
    } catch (error) {
      this.missing ??= `${path} could not be read: ${systemReason(error)}`;
    }
  }

  private add(
    last: { at: number; microjoules: number },
    now: { at: number; microjoules: number },
    range: number,
  ): void {
    const { path } = this.zone;
    const most = MOST_WATTS * (now.at - last.at);
    // The timer may have been held up: longer than this the counter may have gone round unseen.
    if (most * MICROJOULES > range) {
      this.missing ??= `${path} was not looked at for ${(now.at - last.at).toFixed(0)} s, in which it may have wrapped more than once`;
      return;
    }
    const moved = now.microjoules - last.microjoules;
    const joules = (moved < 0 ? moved + range : moved) / MICROJOULES;
    if (joules < 0 || joules > most + MOST_WATTS * LAG_SECONDS)
      this.missing ??= `${path} jumped from ${last.microjoules} to ${now.microjoules} µJ`;
    else this.joules += joules;
  }
}
