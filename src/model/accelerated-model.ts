import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../backend/read.js';
import type { Layout } from '../layout/layout.js';
import { BoundaryCache } from './boundary-cache.js';
import type { LoadedModel } from './loaded-model.js';
import type { PlanStages } from './plan-stages.js';
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

/** A plan measured before that sequences may leave into. */
interface MeetingPlan {
  readonly plan: MeasuredPlan;
  readonly outputs: Outputs;
}

/** Turns the residual stream after the last stage, some rows of a batch, into those rows' outputs. */
type Finish = (stream: Tensor, rows: readonly number[]) => Promise<Outputs>;

/**
 * A model that remembers. Candidates of a search differ in one unit, so that most of what the network
 * computes for one it has computed for another:
 *
 * - the stream before the first changed stage is the same: it is kept, and work starts there;
 * - the stream changes only where a spike flips: where a sequence's stream after a changed stage is bit
 *   for bit that of an earlier plan, and all that follows is quantized alike, so are its outputs.
 *
 * Which batches come is told by identity: callers hand in the same {@link TokenBatch} objects each time,
 * with the same targets or lengths.
 */
export class AcceleratedModel implements SequenceModel {
  readonly work: Work = noWork();
  private readonly cache: BoundaryCache;
  private readonly measured: MeasuredPlan[] = [];
  private current: MeasuredPlan | undefined;
  private readonly layout: Layout;
  private readonly exits: boolean;

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
    const [plan] =
      known >= 0
        ? this.measured.splice(known, 1)
        : [{ stages, outputs: new Map<TokenBatch, Outputs>() }];
    this.measured.unshift(plan);
    this.measured.splice(PLANS_KEPT);
    this.current = plan;
  }

  async tokenNll(inputs: TokenBatch, targets: Int32Array): Promise<Float32Array> {
    const { time } = inputs;
    const nllOf = this.model.finisher('tokenNll', 'language-model head');
    const outputs = await this.run(inputs, async (stream, rows) => {
      const wanted = new Int32Array(rows.length * time);
      rows.forEach((row, index) => {
        wanted.set(targets.subarray(row * time, (row + 1) * time), index * time);
      });
      const nll = await readFloat32(nllOf(stream, wanted));
      return rows.map((_, index) => nll.slice(index * time, (index + 1) * time));
    });
    return joined(outputs);
  }

  async classLogits(
    inputs: TokenBatch,
    lengths: Int32Array,
    pooling: Pooling,
  ): Promise<Float32Array> {
    const { classes } = this;
    const logitsOf = this.model.finisher('classLogits', 'classifier');
    const outputs = await this.run(inputs, async (stream, rows) => {
      const some = Int32Array.from(rows, (row) => lengths[row]);
      const values = await readFloat32(logitsOf(stream, some, pooling));
      return rows.map((_, index) => values.slice(index * classes, (index + 1) * classes));
    });
    return joined(outputs);
  }

  private async run(batch: TokenBatch, finish: Finish): Promise<Outputs> {
    const plan = this.current;
    if (plan === undefined) throw new Error('usePlan comes before the first batch');
    const known = plan.outputs.get(batch);
    if (known !== undefined) {
      this.work.savedByPrefix += this.costFrom(0, batch, batch.batch);
      return known;
    }
    const outputs = await this.compute(plan, batch, finish);
    if (this.exits || this.reuse.prefix) plan.outputs.set(batch, outputs);
    return outputs;
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
    const outputs = new Array<Float32Array>(batch.batch);
    const start = this.startOf(plan.stages, batch);
    this.work.savedByPrefix +=
      this.costFrom(0, batch, batch.batch) - this.costFrom(start.boundary, batch, batch.batch);
    const { network } = this.model;
    const { stages } = this.layout;
    let { stream } = start;
    let rows = Array.from({ length: batch.batch }, (_, row) => row);
    let running = batch;
    // Streams are compared once, where the two plans go on alike for the first time: spikes that differ
    // stay in the sum that the stream is, and looking again would cost more than it ever finds. Once a
    // sequence has left into a plan, that plan's streams stand for it at later boundaries.
    let other: MeetingPlan | undefined;
    let compared = false;
    for (let boundary = start.boundary + 1; boundary <= stages.length; boundary++) {
      if (rows.length > 0) {
        const next = network.runStages(stream, boundary - 1, boundary, running);
        stream.dispose();
        stream = next;
        this.work.done += stages[boundary - 1].macs * batch.time * rows.length;
      }
      if (!compared) other = this.meetingPlan(plan, boundary, batch);
      const left = rows.length < batch.batch;
      const theirs =
        other && (left || !compared)
          ? this.cache.get(boundary, other.plan.stages.prefix[boundary], batch)
          : undefined;
      if (other && theirs && !compared) {
        compared = true;
        const stay = await this.leave(other.outputs, theirs, stream, rows, outputs);
        this.countExits(boundary, batch, rows.length, stay.length);
        if (stay.length < rows.length) {
          rows = stay.map((index) => rows[index]);
        }
        if (rows.length > 0 && rows.length < stream.shape[0]) {
          const whole = stream;
          stream = tf.tidy(() => tf.gather(whole, tf.tensor1d(stay, 'int32')));
          whole.dispose();
          running = selectRows(batch, rows);
        }
      }
      if (this.reuse.prefix) this.keep(plan, boundary, batch, stream, rows, theirs);
    }
    if (rows.length > 0) {
      const finished = await finish(stream, rows);
      this.work.done += this.layout.outputMacs * batch.time * rows.length;
      rows.forEach((row, index) => {
        outputs[row] = finished[index];
      });
    }
    stream.dispose();
    return outputs;
  }

  /** Keeps the stream of the whole batch at a boundary: our rows, and the other plan's for those that left. */
  private keep(
    plan: MeasuredPlan,
    boundary: number,
    batch: TokenBatch,
    stream: Tensor,
    rows: readonly number[],
    theirs: Tensor | undefined,
  ): void {
    const prefix = plan.stages.prefix[boundary];
    if (rows.length === batch.batch) this.cache.put(boundary, prefix, batch, stream.clone());
    else if (theirs === undefined) return;
    else if (rows.length === 0) this.cache.put(boundary, prefix, batch, theirs.clone());
    else {
      const source = Int32Array.from({ length: batch.batch }, (_, row) => row);
      rows.forEach((row, index) => {
        source[row] = batch.batch + index;
      });
      const whole = tf.tidy(() =>
        tf.gather(tf.concat([theirs, stream], 0), tf.tensor1d(source, 'int32')),
      );
      this.cache.put(boundary, prefix, batch, whole);
    }
  }

  /** The latest boundary whose stream is kept, or the embedding. The stream is the caller's. */
  private startOf({ prefix }: PlanStages, batch: TokenBatch): { boundary: number; stream: Tensor } {
    if (this.reuse.prefix)
      for (let boundary = this.layout.stages.length; boundary > 0; boundary--) {
        const kept = this.cache.get(boundary, prefix[boundary], batch);
        if (kept !== undefined) return { boundary, stream: kept.clone() };
      }
    return { boundary: 0, stream: this.embedded(batch) };
  }

  private embedded(batch: TokenBatch): Tensor {
    this.model.checkTokens(batch);
    return this.model.network.embed(batch);
  }

  /** A plan measured before that goes on alike from a boundary, and whose stream there is kept. */
  private meetingPlan(
    plan: MeasuredPlan,
    boundary: number,
    batch: TokenBatch,
  ): MeetingPlan | undefined {
    if (!this.exits) return undefined;
    for (const other of this.measured) {
      const outputs = other.outputs.get(batch);
      if (other === plan || outputs === undefined) continue;
      if (other.stages.suffix[boundary] !== plan.stages.suffix[boundary]) continue;
      if (this.cache.get(boundary, other.stages.prefix[boundary], batch))
        return { plan: other, outputs };
    }
    return undefined;
  }

  /** Gives rows whose stream is the other plan's its outputs; returns the positions in `rows` of the rest. */
  private async leave(
    theirOutputs: Outputs,
    theirStream: Tensor,
    stream: Tensor,
    rows: readonly number[],
    outputs: Float32Array[],
  ): Promise<number[]> {
    const size = stream.size / stream.shape[0];
    const [ours, theirs] = await Promise.all([bitsOf(stream), bitsOf(theirStream)]);
    return [...rows.keys()].filter((index) => {
      const row = rows[index];
      if (!equalRange(ours, index * size, theirs, row * size, size)) return true;
      outputs[row] = theirOutputs[row];
      return false;
    });
  }

  private countExits(boundary: number, batch: TokenBatch, before: number, after: number): void {
    const left = before - after;
    this.work.exitCandidates += before;
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

function joined(rows: Outputs): Float32Array {
  const all = new Float32Array(rows.reduce((size, row) => size + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/** The values as bits: equality of bits is stricter than of numbers, and NaN equals itself. */
async function bitsOf(tensor: Tensor): Promise<Int32Array> {
  const { buffer, byteOffset, length } = await tensor.data<'float32'>();
  return new Int32Array(buffer, byteOffset, length);
}

function equalRange(a: Int32Array, from: number, b: Int32Array, at: number, size: number): boolean {
  for (let index = 0; index < size; index++) if (a[from + index] !== b[at + index]) return false;
  return true;
}
