import type { Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import type { Layout } from '../layout/layout.js';
import { BoundaryCache } from './boundary-cache.js';
import type { LoadedModel } from './loaded-model.js';
import type { PlanStages } from './plan-stages.js';
import { BatchSplitter, joined } from './split-batch.js';
import { differingRows, someRows, wholeStream } from './stream-rows.js';
import { selectRows, type Pooling, type SequenceModel, type TokenBatch } from './types.js';
import { noWork, type Work } from './work.js';

/** Accelerations of one model; each gives the same bits as computing everything. */
export interface ReuseOptions {
  /** Start at the first stage that a plan changes (needs `budgetBytes`). */
  readonly prefix: boolean;
  /** Let a sequence go once its stream equals that of a plan measured before. */
  readonly exit: boolean;
  /** Device memory for kept streams. */
  readonly budgetBytes: number;
}

/** Plans whose outputs are kept to leave early into; a search compares with the last one accepted. */
const PLANS_KEPT = 4;

/** Outputs of one plan for one batch, [batch][values a row]. */
type Outputs = readonly Float32Array[];

interface MeasuredPlan {
  readonly stages: PlanStages;
  readonly outputs: Map<TokenBatch, Outputs>;
}

/** Turns the residual stream after the last stage, some rows of a batch, into those rows' outputs. */
type Finish = (stream: Tensor, rows: readonly number[]) => Tensor;

/**
 * A model that remembers. Candidates of a search differ in one unit, so that most of what the network
 * computes for one it has computed for another:
 *
 * - the stream before the first changed stage is the same: it is kept, and work starts there;
 * - the stream changes only where a spike flips: where a sequence's stream after a changed stage is bit
 *   for bit that of an earlier plan, and all that follows is quantized alike, so are its outputs.
 *
 * Batches are told apart by identity: callers hand in the same {@link TokenBatch} objects each time, with
 * the same targets or lengths.
 */
export class AcceleratedModel implements SequenceModel {
  readonly work: Work = noWork();
  private readonly cache: BoundaryCache;
  private readonly measured: MeasuredPlan[] = [];
  private current: MeasuredPlan | undefined;
  private readonly layout: Layout;
  private readonly exits: boolean;
  private readonly splitter = new BatchSplitter();

  constructor(
    private readonly model: LoadedModel,
    private readonly reuse: ReuseOptions,
  ) {
    this.cache = new BoundaryCache(reuse.budgetBytes);
    this.layout = model.description.layout;
    // Streams that carry real values of their own never meet again.
    this.exits = reuse.exit && this.layout.discreteStream;
  }

  get vocabSize(): number {
    return this.model.vocabSize;
  }
  get contextLength(): number {
    return this.model.contextLength;
  }
  get classes(): number {
    return this.model.classes;
  }

  /** Says which plan the model's weights are those of now. */
  usePlan(stages: PlanStages): void {
    const known = this.measured.findIndex((plan) => plan.stages.key === stages.key);
    const [plan]: MeasuredPlan[] =
      known >= 0 ? this.measured.splice(known, 1) : [{ stages, outputs: new Map() }];
    this.measured.unshift(plan);
    this.measured.splice(PLANS_KEPT);
    this.current = plan;
  }

  async tokenNll(inputs: TokenBatch, targets: Int32Array): Promise<Float32Array> {
    const nllOf = this.model.finisher('tokenNll', 'language-model head');
    return this.run(inputs, (stream, rows) =>
      nllOf(stream, selectRows({ ...inputs, ids: targets }, rows).ids),
    );
  }

  async classLogits(
    inputs: TokenBatch,
    lengths: Int32Array,
    pooling: Pooling,
  ): Promise<Float32Array> {
    const logitsOf = this.model.finisher('classLogits', 'classifier');
    return this.run(inputs, (stream, rows) => {
      const some = Int32Array.from(rows, (row) => lengths[row]);
      return logitsOf(stream, some, pooling, inputs.time);
    });
  }

  private async run(batch: TokenBatch, finish: Finish): Promise<Float32Array> {
    const plan = this.current;
    if (plan === undefined) throw new Error('usePlan comes before the first batch');
    const known = plan.outputs.get(batch);
    if (known !== undefined) {
      this.work.savedByPrefix += this.costOf(batch);
      return joined(known);
    }
    const compute = async (part: TokenBatch, from: number): Promise<Outputs> => {
      const outputs = await this.compute(plan, part, (stream, rows) =>
        finish(
          stream,
          rows.map((row) => from + row),
        ),
      );
      if (this.exits || this.reuse.prefix) plan.outputs.set(part, outputs);
      return outputs;
    };
    const free = (): void => {
      this.cache.clear();
    };
    const outputs = await this.splitter.run(batch, compute, free);
    if (this.exits || this.reuse.prefix) plan.outputs.set(batch, outputs);
    return joined(outputs);
  }

  /** Work of a batch computed from the start, in multiply–accumulates. */
  costOf(batch: TokenBatch): number {
    return this.costFrom(0, batch, batch.batch);
  }

  /** Work of `rows` sequences from a stage on. */
  private costFrom(stage: number, { time }: TokenBatch, rows: number): number {
    const { stages, outputMacs } = this.layout;
    const perToken = stages.slice(stage).reduce((sum, { macs }) => sum + macs, outputMacs);
    return perToken * time * rows;
  }

  private async compute(plan: MeasuredPlan, batch: TokenBatch, finish: Finish): Promise<Outputs> {
    const { stages, outputMacs } = this.layout;
    const { prefix } = plan.stages;
    const start = this.startOf(plan.stages, batch);
    this.work.savedByPrefix +=
      this.costOf(batch) - this.costFrom(start.boundary, batch, batch.batch);
    let { stream } = start;
    let rows = Array.from({ length: batch.batch }, (_, row) => row);
    let outputs = new Array<Float32Array>(batch.batch);
    let running = batch;
    // Streams are compared once, where the two plans go on alike for the first time: spikes that differ
    // stay in the sum that the stream is, and looking again would cost more than it ever finds. Once a
    // sequence has left into a plan, that plan's streams stand for it at later boundaries.
    let other: MeasuredPlan | undefined;
    let compared = false;
    try {
      for (let boundary = start.boundary + 1; boundary <= stages.length; boundary++) {
        if (rows.length > 0) {
          const next = this.model.network.runStages(stream, boundary - 1, boundary, running);
          stream.dispose();
          stream = next;
          this.work.done += stages[boundary - 1].macs * batch.time * rows.length;
        }
        if (!compared) other = this.meetingPlan(plan, boundary, batch);
        const theirs =
          other && (rows.length < batch.batch || !compared)
            ? this.cache.get(boundary, other.stages.prefix[boundary], batch)
            : undefined;
        if (other && theirs && !compared) {
          compared = true;
          // Those that leave have the other plan's outputs; those that stay get their own at the end.
          outputs = [...other.outputs.get(batch)!];
          rows = await differingRows(stream, theirs);
          this.countExits(boundary, batch, rows.length);
          if (rows.length > 0 && rows.length < batch.batch) {
            const staying = someRows(stream, rows);
            stream.dispose();
            stream = staying;
            running = selectRows(batch, rows);
          }
        }
        if (this.reuse.prefix && (theirs || rows.length === batch.batch))
          this.cache.put(boundary, prefix[boundary], batch, wholeStream(stream, rows, theirs));
      }
      if (rows.length > 0) {
        const values = await readFloat32(finish(stream, rows));
        const size = values.length / rows.length;
        for (const [index, row] of rows.entries())
          outputs[row] = values.slice(index * size, (index + 1) * size);
        this.work.done += outputMacs * batch.time * rows.length;
      }
    } finally {
      stream.dispose();
    }
    return outputs;
  }

  /** The latest boundary whose stream is kept, or the embedding. The stream is the caller's. */
  private startOf({ prefix }: PlanStages, batch: TokenBatch): { boundary: number; stream: Tensor } {
    if (this.reuse.prefix)
      for (let boundary = this.layout.stages.length; boundary > 0; boundary--) {
        const kept = this.cache.get(boundary, prefix[boundary], batch);
        if (kept !== undefined) return { boundary, stream: kept.clone() };
      }
    this.model.checkTokens(batch);
    return { boundary: 0, stream: this.model.network.embed(batch) };
  }

  /** A plan measured before that goes on alike from a boundary, and whose stream there is kept. */
  private meetingPlan(
    plan: MeasuredPlan,
    boundary: number,
    batch: TokenBatch,
  ): MeasuredPlan | undefined {
    if (!this.exits) return undefined;
    return this.measured.find(
      (other) =>
        other !== plan &&
        other.outputs.has(batch) &&
        other.stages.suffix[boundary] === plan.stages.suffix[boundary] &&
        this.cache.get(boundary, other.stages.prefix[boundary], batch) !== undefined,
    );
  }

  /** @param staying sequences of the batch that did not leave at the boundary */
  private countExits(boundary: number, batch: TokenBatch, staying: number): void {
    const left = batch.batch - staying;
    this.work.exitCandidates += batch.batch;
    this.work.savedByExit += this.costFrom(boundary, batch, left);
    if (left > 0) this.work.exits[boundary] = (this.work.exits[boundary] ?? 0) + left;
  }

  /** Forgets all plans and frees the kept streams; the model stays loaded. */
  clear(): void {
    this.cache.clear();
    this.measured.length = 0;
    this.current = undefined;
  }
}

/** The rows' outputs one after another. */
