import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import {
  requireFast,
  speedLimit,
  type FastSelections,
} from '../../../src/cli/commands/select/speed.js';
import { exitCodeOf } from '../../../src/cli/exit-codes.js';
import type { Estimate } from '../../../src/energy/measured/statistics.js';
import { PackedSpeeds, type PackedSpeed } from '../../../src/experiment/selection/packed-speed.js';
import {
  selectBySpeed,
  speedVerdict,
  UnmetSpeedError,
  type JudgedSpeed,
  type SpeedLimit,
} from '../../../src/experiment/selection/speed-limit.js';
import { describeModel } from '../../../src/model/structure.js';
import { resolvePlan, uniformPlan } from '../../../src/quant/plan.js';
import { QuantError } from '../../../src/util/errors.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { saveToy } from '../support.js';

const estimate = (value: number, half: number): Estimate => ({
  ...{ value, low: value - half, high: value + half, repeats: 10 },
});
const speed = (rate: number, times: number): PackedSpeed => ({
  tokensPerSecond: estimate(rate, 5),
  ofFloat32: estimate(times, 0.1),
});
const RATE: SpeedLimit = { least: 100, unit: 'tokens/s' };
const TIMES: SpeedLimit = { least: 1.2, unit: 'of float32' };

describe('a limit on speed', () => {
  it('is kept by a whole interval alone, failed by one alone; else nothing is said', () => {
    assert.equal(speedVerdict(speed(105, 1), RATE), 'keeps');
    assert.equal(speedVerdict(speed(104.9, 1), RATE), 'not told apart');
    assert.equal(speedVerdict(speed(95.1, 1), RATE), 'not told apart');
    assert.equal(speedVerdict(speed(94.9, 1), RATE), 'fails');
    assert.equal(speedVerdict(speed(0, 1.31), TIMES), 'keeps');
    assert.equal(speedVerdict(speed(1000, 1.09), TIMES), 'fails');
  });

  it('takes the best plan that is shown to keep it, measures a plan once, passes over what is not packed', async () => {
    const rates = new Map([
      ['wide', undefined],
      ['slow', 80],
      ['near', 100],
      ['fast', 120],
      ['faster', 200],
    ]);
    const asked: string[] = [];
    const known = new Map<string, JudgedSpeed>();
    const pick = () =>
      selectBySpeed(
        (without) => {
          const own = [...rates.keys()].find((plan) => !without.has(plan));
          return own === undefined ? undefined : { plan: own, own };
        },
        (plan) => {
          asked.push(plan);
          const rate = rates.get(plan);
          if (rate !== undefined) return Promise.resolve(speed(rate, 1));
          throw new QuantError({ what: 'no packed product', where: plan });
        },
        RATE,
        known,
      );
    const { selected, judged } = await pick();
    assert.equal(selected, 'fast');
    assert.deepEqual(
      judged.map(({ verdict }) => verdict),
      ['not packed', 'fails', 'not told apart', 'keeps'],
    );
    assert.match(judged[0].reason!, /no packed product/);
    assert.deepEqual(await pick(), { selected, judged });
    assert.deepEqual(asked, ['wide', 'slow', 'near', 'fast']);
    rates.delete('fast');
    rates.delete('faster');
    assert.equal((await pick()).selected, undefined);
  });

  it('that no plan keeps is told with the counts and the fastest, by an exit code of its own', () => {
    const judged: JudgedSpeed[] = [
      { plan: 'one', verdict: 'fails', speed: speed(50, 1) },
      { plan: 'two', verdict: 'not told apart', speed: speed(97, 1) },
      { plan: 'three', verdict: 'not packed', reason: 'wide' },
    ];
    const fast: FastSelections = {
      ...{ limit: RATE, selections: [undefined], judged },
      ...{ machine: 'M', work: 'texts', repeat: 10, plans: 3 },
    };
    assert.throws(
      () => requireFast(fast, 'run'),
      (error) => {
        assert.ok(error instanceof UnmetSpeedError);
        assert.match(error.message, /1 below it, 1 not told apart from it, 1 without/);
        assert.match(error.message, /fastest: two, 97\.00 \(92\.00 to 102\.0\)/);
        return exitCodeOf(error) === 5;
      },
    );
  });

  it('is written as tokens/s, or as times float32', () => {
    assert.deepEqual(speedLimit('120'), RATE.unit === 'tokens/s' && { ...RATE, least: 120 });
    assert.deepEqual(speedLimit('1.2x'), TIMES);
    for (const text of ['0', '-1', 'x', '1.2 times', '']) assert.throws(() => speedLimit(text));
  });
});

describe('speed under packed execution', () => {
  const at = temporaryFolder();

  for (const kind of ['texts', 'sentences'] as const)
    it(`is measured beside float32 in turns, of ${kind}`, async () => {
      await startBackend('wasm');
      const classes = kind === 'texts' ? 0 : 2;
      const path = await saveToy(at(`${kind}.safetensors`), {
        classes,
        head: classes === 0,
        width: 32,
      });
      const checkpoint = await openCheckpoint(path);
      const description = await describeModel(checkpoint);
      const plan = (bits: number) => resolvePlan(uniformPlan(bits), description.hierarchy);
      const tensors = tf.memory().numTensors;
      let now = 0;
      // A window is one pass of 32 tokens, which takes a second by this clock.
      const options = { repeat: 3, plans: 4, clock: () => now++ };
      const speeds = await PackedSpeeds.open(checkpoint, description, options);
      const held = tf.memory().numBytes;
      const { tokensPerSecond, ofFloat32 } = await speeds.measure(plan(4));
      const { value, low, high, repeats } = tokensPerSecond;
      for (const each of [value, low, high]) assert.ok(Math.abs(each - 32) < 1e-9, String(each));
      assert.deepEqual([repeats, ofFloat32], [3, { value: 1, low: 1, high: 1, repeats: 3 }]);
      assert.equal(now, 2 * 2 * 3);
      assert.ok(tf.memory().numBytes < held, 'one of the two models is packed');
      await assert.rejects(speeds.measure(plan(12)), QuantError);
      speeds.dispose();
      assert.equal(tf.memory().numTensors, tensors);
      await checkpoint.close();
      await startBackend('cpu');
    });
});
