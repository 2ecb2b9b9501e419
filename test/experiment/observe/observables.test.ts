import assert from 'node:assert/strict';
import fc from 'fast-check';
import { startBackend } from '../../../src/backend/start.js';
import { klDivergence, logSumExp } from '../../../src/experiment/observe/divergence.js';
import { Observer, type Observables } from '../../../src/experiment/observe/observables.js';
import { observedItems, OBSERVED_LIMITS } from '../../../src/experiment/observe/observed-items.js';
import { PlanApplier } from '../../../src/experiment/scoring/plan-applier.js';
import { observe, type Observation } from '../../../src/model/observe.js';
import { resolvePlan, uniformPlan, withUnit, type ResolvedPlan } from '../../../src/quant/plan.js';
import { fakeQuantize } from '../../../src/quant/quantizer/quantize.js';
import { affineMinMax, SIGN } from '../../../src/quant/scheme/scheme.js';
import type { Task } from '../../../src/tasks/task.js';
import type { Wikitext2Parts } from '../../../src/tasks/wikitext2.js';
import { sst2Parts, wikitext2Parts } from '../../support/parts.js';
import { deriveConfig, hierarchyFor, SpikeGPT } from '../../support/spikegpt.js';
import { toyCheckpoint, TOY } from '../../support/toy.js';
import { toySentences, toyText } from '../study-support.js';

describe('experiment/divergence', () => {
  it('is Σ p ln(p/q) of the softmax distributions', () => {
    // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): KL = ln 2 / 2 − ln 2 / 4 = ln 2 / 4; logits up to a shift.
    const p = Float32Array.of(9, Math.LN2, 0, 0);
    const q = Float32Array.of(5, 5, 5 + Math.LN2);
    assert.ok(Math.abs(klDivergence(p, 1, q, 0, 3) - Math.LN2 / 4) < 1e-7);
    assert.ok(Math.abs(logSumExp(Float32Array.of(1000, 1000), 0, 2) - 1000 - Math.LN2) < 1e-12);
  });

  it('is 0 for equal logits, positive else, and NaN where a logit is', () => {
    const logit = fc.float({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(logit, logit), { minLength: 2, maxLength: 9 }), (pairs) => {
        const p = Float32Array.from(pairs, ([one]) => one);
        const q = Float32Array.from(pairs, ([, other]) => other);
        assert.equal(klDivergence(p, 0, p, 0, p.length), 0);
        assert.ok(klDivergence(p, 0, q, 0, p.length) > -1e-12);
      }),
    );
    assert.ok(Number.isNaN(klDivergence(Float32Array.of(0, 1), 0, Float32Array.of(NaN, 1), 0, 2)));
  });
});

describe('experiment/observed-items', () => {
  it('takes the first sentences whatever batch they came in, with their real lengths', () => {
    const task = toySentences(40);
    const { batches, count, description } = observedItems(task, 61, {
      ...OBSERVED_LIMITS,
      sentences: 9,
    });
    assert.equal(count, 9);
    assert.equal(description, 'first 9 sentences');
    const found = batches.flatMap(({ inputs: { ids, batch, time }, lengths }) =>
      Array.from({ length: batch }, (_, row) =>
        Array.from(ids.subarray(row * time, row * time + lengths[row])).join(' '),
      ),
    );
    const first = sst2Parts(task)
      .sequences.slice(0, 9)
      .map((ids) => Array.from(ids).join(' '));
    assert.deepEqual(found.sort(), first.sort());
  });

  it('takes as many windows as positions and kept logits allow, at least one', () => {
    const task = toyText(16 * 12);
    const windows = (limits: Partial<typeof OBSERVED_LIMITS>): number =>
      observedItems(task, 61, { ...OBSERVED_LIMITS, ...limits }).count;
    assert.equal(windows({}), 12);
    assert.equal(windows({ windows: 5 }), 5);
    assert.equal(windows({ positions: 50 }), 3);
    assert.equal(windows({ logitBytes: 4 * 61 * 16 * 2 }), 2);
    assert.equal(windows({ positions: 1 }), 1);
  });
});

describe('experiment/observables', () => {
  before(() => startBackend('cpu'));

  const cases = [
    ['sst2', toySentences(12), {}],
    ['wikitext2', toyText(16 * 4), { classes: 0 }],
  ] as const;
  for (const [name, task, config] of cases) {
    const checkpoint = toyCheckpoint(config);
    const hierarchy = hierarchyFor({ ...TOY, ...config });
    const resolve = (plan: ReturnType<typeof uniformPlan>): ResolvedPlan =>
      resolvePlan(plan, hierarchy);

    const withObserver = async (
      work: (measure: (plan: ResolvedPlan) => Promise<Observables>) => Promise<void>,
    ): Promise<void> => {
      const items = observedItems(task, TOY.vocabSize);
      const description = await deriveConfig(checkpoint);
      const observer = await Observer.open({ checkpoint, description, task, items });
      try {
        await work((plan) => observer.measure(plan));
      } finally {
        observer.close();
      }
    };

    it(`${name}: an unquantized plan differs in nothing`, () =>
      withObserver(async (measure) => {
        const none = { klDivergence: 0, flipRate: 0, sqnr: Infinity, membraneDrift: 0 };
        assert.deepEqual(await measure(resolve(new Map())), none);
        // The sign is all that a spike embedding is used for.
        assert.deepEqual(await measure(resolve(new Map([['input', SIGN]]))), none);
      }));

    it(`${name}: is what a slow, item by item count gives`, () =>
      withObserver(async (measure) => {
        const plan = resolve(withUnit(uniformPlan(4), 'attention.1', affineMinMax(2)));
        const found = await measure(plan);
        const expected = await slowly(task, plan);
        assert.ok(found.flipRate > 0);
        assert.equal(found.flipRate, expected.flipRate);
        for (const figure of ['klDivergence', 'sqnr'] as const)
          assert.ok(
            Math.abs(found[figure] - expected[figure]) < 1e-5 * Math.abs(expected[figure]),
            `${figure}: ${found[figure]}, not ${expected[figure]}`,
          );
      }));

    it(`${name}: does not depend on what was measured before`, () =>
      withObserver(async (measure) => {
        const plan = resolve(uniformPlan(3));
        const first = await measure(plan);
        await measure(resolve(uniformPlan(6)));
        assert.deepEqual(await measure(plan), first);
      }));

    /** One item a batch, unpadded, with the formulas written out. */
    const slowly = async (task: Task, plan: ResolvedPlan): Promise<Observables> => {
      const model = await SpikeGPT.load(checkpoint);
      const applier = new PlanApplier(model, checkpoint);
      const windowsOf = ({ windows, scored }: Wikitext2Parts): Int32Array[] =>
        windows.map(({ start, end }) => scored.slice(start, end));
      const sequences =
        task.context === undefined ? sst2Parts(task).sequences : windowsOf(wikitext2Parts(task));
      const look = async (): Promise<Observation[]> => {
        const seen: Observation[] = [];
        for (const ids of sequences)
          seen.push(
            await observe(
              model,
              { ids, batch: 1, time: ids.length },
              {
                spikes: true,
                ...(model.classes > 0
                  ? { classLengths: Int32Array.of(ids.length) }
                  : { logits: true }),
              },
            ),
          );
        return seen;
      };
      try {
        const before = await look();
        await applier.apply(plan);
        const after = await look();
        const softmax = (logits: readonly number[]): number[] => {
          const powers = logits.map((logit) => Math.exp(logit));
          const sum = powers.reduce((total, power) => total + power, 0);
          return powers.map((power) => power / sum);
        };
        const count = model.classes > 0 ? model.classes : TOY.vocabSize;
        const divergences: number[] = [];
        let [flips, values] = [0, 0];
        before.forEach((one, item) => {
          const other = after[item];
          const [p, q] = [one, other].map(({ logits, classLogits }) =>
            Array.from(classLogits ?? logits!),
          );
          for (let at = 0; at < p.length; at += count) {
            const [ps, qs] = [softmax(p.slice(at, at + count)), softmax(q.slice(at, at + count))];
            divergences.push(
              ps.reduce((sum, share, i) => sum + share * Math.log(share / qs[i]), 0),
            );
          }
          one.spikes!.forEach(({ spikes }, layer) => {
            spikes.forEach((spike, i) => {
              values++;
              if (other.spikes![layer].spikes[i] !== spike) flips++;
            });
          });
        });
        let [signal, noise] = [0, 0];
        for (const [tensor, scheme] of plan) {
          const weights = await checkpoint.readFloat32(tensor);
          const { shape } = checkpoint.tensors.get(tensor)!;
          fakeQuantize(weights, shape, scheme).forEach((value, i) => {
            signal += weights[i] ** 2;
            noise += (weights[i] - value) ** 2;
          });
        }
        return {
          klDivergence: divergences.reduce((sum, one) => sum + one, 0) / divergences.length,
          flipRate: flips / values,
          sqnr: 10 * Math.log10(signal / noise),
        };
      } finally {
        model.dispose();
      }
    };
  }
});
