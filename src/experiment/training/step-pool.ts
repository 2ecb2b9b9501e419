import { extname, join } from 'node:path';
import Piscina from 'piscina';
import { familyModules } from '../../model/families.js';
import type { StepNumbers } from '../../training/adamw.js';
import type { Share } from '../../training/shares.js';
import {
  lengthOf,
  type BatchGradient,
  type StepPlace,
  type Trained,
} from '../../training/step-place.js';
import { fromPlainError, throwIfAborted } from '../../util/errors.js';
import { dealBatches } from '../scoring/scorer-pool.js';
import type { StepAnswer, StepReply, StepRequest, StepWorkerOptions } from './step-worker.js';

/** The options of a pool; the rest it makes. */
export type StepPoolOptions = Pick<
  StepWorkerOptions,
  'checkpoint' | 'stated' | 'newLayer' | 'backend' | 'identity' | 'plan' | 'distill'
> & {
  readonly workers: number;
  /** Most shares of a batch. */
  readonly shares: number;
  /** True for a parameter that weight decay is for. */
  readonly decays: (name: string) => boolean;
};

/** Computes the steps of a training in worker threads, each with a model of its own, on values that all see. */
export class StepPool implements StepPlace {
  /** Parameters whose values the models do not have yet. */
  private changed: readonly string[];
  /** Those of the gradient taken last, in the state's order, dealt out to the threads. */
  private dealt: readonly (readonly string[])[] = [];

  private constructor(
    private readonly threads: readonly StepThread[],
    private readonly values: ReadonlyMap<string, Float32Array>,
  ) {
    this.changed = [...values.keys()];
  }

  /**
   * Starts the threads.
   *
   * @param trained in shared memory ({@link inSharedMemory}): the threads change it
   * @throws as `LoadedModel.load`.
   */
  static async open(trained: Trained, options: StepPoolOptions): Promise<StepPool> {
    const { workers, shares, decays, ...place } = options;
    const { values, optimizer } = trained;
    const names = [...values.keys()];
    const own: StepWorkerOptions = {
      ...place,
      ...{ families: familyModules(), values, moments: optimizer.moments },
      gradients: Array.from({ length: shares }, () => roomFor(values)),
      decayed: new Set(names.filter(decays)),
    };
    const threads = Array.from({ length: workers }, () => new StepThread());
    const pool = new StepPool(threads, values);
    try {
      await pool.all(() => ({ kind: 'open', options: own }));
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  async gradient(shares: readonly Share[], signal?: AbortSignal): Promise<BatchGradient> {
    const rooms = [...shares.entries()];
    const { changed, threads } = this;
    const own = threads.map((_, at) => rooms.filter(([room]) => room % threads.length === at));
    const found = await this.all((at) => ({ kind: 'gradient', changed, shares: own[at] }));
    this.changed = [];
    throwIfAborted(signal, 'training');
    const nll: Float32Array[] = [];
    for (const [at, reply] of found.entries())
      for (const [index, [room]] of own[at].entries()) nll[room] = reply.nll![index];
    const there = new Set(found[0].names);
    const names = [...this.values.keys()].filter((name) => there.has(name));
    const sizes = names.map((name) => this.values.get(name)!.length);
    this.dealt = dealBatches(sizes, threads.length).map((some) => some.map((at) => names[at]));
    const sums = await this.all((at) => ({
      ...{ kind: 'sum', names: this.dealt[at], shares: shares.length },
    }));
    const squares = new Map<string, number>();
    for (const [at, reply] of sums.entries())
      for (const [index, name] of this.dealt[at].entries())
        squares.set(name, reply.squares![index]);
    return { nll, length: lengthOf(names.map((name) => squares.get(name)!)) };
  }

  async update(numbers: StepNumbers): Promise<void> {
    await this.all((at) => ({ kind: 'update', names: this.dealt[at], numbers }));
    this.changed = this.dealt.flat();
  }

  /** Asks every thread, and waits for all of them also when one fails: the next request must find them idle. */
  private async all(request: (thread: number) => StepRequest): Promise<StepReply[]> {
    const asked = this.threads.map((thread, at) => thread.ask(request(at)));
    const answers = await Promise.allSettled(asked);
    return answers.map((answer) => {
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    });
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }
}

/** Replaces the arrays of a state by copies that threads can share. */
export function inSharedMemory({
  values,
  optimizer,
}: Trained & {
  readonly values: Map<string, Float32Array>;
}): void {
  const { moments } = optimizer;
  for (const [name, array] of values) {
    values.set(name, shared(array));
    const { mean, square } = optimizer.momentsOf(name, array.length);
    moments.set(name, { mean: shared(mean), square: shared(square) });
  }
}

function shared(array: Float32Array): Float32Array {
  const copy = roomOf(array.length);
  copy.set(array);
  return copy;
}

const roomOf = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));

const roomFor = (values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> =>
  new Map([...values].map(([name, { length }]) => [name, roomOf(length)]));

/** A thread of its own, since it holds a model. */
class StepThread {
  private readonly pool = new Piscina({
    filename: join(__dirname, `step-worker${extname(__filename)}`),
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Infinity,
  });

  async ask(request: StepRequest): Promise<StepReply> {
    const answer = (await this.pool.run(request)) as StepAnswer;
    if (answer.kind === 'failed') throw fromPlainError(answer.error);
    return answer.reply;
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }
}
