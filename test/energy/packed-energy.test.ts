import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { executionOf, realSavings } from '../../src/energy/measured/real-savings.js';
import type { Meters } from '../../src/energy/meters/meter.js';
import type { Study } from '../../src/experiment/open/study.js';
import {
  measureEnergy,
  type MeasuredEnergy,
  type MeasureEnergyOptions,
} from '../../src/experiment/runs/energy/measured-energy.js';
import { openEnergyRun } from '../../src/experiment/runs/energy/saved-energy.js';
import { uniformPlan } from '../../src/quant/plan.js';
import { BackendError, QuantError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { closeStudy, toyStudy } from '../experiment/study-support.js';

/** A meter that says 3 J above an idle of 2 W, and what the device holds as each window begins. */
function heldMeter(): {
  readonly meters: Meters;
  readonly held: number[];
  readonly rest: () => Promise<void>;
} {
  const held: number[] = [];
  let idle = false;
  const meter = {
    ...{ name: 'simulated', source: 'simulated' as const },
    ...{ covers: 'a machine that does not exist', resolution: 'exact' },
    start: () => {
      held.push(tf.memory().numBytes);
      idle = false;
      return Promise.resolve({
        stop: () => Promise.resolve({ joules: idle ? 2 : 5, seconds: 1 }),
      });
    },
  };
  const rest = (): Promise<void> => {
    idle = true;
    return Promise.resolve();
  };
  return { meters: { meters: [meter], absent: [], close: () => Promise.resolve() }, held, rest };
}

describe('measured energy: packed execution', () => {
  const at = temporaryFolder();
  let study: Study;
  const measure = async (
    bits: number,
    own: Partial<MeasureEnergyOptions>,
  ): Promise<MeasuredEnergy & { readonly held: readonly number[] }> => {
    const { meters, held, rest } = heldMeter();
    let now = 0;
    const found = await measureEnergy(study, [{ name: `${bits} bits`, plan: uniformPlan(bits) }], {
      ...{ repeat: 2, runs: at('runs'), meters },
      procedure: { clock: () => now++, rest, load: () => () => 0 },
      ...own,
    });
    return { ...found, held };
  };

  before(async () => {
    await startBackend('wasm');
    study = await toyStudy(at('.'), {
      kind: 'wikitext2',
      config: { width: 32 },
      backend: { name: 'wasm', description: 'wasm' },
    });
  });
  after(async () => {
    await closeStudy(study);
    await startBackend('cpu');
  });

  it('computes with packed matrices in each window of a plan, and says so in its rows', async () => {
    const packed = await measure(4, { packed: true });
    const simulated = await measure(4, {});
    const [fp32, four] = packed.rows;
    assert.deepEqual(
      [fp32, four].map(({ execution, backend, verdict }) => [execution, backend, verdict]),
      [
        ['packed', 'wasm', 'baseline'],
        ['packed', 'wasm', 'no difference'],
      ],
    );
    // The numbers of the simulated plan to the last bit, and of the unquantized model its own.
    assert.deepEqual(
      packed.rows.map(({ metric }) => metric),
      simulated.rows.map(({ metric }) => metric),
    );
    // The parameters on the device, as each window of a plan begins.
    const heldIn = ({ windows, held }: typeof packed, plan: string): number[] =>
      windows.windows.flatMap((window, index) => (window.plan === plan ? [held[index]] : []));
    const [own, float32] = [heldIn(packed, '4 bits'), heldIn(packed, 'fp32')];
    const saved = fp32.bytes - four.bytes;
    for (const [index, bytes] of own.entries())
      assert.ok(
        Math.abs(float32[index] - bytes - saved) < 0.05 * saved,
        JSON.stringify([float32, own]),
      );
    const before = heldIn(simulated, '4 bits');
    assert.deepEqual(before, heldIn(simulated, 'fp32'), 'simulated plans are float32');
    assert.deepEqual(float32, before);
  });

  it('fills the packed column of what is real where, and no other', async () => {
    const { real, folder } = await measure(8, { packed: true });
    const [, memory, energy, power] = real;
    assert.match(memory.packed, /^real/);
    assert.match(energy.packed, /^8 bits: \+0\.0 % .*no difference \(simulated\)$/);
    assert.match(power.packed, /^8 bits: \+0\.0 %/);
    for (const { simulated, native } of [energy, power])
      assert.deepEqual([simulated, native], ['not measured here', 'not measured here']);
    const { rows } = await openEnergyRun(folder);
    assert.deepEqual(
      rows.map(({ execution }) => execution),
      ['packed', 'packed'],
    );
    assert.equal(realSavings({})[2].packed, 'not measured here');
    assert.deepEqual(
      [executionOf('wasm', true), executionOf('wasm'), executionOf('tensorflow')],
      ['packed', 'simulated', 'native'],
    );
  });

  it('gives all memory back, and refuses before anything is recorded what it cannot compute', async () => {
    const runs = await readdir(at('runs'));
    const tensors = tf.memory().numTensors;
    await assert.rejects(measure(12, { packed: true }), (error) => {
      assert.ok(error instanceof QuantError);
      return /no packed product .* got 12 bits/.test(error.message);
    });
    await startBackend('cpu');
    await assert.rejects(measure(8, { packed: true }), BackendError);
    await startBackend('wasm');
    assert.deepEqual(await readdir(at('runs')), runs);
    assert.equal(tf.memory().numTensors, tensors);
  });
});
