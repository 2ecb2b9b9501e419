import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { calibrate } from '../../../src/experiment/calibrate/calibrate.js';
import { SampleCodes } from '../../../src/experiment/calibrate/codes.js';
import { MomentSum } from '../../../src/experiment/calibrate/moments.js';
import { clustersOf, integratedInputs } from '../../../src/experiment/calibrate/potentials.js';
import { calibrationSample } from '../../../src/experiment/calibrate/sample.js';
import { exportModel } from '../../../src/experiment/open/export-model.js';
import { Study } from '../../../src/experiment/open/study.js';
import { LoadedModel } from '../../../src/model/loaded-model.js';
import { StagedStreams } from '../../../src/model/neurons/staged-inputs.js';
import { codesPath } from '../../../src/quant/calibrated/codes-file.js';
import { compensated } from '../../../src/quant/calibrated/compensate.js';
import { footprintOf } from '../../../src/quant/footprint.js';
import { simulatedMatrix, withCodes } from '../../../src/quant/matrix-values.js';
import { openPacked } from '../../../src/quant/packed/read.js';
import { resolvePlan } from '../../../src/quant/plan.js';
import { dequantize } from '../../../src/quant/quantizer/quantize.js';
import { quantizerPlan, QUANTIZERS } from '../../../src/quant/quantizers.js';
import { CheckpointError, QuantError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy, toyText } from '../study-support.js';

/** Runs `work` on a toy study whose kept integers lie in its folder. */
async function inCache(work: (folder: string, study: Study) => Promise<void>): Promise<void> {
  const before = process.env.QSLM_HOME;
  await inFolder(async (folder) => {
    process.env.QSLM_HOME = join(folder, 'home');
    await startBackend('cpu');
    const study = await toyStudy(folder, { kind: 'wikitext2' });
    try {
      await work(folder, study);
    } finally {
      await closeStudy(study);
      if (before === undefined) delete process.env.QSLM_HOME;
      else process.env.QSLM_HOME = before;
    }
  });
}

describe('calibration', () => {
  it('draws the same items whatever their batches, and counts no padding', () => {
    const text = toyText(16 * 12, 3);
    const [some, again] = [calibrationSample(text, 64), calibrationSample(text, 64)];
    assert.deepEqual(some, again);
    assert.equal(
      some.reduce((sum, { lengths }) => sum + lengths.reduce((a, b) => a + b), 0),
      64,
    );
  });

  it('integrates inputs as a neuron of the cluster does, with its resets and its gate', () => {
    // One sequence of three positions and one of padding, two inputs, one neuron.
    const f = integratedInputs(
      {
        inputs: Float32Array.of(2, 0, 4, 8, 6, 2, 100, 100),
        neurons: { product: new Float32Array(4), gate: Float32Array.of(1, 0.5, 1, 1), tau: 2 },
      },
      Uint8Array.of(0, 1, 0, 0),
      { time: 4, lengths: Int32Array.of(3) },
      Int32Array.of(0),
    );
    // t0: x/2; t1: f/2 + 0.5 x/2; t2: after a spike the potential begins at 0.
    assert.deepEqual([...f], [1, 0, 1.5, 2, 3, 1, 0, 0]);
  });

  it('clusters all rows of a matrix once, by their rates', () => {
    // Two positions of 32 neurons, of which the odd ones fire in the first.
    const fired = Uint8Array.from({ length: 64 }, (_, at) => (at < 32 ? at % 2 : 0));
    const clusters = clustersOf([fired], 32);
    assert.equal(clusters.length, 16);
    assert.deepEqual([...clusters[0]], [0, 2]);
    assert.deepEqual([...clusters[15]], [29, 31]);
    assert.equal(new Set(clusters.flatMap((cluster) => [...cluster])).size, 32);
  });

  it('is deterministic, and spike-preserving other than gptq where a matrix feeds neurons', () =>
    inCache(async (_folder, study) => {
      const { file } = study.options;
      const sample = calibrationSample(toyText(16 * 12, 9), 128);
      const of = (kind: 'gptq' | 'spike-preserving', bits: number): ReturnType<typeof calibrate> =>
        calibrate(file, sample, QUANTIZERS[kind](bits));
      const [first, second, spikes] = [
        await of('gptq', 2),
        await of('gptq', 2),
        await of('spike-preserving', 2),
      ];
      assert.deepEqual([...first], [...second]);
      const name = 'blocks.0.att.output.weight';
      assert.deepEqual(
        first.get('blocks.0.att.key.weight')!.integers,
        spikes.get('blocks.0.att.key.weight')!.integers,
      );
      assert.notDeepEqual(first.get(name)!.integers, spikes.get(name)!.integers);
      assert.deepEqual([...first.keys()].sort(), [...spikes.keys()].sort());
    }));

  it('calibrates a matrix with the inputs that the quantized matrices before it give', () =>
    inCache(async (_folder, study) => {
      const { file } = study.options;
      const sample = calibrationSample(toyText(16 * 12, 9), 128);
      const scheme = QUANTIZERS.gptq(2);
      const found = await calibrate(file, sample, scheme);
      const name = 'blocks.1.att.key.weight';
      const values = await file.checkpoint.readFloat32(name);
      const [out, inputs] = file.checkpoint.tensors.get(name)!.shape;
      const model = await LoadedModel.load(file.checkpoint, { description: file });
      const given = async (): Promise<unknown> => {
        const sum = new MomentSum(inputs);
        const streams = await StagedStreams.start(
          model,
          sample.map((batch) => batch.inputs),
        );
        for (const stage of [0, 1]) await streams.run(stage, true);
        await streams.run(2, false, async (told, _batch, { inputs: x }) => {
          if (told === name) await sum.add(x);
        });
        return compensated(values, [out, inputs], scheme, [sum.known], name).integers;
      };
      const unquantized = await given();
      for (const [before, stored] of found)
        if (before.startsWith('blocks.0.')) model.setParameter(before, dequantize(stored));
      assert.deepEqual(await given(), found.get(name)!.integers);
      assert.notDeepEqual(unquantized, found.get(name)!.integers);
      model.dispose();
    }));

  it('gives threads, exports and later runs the same integers, and keys that say which', () =>
    inCache(async (folder, study) => {
      const { file, search } = study.options;
      const { hierarchy } = file;
      const plan = quantizerPlan('spike-preserving', 3, hierarchy);
      const resolved = resolvePlan(plan, hierarchy);
      const { total } = footprintOf(hierarchy, resolved);
      await assert.rejects(study.evaluator.measure(resolved, total), QuantError);

      const values: number[] = [];
      const keys: string[] = [];
      for (const [workers, seed] of [
        [0, 9],
        [2, 9],
        [0, 10],
      ]) {
        const codes = await SampleCodes.open(file, toyText(16 * 12, seed), 'cpu');
        const checkpoint = withCodes(file.checkpoint, codes);
        const other = await Study.open({
          ...study.options,
          file: { ...file, checkpoint },
          accelerations: { workers },
          search,
        });
        values.push((await other.evaluator.measure(resolved, total)).value);
        keys.push(other.evaluator.keyOf(resolved).plan);
        await other.close();
        if (seed === 10) continue;
        const path = join(folder, `packed-${workers}.safetensors`);
        await exportModel({ ...file, checkpoint }, plan, path);
        const packed = await openPacked(path, () => hierarchy);
        for (const name of resolved.keys())
          assert.deepEqual(
            await packed.readFloat32(name),
            await simulatedMatrix(checkpoint, name, resolved.get(name)!),
            name,
          );
        await packed.close();
      }
      assert.equal(values[0], values[1]);
      assert.equal(keys[0], keys[1]);
      assert.notEqual(keys[0], keys[2]);
      assert.notEqual(values[0], values[2]);
      assert.equal((await readdir(join(folder, 'home', 'calibrated'))).length, 2);
    }));

  it('takes time that is not the evaluation’s', () =>
    inCache(async (_folder, study) => {
      const { file } = study.options;
      const resolved = resolvePlan(quantizerPlan('gptq', 3, file.hierarchy), file.hierarchy);
      const { total } = footprintOf(file.hierarchy, resolved);
      const codes = await SampleCodes.open(file, toyText(16 * 8, 9), 'cpu');
      const now = performance.now.bind(performance);
      let hours = 0;
      // The clock goes on by an hour when the integers have been found.
      performance.now = () => now() + 3_600_000 * hours;
      const checkpoint = withCodes(file.checkpoint, {
        id: codes.id,
        of: (name, shape, scheme) => codes.of(name, shape, scheme),
        prepare: async (plan, options) => {
          await codes.prepare(plan, options);
          hours = 1;
        },
      });
      const options = { ...study.options, file: { ...file, checkpoint } };
      const other = await Study.open({ ...options, accelerations: { workers: 0 } });
      try {
        assert.ok((await other.evaluator.measure(resolved, total)).seconds < 3600);
        assert.equal(hours, 1);
      } finally {
        performance.now = now;
        await other.close();
      }
    }));

  it('refuses kept integers that were damaged', () =>
    inCache(async (_folder, study) => {
      const { file } = study.options;
      const scheme = QUANTIZERS.gptq(2);
      const codes = await SampleCodes.open(file, toyText(16 * 8, 9), 'cpu');
      const name = 'blocks.0.att.key.weight';
      const { shape } = file.checkpoint.tensors.get(name)!;
      await codes.of(name, shape, scheme);
      const path = codesPath(codes.id, scheme);
      const kept = await openCheckpoint(path);
      await kept.close();
      const bytes = await readFile(path);
      // Behind the header every byte is of some tensor; all of them are turned.
      const header = 8 + Number(bytes.readBigUInt64LE(0));
      await writeFile(
        path,
        bytes.map((byte, at) => (at < header ? byte : byte ^ 1)),
      );
      await assert.rejects(codes.of(name, shape, scheme), (error: unknown) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /edited or damaged/);
        return true;
      });
    }));
});
