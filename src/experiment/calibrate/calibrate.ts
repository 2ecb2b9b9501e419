import type { Checkpoint } from '../../checkpoint/types.js';
import { matricesOf, type Matrix } from '../../layout/hierarchy.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { StagedStreams, type InputsListener } from '../../model/neurons/staged-inputs.js';
import type { ModelDescription } from '../../model/structure.js';
import { compensated, type InputMoments } from '../../quant/calibrated/compensate.js';
import { dequantize, quantize, type QuantizedTensor } from '../../quant/quantizer/quantize.js';
import { calibratedBy, type Scheme } from '../../quant/scheme/scheme.js';
import type { RunOptions } from '../../util/progress.js';
import { MomentSum, withoutPadding } from './moments.js';
import {
  clustersOf,
  integratedInputs,
  referenceSpikes,
  type BatchShape,
  type ReferenceSpikes,
} from './potentials.js';
import type { CalibrationBatch } from './sample.js';

/** A model to calibrate: its files, without the weights. */
export type CalibratedModel = ModelDescription & {
  readonly checkpoint: Checkpoint;
};

/**
 * The integers of every matrix under one calibrated scheme, stage by stage in the order of the network: the
 * inputs that a matrix is calibrated with are those that the quantized matrices before it give. Of a stage
 * first the matrices that feed others, then the one that feeds the neurons. What a plan of several widths
 * does to its inputs is not known here: a matrix has the same integers at a width in every plan.
 *
 * `gptq` makes the error of every product small; `spike-preserving` where a matrix feeds neurons that of their
 * potentials (potentials.ts), elsewhere the same. Matrices whose inputs nobody tells of, as an embedding's, are
 * rounded to nearest in the range of least squared error.
 *
 * Memory: the weights, two residual streams of the sample, and the second moments of one stage.
 *
 * @throws {ModelError} for a family that does not tell of its inputs. {QuantError} {CheckpointError} as reading and
 *   quantizing. {AbortedError} between batches.
 */
export async function calibrate(
  file: CalibratedModel,
  sample: readonly CalibrationBatch[],
  scheme: Scheme,
  run: RunOptions = {},
): Promise<Map<string, QuantizedTensor>> {
  const model = await LoadedModel.load(
    file.checkpoint,
    { description: file },
    { unused: false, ...(run.signal && { signal: run.signal }) },
  );
  try {
    return await new Calibration(file, model, sample, scheme, run).codes();
  } finally {
    model.dispose();
  }
}

class Calibration {
  private readonly found = new Map<string, QuantizedTensor>();
  private readonly matrices: ReadonlyMap<string, Matrix>;
  private readonly shapes: readonly BatchShape[];

  constructor(
    private readonly file: CalibratedModel,
    private readonly model: LoadedModel,
    private readonly sample: readonly CalibrationBatch[],
    private readonly scheme: Scheme,
    private readonly run: RunOptions,
  ) {
    this.matrices = new Map(matricesOf(file.hierarchy).map((matrix) => [matrix.name, matrix]));
    this.shapes = sample.map(({ inputs: { time }, lengths }) => ({ time, lengths }));
  }

  async codes(): Promise<Map<string, QuantizedTensor>> {
    const { model, sample, run, matrices } = this;
    const batches = sample.map(({ inputs }) => inputs);
    // An embedding that is read by its signs stays exact; another is what all that follows sees.
    for (const { name, use, role } of matrices.values())
      if (use === 'lookup' && role !== 'sign') await this.toNearest(name);
    const current = await StagedStreams.start(model, batches);
    const reference = current.copy();
    const stages = this.file.layout.stages.length;
    for (let stage = 0; stage < stages; stage++) {
      run.onProgress?.({ phase: 'calibrate', done: stage, total: stages, unit: 'stages' });
      await this.stage(stage, reference, current);
    }
    const inputs = new Moments(this.shapes);
    await current.finish(inputs.listener(() => true));
    for (const [name, sum] of inputs.sums) await this.compensate(name, [sum.known]);
    for (const name of matrices.keys()) if (!this.found.has(name)) await this.toNearest(name);
    run.onProgress?.({ phase: 'calibrate', done: stages, total: stages, unit: 'stages' });
    return new Map([...matrices.keys()].map((name) => [name, this.found.get(name)!]));
  }

  private async stage(
    stage: number,
    reference: StagedStreams,
    current: StagedStreams,
  ): Promise<void> {
    const { signal } = this.run;
    const { shapes } = this;
    // The stage's matrices are still the checkpoint's.
    const neurons = new Map<string, ReferenceSpikes[]>();
    await reference.run(
      stage,
      true,
      (name, batch, given) => {
        if (given.neurons === undefined) return Promise.resolve();
        const own = neurons.get(name) ?? [];
        neurons.set(name, [...own, referenceSpikes(given.neurons, shapes[batch])]);
        return Promise.resolve();
      },
      signal,
    );
    const first = new Moments(shapes);
    await current.run(
      stage,
      false,
      first.listener((name) => !neurons.has(name)),
      signal,
    );
    for (const [name, sum] of first.sums) await this.compensate(name, [sum.known]);
    await this.feedingNeurons(stage, current, neurons);
    await current.run(stage, true, undefined, signal);
  }

  private async feedingNeurons(
    stage: number,
    current: StagedStreams,
    neurons: ReadonlyMap<string, readonly ReferenceSpikes[]>,
  ): Promise<void> {
    const { signal } = this.run;
    const { shapes, scheme } = this;
    if (calibratedBy(scheme) !== 'spike-preserving') {
      const last = new Moments(shapes);
      await current.run(
        stage,
        false,
        last.listener((name) => neurons.has(name)),
        signal,
      );
      for (const [name, sum] of last.sums) await this.compensate(name, [sum.known]);
      return;
    }
    const sums = new Map<string, { cluster: Int32Array; sum: MomentSum }[]>();
    for (const [name, batches] of neurons) {
      const [out, inputs] = this.matrices.get(name)!.shape;
      const clusters = clustersOf(batches, out);
      sums.set(
        name,
        clusters.map((cluster) => ({ cluster, sum: new MomentSum(inputs, cluster) })),
      );
    }
    await current.run(
      stage,
      false,
      async (name, batch, given) => {
        if (given.neurons === undefined) return;
        const told = { ...given, neurons: given.neurons };
        const reference = neurons.get(name)![batch];
        for (const { cluster, sum } of sums.get(name)!)
          await sum.add(integratedInputs(told, reference, shapes[batch], cluster));
      },
      signal,
    );
    for (const [name, own] of sums)
      await this.compensate(
        name,
        own.map(({ sum }) => sum.known),
      );
  }

  private async compensate(name: string, parts: readonly InputMoments[]): Promise<void> {
    const { shape } = this.matrices.get(name)!;
    const values = await this.file.checkpoint.readFloat32(name);
    const [out, inputs] = shape;
    this.take(name, compensated(values, [out, inputs], this.scheme, parts, name));
  }

  private async toNearest(name: string): Promise<void> {
    const { shape } = this.matrices.get(name)!;
    const values = await this.file.checkpoint.readFloat32(name);
    const stored = quantize(values, shape, { ...this.scheme, range: { kind: 'mse' } }, name);
    this.take(name, { ...stored, scheme: this.scheme });
  }

  private take(name: string, stored: QuantizedTensor): void {
    this.found.set(name, stored);
    if (this.matrices.get(name)!.role !== 'sign')
      this.model.setParameter(name, dequantize(stored), this.file.checkpoint.path);
  }
}

/** Second moments of several matrices' inputs. */
class Moments {
  readonly sums = new Map<string, MomentSum>();

  constructor(private readonly shapes: readonly BatchShape[]) {}

  listener(wanted: (name: string) => boolean): InputsListener {
    return async (name, batch, { inputs }) => {
      if (!wanted(name)) return;
      const { time, lengths } = this.shapes[batch];
      let sum = this.sums.get(name);
      if (sum === undefined) {
        sum = new MomentSum(inputs.length / (time * lengths.length));
        this.sums.set(name, sum);
      }
      await sum.add(withoutPadding(inputs, { time, lengths }));
    };
  }
}
