import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import {
  energyBetween,
  SampleReader,
  type GpuSample,
} from '../../src/energy/meters/gpu-samples.js';
import { isReading } from '../../src/energy/meters/meter.js';
import { nvidiaMeters } from '../../src/energy/meters/nvidia-smi.js';
import { fakeNvidiaSmi } from './fake-nvidia-smi.js';

/** Readings of cards as they were recorded: see `fake-nvidia-smi.ts`. */
const H100_IDLE = {
  index: '0',
  name: 'NVIDIA H100 80GB HBM3',
  'power.draw': '69.85',
  'power.draw.instant': '69.62',
  'utilization.gpu': '0',
};
const H100_BUSY = {
  ...H100_IDLE,
  'power.draw': '631.95',
  'power.draw.instant': '625.68',
  'utilization.gpu': '100',
};
const MIG_BUSY = {
  ...H100_BUSY,
  index: '1',
  'power.draw.instant': '447.35',
  'utilization.gpu': '[N/A]',
};
const HEADER =
  'timestamp, index, name, power.draw [W], utilization.gpu [%], power.draw.instant [W]';

const read = (
  lines: readonly string[],
  now = Date.UTC(2026, 6, 14, 8, 12, 39) / 1000,
): GpuSample[] => {
  const reader = new SampleReader();
  return [HEADER, ...lines].flatMap((line) => reader.read(line, now) ?? []);
};
const at = (seconds: number, watts: number | undefined, joules?: number): GpuSample => ({
  ...{ index: 0, name: 'card', at: seconds, watts, joules, utilization: 0.5 },
});

describe('nvidia-smi: lines', () => {
  it('reads a card as it was recorded, and [N/A] as no number', () => {
    const [h100, mig, old] = read([
      '2026/07/14 08:12:38.696, 0, NVIDIA H100 80GB HBM3, 69.85, 0, 69.62',
      '2026/07/14 09:00:44.579, 1, NVIDIA H100 80GB HBM3, 433.78, [N/A], 447.35',
      '2026/07/14 09:00:44.579, 2, NVIDIA GeForce RTX 2080 SUPER, 39.32, 8, [N/A]',
    ]);
    assert.equal(h100.watts, 69.62);
    assert.equal(h100.utilization, 0);
    assert.equal(h100.at, Date.UTC(2026, 6, 14, 8, 12, 38, 696) / 1000);
    assert.equal(mig.utilization, undefined);
    assert.equal(old.watts, 39.32);
    assert.equal(old.utilization, 0.08);
  });

  it('takes the tool’s zone from the first line', () => {
    const [sample] = read(
      ['2026/07/14 10:12:38.696, 0, X, 1, 0, 1'],
      Date.UTC(2026, 6, 14, 8, 12, 39) / 1000,
    );
    assert.equal(sample.at, Date.UTC(2026, 6, 14, 8, 12, 38, 696) / 1000);
  });

  it('leaves garbled lines out and counts them', () => {
    const reader = new SampleReader();
    const lines = [
      HEADER,
      'Unable to determine the device handle',
      '2026/07/14, 0',
      '',
      '2026/07/14 08:12:38.696, -1, X, 1, 0, 1',
      '2026/07/14 08:12:38.696, 0, X, 99999999, 0, 99999999',
    ];
    for (const line of lines) assert.equal(reader.read(line, 0), undefined);
    assert.equal(reader.garbled, 4);
    assert.match(reader.firstGarbled!, /^Unable/);
  });
});

describe('nvidia-smi: energy of a window', () => {
  const steady = Array.from({ length: 41 }, (_, look) => at(look / 10, 100));

  it('adds power over time, straight lines between samples and up to the ends', () => {
    const found = energyBetween(steady, 1.05, 3.05);
    assert.ok(isReading(found) && Math.abs(found.joules - 200) < 1e-9 && found.utilization === 0.5);
    const ramp = steady.map((sample) => at(sample.at, 100 * sample.at));
    const rising = energyBetween(ramp, 1, 3);
    assert.ok(isReading(rising) && Math.abs(rising.joules - 400) < 1e-9);
  });

  it('says that a window was not measured: silence, a lost card, a clock set back, no power', () => {
    const missing = (samples: readonly GpuSample[], from = 1, to = 3): string => {
      const found = energyBetween(samples, from, to);
      return isReading(found) ? `got ${found.joules} J` : found.missing;
    };
    assert.match(missing([]), /0 samples/);
    assert.match(missing(steady.filter((sample) => sample.at < 2)), /gap/);
    assert.match(missing([at(0, 100), at(4, 100)]), /gap of more than 2 s/);
    assert.match(missing([...steady, at(2, 100)]), /set back/);
    assert.match(missing(steady.map((sample) => at(sample.at, undefined))), /states no power/);
  });

  it('takes a counter before power, and none that falls or jumps', () => {
    const counted = steady.map((sample) => at(sample.at, 100, 1e6 + 250 * sample.at));
    const found = energyBetween(counted, 1.05, 3.05);
    assert.ok(isReading(found) && Math.abs(found.joules - 500) < 1e-6);
    const fallen = energyBetween([...counted.slice(0, 20), at(2, 100, 0), at(4, 100, 1)], 1, 3);
    assert.ok(!isReading(fallen) && /fell/.test(fallen.missing));
    const jumped = counted.map((sample) =>
      at(sample.at, 100, sample.joules! * (sample.at < 2 ? 1 : 9)),
    );
    const far = energyBetween(jumped, 1, 3);
    assert.ok(!isReading(far) && /jumped/.test(far.missing));
  });
});

describe('nvidia-smi: the program', () => {
  it('measures several cards at once, each by its own samples', async () => {
    const command = fakeNvidiaSmi({ looks: [[H100_IDLE, MIG_BUSY]] });
    const { meters, absent, close } = await nvidiaMeters({ command, sampleMs: 20 });
    try {
      assert.deepEqual(absent, []);
      assert.deepEqual(
        meters.map(({ name }) => name),
        ['GPU 0 (NVIDIA H100 80GB HBM3)', 'GPU 1 (NVIDIA H100 80GB HBM3)'],
      );
      const windows = await Promise.all(meters.map((meter) => meter.start()));
      await wait(300);
      const found = await Promise.all(windows.map((window) => window.stop()));
      const watts = found.map((each) => (isReading(each) ? each.joules / each.seconds : NaN));
      assert.ok(Math.abs(watts[0] - 69.62) < 1e-6, String(watts));
      assert.ok(Math.abs(watts[1] - 447.35) < 1e-6, String(watts));
    } finally {
      await close();
    }
  });

  it('takes the energy counter where the installed version lists one', async () => {
    const looks = Array.from({ length: 400 }, (_, look) => [
      { ...H100_BUSY, total_energy_consumption: String(7_000_000 + 6000 * look) },
    ]);
    const list = ['timestamp', 'power.draw', 'power.draw.instant', 'total_energy_consumption'];
    const found = await nvidiaMeters({ command: fakeNvidiaSmi({ looks, list }), sampleMs: 20 });
    try {
      assert.match(found.meters[0].resolution, /energy counter/);
      const window = await found.meters[0].start();
      await wait(300);
      const reading = await window.stop();
      // 6 J a look, of which there are up to 15: the power stated, 625 W, would be 188 J.
      assert.ok(isReading(reading) && reading.joules > 10 && reading.joules < 120);
    } finally {
      await found.close();
    }
  });

  it('is absent, with a reason, where it is not there, fails, hangs or states no power', async () => {
    const reason = async (
      command: readonly string[],
      milliseconds = 20_000,
    ): Promise<{ readonly reason: string; readonly needed?: string | undefined }> => {
      const limits = { firstMs: milliseconds, listMs: milliseconds, sampleMs: 20 };
      const { meters, absent, close } = await nvidiaMeters({ command, ...limits });
      await close();
      assert.deepEqual(meters, []);
      assert.equal(absent.length, 1);
      return absent[0];
    };
    const missing = await reason(['/nowhere/nvidia-smi']);
    assert.match(missing.reason, /no such program/);
    assert.match(missing.needed!, /driver/);
    const looks = [[H100_IDLE]];
    assert.match(
      (await reason(fakeNvidiaSmi({ looks, listEnds: 9 }))).reason,
      /ended \(9\).*driver/,
    );
    assert.match(
      (await reason(fakeNvidiaSmi({ looks, listEnds: 'hang' }), 400)).reason,
      /no answer/,
    );
    assert.match(
      (await reason(fakeNvidiaSmi({ looks, hangsAt: 0 }), 4000)).reason,
      /no sample within/,
    );
    assert.match((await reason(fakeNvidiaSmi({ looks, failsAt: 0 }))).reason, /device handle/);
    const quiet = { ...H100_IDLE, 'power.draw': '[N/A]', 'power.draw.instant': '[Unknown Error]' };
    assert.match((await reason(fakeNvidiaSmi({ looks: [[quiet]] }))).reason, /no power/);
  });

  it('that fails, hangs or talks nonsense while a model is measured costs readings, nothing else', async () => {
    const looks = [[H100_IDLE]];
    const nonsense = Object.fromEntries(
      Array.from({ length: 500 }, (_, look) => [look + 3, 'x'.repeat(300) + '\n']),
    );
    const endless = Object.fromEntries(
      Array.from({ length: 500 }, (_, look) => [look + 3, 'x'.repeat(100_000)]),
    );
    for (const [behaviour, expected] of [
      [{ failsAt: 3 }, /ended \(15\).*device handle/],
      [{ hangsAt: 3 }, /samples|gap/],
      [{ garbage: nonsense }, /made no sense/],
      [{ garbage: endless }, /samples|gap/],
    ] as const) {
      const command = fakeNvidiaSmi({ looks, ...behaviour });
      const { meters, close } = await nvidiaMeters({ command, sampleMs: 20 });
      const window = await meters[0].start();
      // The work that is measured: it ends as it does without a meter.
      await wait(200);
      const begun = performance.now();
      const reading = await window.stop();
      assert.ok(performance.now() - begun < 5000);
      assert.ok(!isReading(reading), JSON.stringify(reading));
      assert.match(reading.missing, expected);
      await close();
    }
  }).timeout(30_000);
});
