import assert from 'node:assert/strict';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import {
  measureFiringRates,
  measureStepRates,
} from '../../../src/experiment/observe/firing-rates.js';
import { firingRateRecords, firingRatesFigure } from '../../../src/figures/energy-figures.js';
import { observe } from '../../../src/model/observe.js';
import { describeModel } from '../../../src/model/structure.js';
import { render } from '../../../src/plots/render/render.js';
import { resolvePlan, uniformPlan } from '../../../src/quant/plan.js';
import { AbortedError } from '../../../src/util/errors.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { FAMILY_TOYS, saveFamilyToy } from '../../families/toys.js';
import { sst2Parts } from '../../support/parts.js';
import { deriveConfig, hierarchyFor, SpikeGPT } from '../../support/spikegpt.js';
import { toyCheckpoint, TOY } from '../../support/toy.js';
import { toySentences } from '../study-support.js';

const checkpoint = toyCheckpoint();
const subject = async () => ({ checkpoint, ...(await deriveConfig(checkpoint)) });
const hierarchy = hierarchyFor(TOY);

describe('experiment/firing-rates', () => {
  const at = temporaryFolder();
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

  for (const toy of FAMILY_TOYS)
    it(`of a ${toy.family.title} come step by step, their mean that of the layer`, async () => {
      const file = await openCheckpoint(
        await saveFamilyToy(at(`${toy.family.id}.safetensors`), toy),
      );
      const description = await describeModel(file);
      const task = toySentences(9);
      const [{ rates, perStep }] = await measureStepRates(
        { checkpoint: file, ...description },
        task,
        [new Map()],
      );
      for (const { path, steps = 1 } of description.layout.spiking) {
        const own = perStep.get(path)!;
        assert.equal(own.length, steps, path);
        const mean = own.reduce((sum, rate) => sum + rate, 0) / steps;
        assert.ok(Math.abs(mean - rates.get(path)!) < 1e-12, path);
      }
      assert.ok(
        [...perStep.values()].some((own) => new Set(own).size > 1),
        'steps that differ',
      );
      // A record a layer and step, and a figure of them.
      const plans = [{ name: 'fp32', plan: new Map(), firingRates: rates, stepRates: perStep }];
      const run = { model: description, sentenceTokens: 9, plans };
      const study = { task: { name: 'sst2' }, options: { file: { name: 'toy' } } };
      const records = firingRateRecords(study as never, run);
      const sum = description.layout.spiking.reduce((all, { steps = 1 }) => all + steps, 0);
      assert.equal(records.length, sum);
      const svg = String(await render(firingRatesFigure(study as never, run), 'svg'));
      assert.match(svg, /Time step/);
      await file.close();
    });

  it('stop on request', async () => {
    const signal = AbortSignal.abort();
    const run = measureFiringRates(await subject(), toySentences(9), [new Map()], { signal });
    await assert.rejects(run, AbortedError);
  });
});
