import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  isReading,
  type MeterReading,
  type MissingReading,
} from '../../src/energy/meters/meter.js';
import { raplMeters } from '../../src/energy/meters/rapl.js';

const RANGE = 262_143_328_850;

/** A powercap tree as Linux has it, in a folder of its own, with a clock that the test moves. */
function tree(
  zones: Readonly<Record<string, readonly [name: string, microjoules: number | string]>>,
) {
  const powercap = mkdtempSync(join(tmpdir(), 'qslm-powercap-'));
  for (const [zone, [name, microjoules]] of Object.entries(zones)) {
    mkdirSync(join(powercap, zone));
    writeFileSync(join(powercap, zone, 'name'), `${name}\n`);
    writeFileSync(join(powercap, zone, 'energy_uj'), `${microjoules}\n`);
    writeFileSync(join(powercap, zone, 'max_energy_range_uj'), `${RANGE}\n`);
  }
  let now = 100;
  return {
    powercap,
    clock: () => now,
    pass: (seconds: number) => (now += seconds),
    set: (zone: string, microjoules: number | string) => {
      writeFileSync(join(powercap, zone, 'energy_uj'), `${microjoules}\n`);
    },
    remove: (zone: string) => {
      rmSync(join(powercap, zone), { recursive: true });
    },
  };
}

const TWO_SOCKETS = {
  'intel-rapl': ['', 0],
  'intel-rapl:0': ['package-0', 1_000_000],
  'intel-rapl:0:0': ['core', 500_000],
  'intel-rapl:0:1': ['dram', 300_000],
  'intel-rapl:1': ['package-1', RANGE - 2_000_000],
  'intel-rapl:1:0': ['core', 0],
  'intel-rapl:1:1': ['dram', 0],
  'intel-rapl-mmio:0': ['package-0', 1_000_000],
} as const;

async function measure(
  own: ReturnType<typeof tree>,
  change: () => void,
): Promise<(MeterReading | MissingReading)[]> {
  const { meters } = await raplMeters(own);
  const windows = await Promise.all(meters.map((meter) => meter.start()));
  change();
  return Promise.all(windows.map((window) => window.stop()));
}

describe('rapl', () => {
  it('finds package, core and memory, each over all sockets, and no second door', async () => {
    const own = tree(TWO_SOCKETS);
    const { meters, absent } = await raplMeters(own);
    assert.deepEqual(
      meters.map(({ name }) => name),
      ['RAPL package', 'RAPL core', 'RAPL memory'],
    );
    assert.deepEqual(absent, []);
    const found = await measure(own, () => {
      own.pass(2);
      own.set('intel-rapl:0', 101_000_000);
      own.set('intel-rapl:0:1', 8_300_000);
      // This one goes round: 2 J to the end of the range and 48 J after it.
      own.set('intel-rapl:1', 48_000_000);
    });
    assert.deepEqual(found, [
      { joules: 150, seconds: 2 },
      { joules: 0, seconds: 2 },
      { joules: 8, seconds: 2 },
    ]);
  });

  it('is absent where Linux has none, and says what would be needed', async () => {
    for (const powercap of ['/nowhere/powercap', tree({}).powercap]) {
      const { meters, absent } = await raplMeters({ powercap });
      assert.deepEqual(meters, []);
      assert.match(absent[0].needed!, /virtual machine/);
    }
  });

  it('has a domain absent that the processor lacks or that cannot be read, the others not', async () => {
    const own = tree({ 'intel-rapl:0': ['package-0', 5], 'intel-rapl:0:0': ['core', '12 tons'] });
    const { meters, absent } = await raplMeters(own);
    assert.deepEqual(
      meters.map(({ name }) => name),
      ['RAPL package'],
    );
    assert.deepEqual(
      absent.map(({ name }) => name),
      ['RAPL core', 'RAPL memory'],
    );
    assert.match(absent[0].reason, /no count/);
    assert.match(absent[1].reason, /no such zone/);
  });

  it('has no number for a counter that vanishes, jumps, or was out of sight for a whole round', async () => {
    const missing = async (change: (own: ReturnType<typeof tree>) => void): Promise<string> => {
      const own = tree({ 'intel-rapl:0': ['package-0', 5_000_000] });
      const [found] = await measure(own, () => {
        change(own);
      });
      return isReading(found) ? `got ${found.joules} J` : found.missing;
    };
    assert.match(
      await missing((own) => {
        own.pass(1);
        own.remove('intel-rapl:0');
      }),
      /could not be read: ENOENT/,
    );
    assert.match(
      await missing((own) => {
        own.pass(1);
        own.set('intel-rapl:0', 90_000_000_000);
      }),
      /jumped/,
    );
    // A reset to 0 looks like going round, but for its height.
    assert.match(
      await missing((own) => {
        own.pass(1);
        own.set('intel-rapl:0', 0);
      }),
      /jumped/,
    );
    assert.match(
      await missing((own) => {
        own.pass(500);
        own.set('intel-rapl:0', 6_000_000);
      }),
      /more than once/,
    );
  });
});
