import assert from 'node:assert/strict';
import { startBackend } from '../../../src/backend/start.js';
import { measureFiringRates } from '../../../src/experiment/observe/firing-rates.js';
import { observe } from '../../../src/model/observe.js';
import { resolvePlan, uniformPlan } from '../../../src/quant/plan.js';
import { AbortedError } from '../../../src/util/errors.js';
import { sst2Parts } from '../../support/parts.js';
import { deriveConfig, hierarchyFor, SpikeGPT } from '../../support/spikegpt.js';
import { toyCheckpoint, TOY } from '../../support/toy.js';
import { toySentences } from '../study-support.js';

const checkpoint = toyCheckpoint();
const subject = async () => ({ checkpoint, ...(await deriveConfig(checkpoint)) });
const hierarchy = hierarchyFor(TOY);

describe('experiment/firing-rates', () => {
  before(() => startBackend('wasm'));

  it('are the shares of ones of each sentence run by itself, so without padding', async () => {
    const task = toySentences(9);
    const [rates] = await measureFiringRates(await subject(), task, [new Map()]);
    const [ones, values] = [new Map<string, number>(), new Map<string, number>()];
    const add = (layer: string, spikes: ArrayLike<number>): void => {
      const count = Array.from(spikes).reduce((sum, spike) => sum + spike, 0);
      ones.set(layer, (ones.get(layer) ?? 0) + count);
      values.set(layer, (values.get(layer) ?? 0) + spikes.length);
    };
    const embedding = await checkpoint.readFloat32('emb.weight');
    const model = await SpikeGPT.load(checkpoint);
    for (const ids of sst2Parts(task).sequences) {
      const tokens = Int32Array.from(ids);
      for (const id of tokens)
        add(
          'input/embedding',
          embedding.slice(id * TOY.width, (id + 1) * TOY.width).map((x) => (x >= 0 ? 1 : 0)),
        );
      const batch = { ids: tokens, batch: 1, time: tokens.length };
      const seen = await observe(model, batch, { spikes: true });
      for (const { layer, spikes } of seen.spikes!) add(layer.path, spikes);
    }
    model.dispose();
    assert.deepEqual([...rates.keys()], [...ones.keys()]);
    for (const [layer, rate] of rates)
      assert.ok(Math.abs(rate - ones.get(layer)! / values.get(layer)!) < 1e-12, layer);
  });

  it('come for each plan by itself, whatever was measured before', async () => {
    const task = toySentences(9);
    const [fp32, few] = [32, 3].map((bits) => resolvePlan(uniformPlan(bits), hierarchy));
    const plans = [fp32, few, fp32];
    const [first, second, third] = await measureFiringRates(await subject(), task, plans);
    assert.deepEqual(third, first);
    assert.notDeepEqual(second, first);
  });

  it('stop on request', async () => {
    const signal = AbortSignal.abort();
    const run = measureFiringRates(await subject(), toySentences(9), [new Map()], { signal });
    await assert.rejects(run, AbortedError);
  });
});
