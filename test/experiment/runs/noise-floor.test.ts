import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { noiseTexts } from '../../../src/cli/format/selection-text.js';
import {
  dither,
  knownNoise,
  measureNoise,
  noiseStore,
} from '../../../src/experiment/runs/noise-floor.js';
import { runSearch } from '../../../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH } from '../../../src/experiment/runs/search-settings.js';
import { memoryStore } from '../../../src/store/index.js';
import { comparePaired } from '../../../src/tasks/metrics/metrics.js';
import { formatComparison, isBelowFloor } from '../../../src/tasks/metrics/noise.js';
import { SpikeGPT } from '../../support/spikegpt.js';
import { closeStudy, inFolder, toyStudy, toyText } from '../study-support.js';
import { saveToy } from '../support.js';

describe('noise floor', () => {
  before(() => startBackend('cpu'));

  it('dithers the last bit, up and down and not at all, and no sign', () => {
    const values = Float32Array.of(
      0,
      -0,
      1,
      -1,
      1e-45,
      -1e-45,
      3.5,
      ...new Array<number>(3000).fill(-0.3),
    );
    const moved = dither(values, 7);
    const bits = [new Int32Array(values.buffer), new Int32Array(moved.buffer)];
    const steps = [...bits[0]].map((own, index) => bits[1][index] - own);
    assert.deepEqual([...new Set(steps)].sort(), [-1, 0, 1]);
    assert.deepEqual([...moved.subarray(0, 2)].map(Object.is.bind(null, -0)), [false, true]);
    assert.ok(values.every((value, index) => Math.sign(value) === Math.sign(moved[index])));
    for (const step of [-1, 0, 1]) {
      const share = steps.slice(7).filter((each) => each === step).length / 3000;
      assert.ok(Math.abs(share - 1 / 3) < 0.05, `${step}: ${share}`);
    }
    assert.deepEqual(dither(values, 7), moved);
  });

  it('is measured, kept, found again without measuring, and leaves the weights', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'toy.safetensors');
      await saveToy(path, { classes: 0 });
      const checkpoint = await openCheckpoint(path);
      const model = await SpikeGPT.load(checkpoint);
      const task = toyText();
      const store = memoryStore();
      const place = { checkpoint: 'toy', task, backend: 'cpu' };
      try {
        const baseline = await task.evaluate(model);
        assert.equal(knownNoise(store, place, baseline), undefined);
        const options = { dithers: 4, store: noiseStore(store, place) };
        const noise = await measureNoise({ model, checkpoint }, task, baseline, options);
        assert.equal(noise.dithers, 4);
        assert.ok(noise.metric >= 0 && noise.metric < 0.01 * baseline.value, String(noise.metric));
        const again = await task.evaluate(model);
        assert.deepEqual({ ...again, seconds: 0 }, { ...baseline, seconds: 0 });
        assert.deepEqual(knownNoise(store, place, baseline), noise);
        const unable = { ...task, evaluate: () => Promise.reject(new Error('measured again')) };
        assert.deepEqual(
          await measureNoise({ model, checkpoint }, unable, baseline, options),
          noise,
        );
        // Other data has a floor of its own.
        assert.equal(knownNoise(store, { ...place, task: toyText(64) }, baseline), undefined);
      } finally {
        model.dispose();
        await checkpoint.close();
      }
    }));

  it('makes noise of a difference below it, however sure that is', () => {
    const window = (nll: number) => ({
      metric: 'perplexity' as const,
      taskId: 'x',
      value: Math.exp(nll / 10),
      interval: { low: 1, high: 2, level: 0.95 },
      items: 4,
      tokens: 40,
      seconds: 1,
      windowNll: [nll, nll + 0.001, nll, nll],
      windowTokens: [10, 10, 10, 10],
      meanNll: nll / 10,
      bitsPerByte: 1,
    });
    const comparison = comparePaired(window(30), window(30.002));
    const noise = { dithers: 3, metric: 0.1, difference: 0.001 };
    assert.ok(!isBelowFloor(comparison, undefined));
    assert.ok(isBelowFloor(comparison, noise));
    assert.match(formatComparison(comparison, noise), /noise/);
    assert.doesNotMatch(formatComparison(comparison), /noise/);
    const candidates = [0.8, 0.8001].map((metric, step) => ({ metric, bytes: 10 - step, step }));
    const selections = candidates.map((candidate, lambda) => ({ lambda, candidate }));
    assert.deepEqual(noiseTexts({ selections }), []);
    const floor = { search: { dithers: 3, metric: 0.001, difference: 0.001 } };
    assert.equal(noiseTexts({ selections, noise: floor }).length, 1);
  });

  it('goes with a search whose store knows it', () =>
    inFolder(async (folder) => {
      const study = await toyStudy(folder, { kind: 'wikitext2' });
      try {
        const { task, store, sha256 } = study;
        const baseline = await study.evaluator.measure(new Map(), 0);
        const place = { checkpoint: sha256, task, backend: 'cpu' };
        noiseStore(store, place).put(1, { ...baseline, value: baseline.value + 0.5 });
        const constraints = { loss: { kind: 'share', share: 0.5 } } as const;
        const settings = { ...DEFAULT_SEARCH, bits: [8, 4], constraints };
        const run = await runSearch(study, settings, { runs: join(folder, 'runs') });
        assert.equal(run.noise?.search?.metric, 0.5);
        assert.equal(run.noise.heldOut, undefined);
      } finally {
        await closeStudy(study);
      }
    }));
});
