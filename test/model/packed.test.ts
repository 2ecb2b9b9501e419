import assert from 'node:assert/strict';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { heapOf } from '../../src/backend/kernels/heap.js';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { PlanApplier } from '../../src/experiment/scoring/plan-applier.js';
import { matricesOf, unitPaths } from '../../src/layout/hierarchy.js';
import { generate } from '../../src/model/generate.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { openDescribed, type ModelDescription } from '../../src/model/structure.js';
import type { TokenBatch } from '../../src/model/types.js';
import { footprintOf } from '../../src/quant/footprint.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { resolvePlan, type Plan, type ResolvedPlan } from '../../src/quant/plan.js';
import { PER_CHANNEL, perGroup } from '../../src/quant/scheme/granularity.js';
import { affineMinMax, createScheme, SIGN, UNQUANTIZED } from '../../src/quant/scheme/scheme.js';
import { BackendError, CheckpointError, ModelError, QuantError } from '../../src/util/errors.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';

/** Every width and granularity; one matrix is left alone. */
const SCHEMES = [
  createScheme({ bits: 4, granularity: PER_CHANNEL }),
  createScheme({ bits: 8, granularity: PER_CHANNEL }),
  createScheme({ bits: 6, method: 'symmetric', granularity: perGroup(64) }),
  affineMinMax(5),
  createScheme({ bits: 3, granularity: perGroup(32), range: { kind: 'mse' } }),
  UNQUANTIZED,
  createScheme({ bits: 2, granularity: perGroup(16) }),
  createScheme({ bits: 7, method: 'symmetric' }),
];

const BUNDLED = packagePath('data', 'models', 'spikegpt-mini', 'model.safetensors');

const tokensOf = (batch: number, time: number): TokenBatch => ({
  ids: Int32Array.from({ length: batch * time }, (_, at) => 3 + ((7919 * at) % 4000)),
  ...{ batch, time },
});

/** Every spike of a batch, layer by layer. */
function spikesOf({ network, description }: LoadedModel, tokens: TokenBatch): number[] {
  const found: number[] = [];
  const onSpikes = (_: number, spikes: tf.Tensor): void => {
    for (const spike of spikes.dataSync()) found.push(spike);
  };
  tf.tidy(() => {
    const stream = network.embed(tokens, { onSpikes });
    network.runStages(stream, 0, description.layout.stages.length, tokens, { onSpikes });
  });
  return found;
}

describe('model: packed execution', () => {
  const at = temporaryFolder();
  let description: ModelDescription;
  let plan: ResolvedPlan;
  let path: string;

  async function exported(name: string, made: Plan): Promise<string> {
    const checkpoint = await openCheckpoint(BUNDLED);
    const { hierarchy } = description;
    await exportPlan(checkpoint, hierarchy, resolvePlan(made, hierarchy), at(name));
    await checkpoint.close();
    return at(name);
  }

  async function packedModel(file: string): Promise<LoadedModel> {
    const opened = await openDescribed(file);
    try {
      return await LoadedModel.load(opened.checkpoint, opened, { packed: true });
    } finally {
      await opened.checkpoint.close();
    }
  }

  before(async () => {
    await startBackend('wasm');
    const opened = await openDescribed(BUNDLED);
    await opened.checkpoint.close();
    ({ description } = opened);
    const units = unitPaths(description.hierarchy, 'matrix');
    const mixed: Plan = new Map(
      units.map((unit, index) => [unit, SCHEMES[index % SCHEMES.length]]),
    );
    plan = resolvePlan(mixed, description.hierarchy);
    path = await exported('mixed.safetensors', mixed);
  });

  it('has the likelihoods and spikes of the simulated plan, to the last bit, and its text', async () => {
    const packed = await packedModel(path);
    const checkpoint = await openCheckpoint(BUNDLED);
    const simulated = await LoadedModel.load(checkpoint);
    await new PlanApplier(simulated, checkpoint).apply(plan);
    await checkpoint.close();
    // Few rows, which are dequantized in registers; many, by panels; a number that fills no tile.
    for (const tokens of [tokensOf(1, 3), tokensOf(1, 64), tokensOf(2, 77)]) {
      const [own, other] = [packed, simulated].map((model) => spikesOf(model, tokens));
      assert.ok(other.some((spike) => spike !== 0));
      assert.equal(own.filter((spike, index) => spike !== other[index]).length, 0);
      const likelihoods = await packed.tokenNll(tokens, tokens.ids);
      assert.deepEqual(likelihoods, await simulated.tokenNll(tokens, tokens.ids));
    }
    const textOf = async (model: LoadedModel): Promise<number[]> => {
      const text: number[] = [];
      for await (const id of generate(model, Int32Array.of(5, 9), { length: 12, seed: 3 }))
        text.push(id);
      return text;
    };
    assert.deepEqual(await textOf(packed), await textOf(simulated));
    packed.dispose();
    simulated.dispose();
  });

  it('takes the memory that was predicted, and gives it back', async () => {
    const heap = heapOf(tf.backend() as BackendWasm);
    const before = tf.memory();
    let grown = 0;
    for (let round = 0; round < 4; round++) {
      const model = await packedModel(path);
      const held = tf.memory().numBytes - before.numBytes;
      const { total } = footprintOf(description.hierarchy, plan);
      // Symmetric schemes have zeros here too, and one scale for all is one a column.
      assert.ok(held >= total && held < 1.02 * total, `${held} bytes, ${total} predicted`);
      await model.tokenNll(tokensOf(1, 16), tokensOf(1, 16).ids);
      model.dispose();
      assert.equal(tf.memory().numTensors, before.numTensors);
      assert.equal(tf.memory().numBytes, before.numBytes);
      if (round === 0) grown = heap.HEAPU8.length;
    }
    assert.equal(heap.HEAPU8.length, grown, 'the heap has grown');
  });

  it('holds the embedding packed too', async () => {
    const [{ name, parameters }] = matricesOf(description.hierarchy);
    assert.equal(name, 'emb.weight');
    for (const [title, scheme] of [
      ['four', affineMinMax(4)],
      ['sign', SIGN],
    ] as const) {
      const before = tf.memory().numBytes;
      const file = await exported(
        `${title}.safetensors`,
        new Map([
          ['*', affineMinMax(8)],
          ['input', scheme],
        ]),
      );
      const model = await packedModel(file);
      const { total } = footprintOf(
        model.description.hierarchy,
        resolvePlan(
          new Map([
            ['*', affineMinMax(8)],
            ['input', scheme],
          ]),
          description.hierarchy,
        ),
      );
      const held = tf.memory().numBytes - before;
      assert.ok(held < 1.02 * total, `${title}: ${held} bytes for ${total}, ${parameters} values`);
      model.dispose();
    }
  });

  it('refuses what it cannot do, by name', async () => {
    const plain = await openDescribed(BUNDLED);
    await assert.rejects(
      LoadedModel.load(plain.checkpoint, plain, { packed: true }),
      (error) =>
        error instanceof CheckpointError && /only a packed model .* got plain/.test(error.message),
    );
    await plain.checkpoint.close();
    const wide = await exported('wide.safetensors', new Map([['*', affineMinMax(12)]]));
    const tensors = tf.memory().numTensors;
    await assert.rejects(
      packedModel(wide),
      (error) =>
        error instanceof QuantError &&
        /blocks\.0\.att\.key\.weight.*no packed product .* got 12 bits/.test(error.message),
    );
    assert.equal(tf.memory().numTensors, tensors);
    const model = await packedModel(path);
    const tokens = tokensOf(1, 4);
    const loss = { kind: 'tokens', targets: tokens.ids, weights: new Float32Array(4) } as const;
    await assert.rejects(
      model.gradient(tokens, loss),
      (error) =>
        error instanceof ModelError && /packed weights are not trained/.test(error.message),
    );
    model.dispose();
    await startBackend('cpu');
    await assert.rejects(
      packedModel(path),
      (error) =>
        error instanceof BackendError && /backend cpu.*only .* on wasm/.test(error.message),
    );
    await startBackend('wasm');
  });
});
