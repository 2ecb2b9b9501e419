import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';
import { DriftMeter, type MembraneDrift } from '../../src/experiment/observe/membrane-drift.js';
import type { ObservedBatch } from '../../src/experiment/observe/observed-items.js';
import { PlanApplier } from '../../src/experiment/scoring/plan-applier.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { potentialsOf, sampledChannels } from '../../src/model/neurons/membranes.js';
import { observe } from '../../src/model/observe.js';
import { resolvePlan, uniformPlan } from '../../src/quant/plan.js';
import { ModelError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { toyCheckpoint } from '../support/toy.js';
import { asBefore, FORMS } from './golden.js';
import { TOY_FAMILY } from './toy-family.js';
import { FAMILY_TOYS, saveFamilyToy } from './toys.js';

const TIME = 12;
const LENGTHS = Int32Array.of(12, 5, 9);

function sentences(): ObservedBatch {
  const random = seededRandom(3);
  const batch = LENGTHS.length;
  const ids = new Int32Array(batch * TIME);
  for (const [row, length] of LENGTHS.entries())
    for (let at = 0; at < length; at++) ids[row * TIME + at] = 1 + Math.floor(60 * random.float());
  return {
    inputs: { ids, batch, time: TIME, lengths: LENGTHS },
    lengths: LENGTHS,
    scoredFrom: new Int32Array(batch),
    scoredTo: LENGTHS,
  };
}

describe('membrane potentials', () => {
  const at = temporaryFolder();
  after(asBefore);
  const models = [
    ['SpikeGPT', (): Promise<Checkpoint> => Promise.resolve(toyCheckpoint())],
    ...FAMILY_TOYS.map(
      (toy) =>
        [
          toy.family.title,
          async (): Promise<Checkpoint> =>
            openCheckpoint(await saveFamilyToy(at(`${toy.family.id}.safetensors`), toy)),
        ] as const,
    ),
  ] as const;

  for (const [title, open] of models) {
    it(`of a ${title} reach the threshold exactly where its neurons fire`, async () => {
      for (const [, start] of FORMS) {
        await start();
        const before = tf.memory().numTensors;
        const checkpoint = await open();
        const model = await LoadedModel.load(checkpoint);
        const { inputs } = sentences();
        const wanted = { spikes: true, embedding: true, membranes: true };
        const { spikes, membranes } = await observe(model, inputs, wanted);
        const { spiking } = model.description.layout;
        // All layers have neurons but an embedding of signs.
        const silent = spiking.filter(({ stage }) => stage === 'embedding').length;
        assert.ok(membranes!.length >= spiking.length - silent);
        for (const { layer, potentials } of membranes!) {
          const fired = spikes!.find((record) => record.layer === layer)!.spikes;
          const steps = layer.steps ?? 1;
          const width = fired.length / (inputs.batch * TIME * steps);
          const channels = sampledChannels(width, steps);
          assert.equal(potentials.length, inputs.batch * TIME * steps * channels.length);
          let [least, most] = [Infinity, -Infinity]; // potentials that fire, and that do not
          for (let i = 0; i < potentials.length; i++) {
            const place = Math.floor(i / channels.length);
            const spike = fired[place * width + channels[i % channels.length]];
            // Ternary neurons have amplitudes of each step: their signs have to agree.
            if (layer.levels === 'ternary') assert.ok(spike === 0 || spike * potentials[i] > 0);
            else if (spike === 1) least = Math.min(least, potentials[i]);
            else most = Math.max(most, potentials[i]);
          }
          assert.ok(
            layer.levels === 'ternary' || most <= least,
            `${layer.path}: ${most}, ${least}`,
          );
        }
        model.dispose();
        assert.equal(tf.memory().numTensors, before, 'nothing stays on the device');
        await checkpoint.close();
      }
    });

    it(`of a ${title} drift by nothing unquantized, by more with fewer bits, alike on all backends`, async () => {
      const drifts: MembraneDrift[] = [];
      for (const [name, start] of FORMS) {
        await start();
        const checkpoint = await open();
        const model = await LoadedModel.load(checkpoint);
        const meter = new DriftMeter(model, new PlanApplier(model, checkpoint), [sentences()]);
        const measure = (bits: number): Promise<MembraneDrift> =>
          meter.measure(resolvePlan(uniformPlan(bits), model.description.hierarchy));
        const none = await meter.measure(new Map());
        assert.equal(none.mean, 0);
        const [high, low] = [await measure(12), await measure(4)];
        assert.ok(high.mean > 0 && high.mean < low.mean, `${name}: ${high.mean}, ${low.mean}`);
        assert.deepEqual(await measure(12), high, 'deterministic');
        drifts.push(low);
        model.dispose();
        await checkpoint.close();
      }
      const [first, ...others] = drifts;
      for (const other of others)
        for (const [path, drift] of first.layers)
          assert.ok(
            Math.abs(other.layers.get(path)! - drift) <= 1e-3 * drift,
            `${path}: ${drift} and ${other.layers.get(path)}`,
          );
    });
  }

  it('do not depend on the padding that a batch happens to have', async () => {
    await startBackend('wasm');
    const checkpoint = toyCheckpoint();
    const model = await LoadedModel.load(checkpoint);
    const applier = new PlanApplier(model, checkpoint);
    const together = sentences();
    const alone = Array.from(LENGTHS, (length, row): ObservedBatch => {
      const ids = together.inputs.ids.slice(row * TIME, row * TIME + length);
      const lengths = Int32Array.of(length);
      const inputs = { ids, batch: 1, time: length };
      return { inputs, lengths, scoredFrom: new Int32Array(1), scoredTo: lengths };
    });
    const plan = resolvePlan(uniformPlan(4), model.description.hierarchy);
    const one = await new DriftMeter(model, applier, [together]).measure(plan);
    const other = await new DriftMeter(model, applier, alone).measure(plan);
    for (const [path, drift] of one.layers)
      assert.ok(Math.abs(other.layers.get(path)! - drift) <= 1e-9, path);
    model.dispose();
  });

  it('follow the equations of each kind of neurons', () => {
    const spikes = Float32Array.of(0, 1, 0);
    const current = Float32Array.of(1, 3, 1);
    const steps = { time: 1, steps: 3, channels: 1 };
    const tokens = { time: 3, steps: 1, channels: 1 };
    const of = (...args: Parameters<typeof potentialsOf>): number[] => [...potentialsOf(...args)];
    assert.deepEqual(
      of(current, spikes, steps, { kind: 'leaky', tau: 2, over: 'steps' }),
      [0.5, 1.75, 0.5],
    );
    assert.deepEqual(
      of(current, spikes, tokens, { kind: 'leaky', tau: 2, over: 'tokens' }),
      [0.5, 1.75, 0.5],
    );
    assert.deepEqual(
      of(current, spikes, tokens, { kind: 'leaky', tau: 2, over: 'steps' }),
      [0.5, 1.5, 0.5],
    );
    assert.deepEqual(of(current, spikes, steps, { kind: 'integrate', threshold: 2 }), [1, 4, 3]);
    const amplitudes = [4, 4, 4];
    const fired = Float32Array.of(0, -4, 0);
    // 1, then 0.25 · 1 · 4 + 3 = 4, then 0.25 · 4 · (4 + 4) + 1 = 9: a negative spike does not reset.
    assert.deepEqual(
      of(current, fired, steps, { kind: 'ternary', amplitudes, remembers: true }),
      [1, 4, 9],
    );
    assert.deepEqual(
      of(current, fired, steps, { kind: 'ternary', amplitudes, remembers: false }),
      [1, 3, 1],
    );
  });

  it('are refused of a family whose network does not tell of them', async () => {
    const path = at('toy.safetensors');
    const config = {
      vocabSize: 9,
      width: 8,
      contextLength: 6,
      classes: 2,
      layers: 1,
      head: false,
      gain: 1,
    };
    await saveFamilyToy(path, { family: TOY_FAMILY, config });
    const checkpoint = await openCheckpoint(path);
    const model = await LoadedModel.load(checkpoint);
    const tokens = { ids: new Int32Array(6), batch: 1, time: 6 };
    await assert.rejects(observe(model, tokens, { membranes: true }), (error) => {
      assert.ok(error instanceof ModelError && error.detail.where === 'Toy');
      return true;
    });
    model.dispose();
    await checkpoint.close();
  });
});
