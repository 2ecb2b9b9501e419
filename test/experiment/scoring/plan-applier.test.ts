import assert from 'node:assert/strict';
import fc from 'fast-check';
import { startBackend } from '../../../src/backend/start.js';
import type { Checkpoint } from '../../../src/checkpoint/types.js';
import { PlanApplier } from '../../../src/experiment/scoring/plan-applier.js';
import { matricesOf } from '../../../src/layout/hierarchy.js';
import { resolvePlan, uniformPlan, withUnit, type ResolvedPlan } from '../../../src/quant/plan.js';
import { fakeQuantize } from '../../../src/quant/quantizer/quantize.js';
import { affineMinMax, paperMinMax, SIGN, UNQUANTIZED } from '../../../src/quant/scheme/scheme.js';
import { AbortedError } from '../../../src/util/errors.js';
import { hierarchyFor, SpikeGPT } from '../../support/spikegpt.js';
import { someTokens, toyCheckpoint, TOY } from '../../support/toy.js';

/** Stands for a model: keeps what it was given, and counts. */
class Receiver {
  readonly values = new Map<string, Float32Array>();
  sets: string[] = [];
  failOn: string | undefined;

  setParameter(name: string, values: Float32Array): void {
    if (name === this.failOn) throw new Error('the device is full');
    this.values.set(name, values.slice());
    this.sets.push(name);
  }
}

const checkpoint: Checkpoint = toyCheckpoint({ head: false });
const hierarchy = hierarchyFor({ ...TOY, head: false });
const matrices = matricesOf(hierarchy);
const plan = (bits: number): ResolvedPlan => resolvePlan(uniformPlan(bits), hierarchy);

async function expectedValues(name: string, resolved: ResolvedPlan): Promise<Float32Array> {
  const original = await checkpoint.readFloat32(name);
  return fakeQuantize(original, checkpoint.tensors.get(name)!.shape, resolved.get(name)!);
}

describe('experiment/apply-plan', () => {
  it('gives every matrix the values its scheme makes of the checkpoint’s, and no vector any', async () => {
    const receiver = new Receiver();
    const changed = await new PlanApplier(receiver, checkpoint).apply(plan(5));
    assert.equal(changed, matrices.length);
    assert.deepEqual(
      receiver.sets,
      matrices.map(({ name }) => name),
    );
    for (const { name } of matrices)
      assert.deepEqual(receiver.values.get(name), await expectedValues(name, plan(5)), name);
  });

  it('sets again only what changes', async () => {
    const receiver = new Receiver();
    const applier = new PlanApplier(receiver, checkpoint);
    await applier.apply(plan(8));
    assert.equal(await applier.apply(plan(8)), 0);
    const unit = withUnit(uniformPlan(8), 'attention.1/SRWKV', affineMinMax(4));
    receiver.sets = [];
    assert.equal(await applier.apply(resolvePlan(unit, hierarchy)), 4);
    assert.deepEqual(
      receiver.sets,
      ['key', 'value', 'receptance', 'output'].map((m) => `blocks.1.att.${m}.weight`),
    );
    const other = withUnit(unit, 'input', paperMinMax(8));
    assert.equal(
      await applier.apply(resolvePlan(other, hierarchy)),
      1,
      'the same width, another scheme',
    );
  });

  it('leaves an unquantized model alone, and restores the bits of the checkpoint', async () => {
    const receiver = new Receiver();
    const applier = new PlanApplier(receiver, checkpoint);
    assert.equal(await applier.apply(resolvePlan(new Map(), hierarchy)), 0);
    assert.equal(await applier.apply(new Map([['emb.weight', UNQUANTIZED]])), 0);
    await applier.apply(plan(2));
    assert.equal(await applier.restore(), matrices.length);
    for (const { name } of matrices)
      assert.deepEqual(receiver.values.get(name), await checkpoint.readFloat32(name), name);
    assert.equal(await applier.restore(), 0);
  });

  it('does not depend on the plans applied before', async () => {
    const schemes = [affineMinMax(3), affineMinMax(8), paperMinMax(8), SIGN, UNQUANTIZED];
    const units = ['input', 'attention.0', 'attention.2/SRFFN', 'attention.1/SRWKV/key'];
    const step = fc.record({
      unit: fc.constantFrom(...units),
      scheme: fc.constantFrom(...schemes),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        const allowed = steps.filter(({ unit, scheme }) => scheme !== SIGN || unit === 'input');
        const receiver = new Receiver();
        const applier = new PlanApplier(receiver, checkpoint);
        let current = uniformPlan(6);
        await applier.apply(resolvePlan(current, hierarchy));
        for (const { unit, scheme } of allowed) {
          current = withUnit(current, unit, scheme);
          await applier.apply(resolvePlan(current, hierarchy));
        }
        const resolved = resolvePlan(current, hierarchy);
        for (const { name } of matrices)
          assert.deepEqual(receiver.values.get(name), await expectedValues(name, resolved), name);
      }),
      { numRuns: 30 },
    );
  });

  it('puts things right after a failure and after an abort', async () => {
    const receiver = new Receiver();
    const applier = new PlanApplier(receiver, checkpoint);
    await applier.apply(plan(8));
    receiver.failOn = 'blocks.1.ffn.key.weight';
    await assert.rejects(applier.apply(plan(4)), /the device is full/);
    receiver.failOn = undefined;
    // Back to the plan before: the failed matrix too, though its scheme had been this one.
    receiver.sets = [];
    await applier.apply(plan(8));
    assert.ok(receiver.sets.includes('blocks.1.ffn.key.weight'));
    for (const { name } of matrices)
      assert.deepEqual(receiver.values.get(name), await expectedValues(name, plan(8)), name);

    const abort = new AbortController();
    abort.abort();
    await assert.rejects(applier.apply(plan(2), { signal: abort.signal }), AbortedError);
    assert.equal(await applier.apply(plan(8)), 0, 'nothing had been changed');
  });

  it('a model has its old outputs again, to the last bit', async () => {
    await startBackend('cpu');
    const model = await SpikeGPT.load(checkpoint);
    try {
      const tokens = { ids: someTokens(2, 12, TOY.vocabSize), batch: 2, time: 12 };
      const lengths = Int32Array.of(12, 7);
      const outputs = (): Promise<Float32Array> =>
        model.classLogits(tokens, lengths, 'real-tokens');
      const before = await outputs();
      const applier = new PlanApplier(model, checkpoint);
      await applier.apply(plan(2));
      assert.notDeepEqual(await outputs(), before);
      await applier.restore();
      assert.deepEqual(await outputs(), before);
      // The sign is all that a spike embedding is used for.
      await applier.apply(new Map([['emb.weight', SIGN]]));
      assert.deepEqual(await outputs(), before);
    } finally {
      model.dispose();
    }
  });
});
