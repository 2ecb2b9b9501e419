import type { Checkpoint } from '../../checkpoint/types.js';
import { meanEstimate, type Estimate } from '../../energy/measured/statistics.js';
import { generate } from '../../model/generate.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { packedSetter } from '../../model/packed/packed-weights.js';
import type { ModelDescription } from '../../model/structure.js';
import type { WeightSource } from '../../quant/matrix-values.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { throwIfAborted } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import { PlanApplier } from '../scoring/plan-applier.js';

/** The speed of a plan under packed execution: a fact about this machine at this time, no property of the plan. */
export interface PackedSpeed {
  readonly tokensPerSecond: Estimate;
  /** Times the speed in float32, of the two windows of a repeat: 1 is as fast. */
  readonly ofFloat32: Estimate;
}

export interface PackedSpeedOptions extends RunOptions {
  /** Windows of each plan and of float32 beside it, at least 2; 10 by default. */
  readonly repeat?: number | undefined;
  /** Length of a window; 0.25 by default. */
  readonly seconds?: number | undefined;
  /** Plans that may be measured: the intervals of all of them hold together in 95 % of runs. 1 by default. */
  readonly plans?: number | undefined;
  /** For tests: the time in seconds. */
  readonly clock?: (() => number) | undefined;
}

/** The geometric mean: a busy machine is slower by a factor, and no speed is below 0. */
function geometric(values: readonly number[], plans: number): Estimate {
  const { value, low, high, repeats } = meanEstimate(values.map(Math.log), plans)!;
  return { value: Math.exp(value), low: Math.exp(low), high: Math.exp(high), repeats };
}

/** Tokens of one pass: a text that is generated, or a sentence that is judged. */
const PASS_TOKENS = 32;

/** The work that is timed, in words. */
export function speedWork({ config }: Pick<ModelDescription, 'config'>): string {
  return config.classes > 0
    ? `sentences of ${PASS_TOKENS} tokens judged one by one`
    : `texts of ${PASS_TOKENS} tokens generated from one, the likeliest each time`;
}

/**
 * A model twice on the running backend, in float32 and with the matrices of a plan packed, whose speeds are measured
 * against each other by the clock. Nothing of it enters a store.
 */
export class PackedSpeeds {
  private constructor(
    private readonly float32: LoadedModel,
    private readonly packed: LoadedModel,
    private readonly applier: PlanApplier,
    private readonly options: PackedSpeedOptions,
  ) {}

  /**
   * @throws {ModelError} {BackendError} where there is no packed execution, {CheckpointError} as `LoadedModel.load`;
   *   nothing stays loaded then.
   */
  static async open(
    checkpoint: Checkpoint & WeightSource,
    description: ModelDescription,
    options: PackedSpeedOptions = {},
  ): Promise<PackedSpeeds> {
    const loading = { ...options, unused: false };
    const models: LoadedModel[] = [];
    try {
      for (let count = 0; count < 2; count++)
        models.push(await LoadedModel.load(checkpoint, { description }, loading));
      const [float32, packed] = models;
      const applier = new PlanApplier(packed, checkpoint, packedSetter(packed));
      return new PackedSpeeds(float32, packed, applier, options);
    } catch (error) {
      for (const model of models) model.dispose();
      throw error;
    }
  }

  /**
   * Measures one plan: after a pass of each that does not count, windows of both in turns, the first by turns too.
   *
   * @throws {QuantError} for a scheme that there is no packed product of. {AbortedError} between windows.
   */
  async measure(plan: ResolvedPlan): Promise<PackedSpeed> {
    const { repeat = 10, plans = 1, signal } = this.options;
    await this.applier.apply(plan, signal ? { signal } : {});
    const models = [this.float32, this.packed];
    for (const model of models) await this.pass(model);
    const speeds: [float32: number[], packed: number[]] = [[], []];
    for (let at = 0; at < repeat; at++)
      for (const place of at % 2 === 0 ? [0, 1] : [1, 0]) {
        throwIfAborted(signal, 'measuring speed');
        speeds[place].push(await this.window(models[place]));
      }
    const [base, own] = speeds;
    const ratios = own.map((speed, at) => speed / base[at]);
    return { tokensPerSecond: geometric(own, plans), ofFloat32: geometric(ratios, plans) };
  }

  /** Tokens a second of whole passes until the window is over. */
  private async window(model: LoadedModel): Promise<number> {
    const { seconds = 0.25, clock = () => performance.now() / 1000 } = this.options;
    const from = clock();
    let tokens = 0;
    let spent = 0;
    do {
      tokens += await this.pass(model);
      spent = clock() - from;
    } while (spent < seconds);
    return tokens / spent;
  }

  private async pass(model: LoadedModel): Promise<number> {
    if (model.classes > 0) {
      const ids = Int32Array.from({ length: PASS_TOKENS }, (_, at) => at % model.vocabSize);
      const sentence = { ids, batch: 1, time: PASS_TOKENS };
      await model.classLogits(sentence, Int32Array.of(PASS_TOKENS), 'real-tokens');
      return PASS_TOKENS;
    }
    const text = generate(model, Int32Array.of(0), { length: PASS_TOKENS, temperature: 0 });
    let tokens = 0;
    while ((await text.next()).done !== true) tokens++;
    return tokens;
  }

  /** Frees both models. */
  dispose(): void {
    this.float32.dispose();
    this.packed.dispose();
  }
}
