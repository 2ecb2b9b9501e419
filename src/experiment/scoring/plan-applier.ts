import type { Checkpoint } from '../../checkpoint/types.js';
import type { LoadedModel } from '../../model/loaded-model.js';
import type { SetPacked } from '../../model/packed/packed-weights.js';
import { simulatedMatrix, type WeightSource } from '../../quant/matrix-values.js';
import { packedMatrixOf } from '../../quant/packed/packed-tensor.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { schemeToJson } from '../../quant/scheme/scheme-json.js';
import { UNQUANTIZED_BITS, type Scheme } from '../../quant/scheme/scheme.js';
import { throwIfAborted } from '../../util/errors.js';
import { canonicalJson } from '../../util/json.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';

/**
 * Brings a loaded model to the quantized values of one plan after another. Values always come from the
 * checkpoint, never from a plan applied before, so that the order of plans does not matter and the
 * baseline comes back bit for bit. Only matrices whose scheme changes are read and quantized again.
 */
export class PlanApplier {
  /** The scheme each matrix has in the model; a matrix that is not listed is as in the checkpoint. */
  private readonly applied = new Map<string, string>();

  /** @param setPacked puts quantized matrices into the model packed; without it their values are set as float32. */
  constructor(
    private readonly model: Pick<LoadedModel, 'setParameter'>,
    private readonly checkpoint: WeightSource & Pick<Checkpoint, 'path'>,
    private readonly setPacked?: SetPacked,
  ) {}

  /**
   * Brings the model to a plan's values.
   *
   * @param plan the scheme of each matrix; a matrix that is not listed gets its own values back.
   * @returns the number of matrices set.
   * @throws {CheckpointError} when the checkpoint cannot be read. {QuantError} when a matrix cannot be
   *   quantized. {AbortedError} between two matrices. After any of them the next call puts things right.
   */
  async apply(plan: ResolvedPlan, { signal }: RunOptions = {}): Promise<number> {
    const changes = this.changes(plan);
    for (const [name, scheme] of changes) {
      throwIfAborted(signal, 'applying a plan');
      await this.set(name, scheme);
      await yieldToEvents();
    }
    return changes.length;
  }

  /** The values of the checkpoint, bit for bit. @returns the number of matrices set. */
  restore(options: RunOptions = {}): Promise<number> {
    return this.apply(new Map(), options);
  }

  /** The differences between the model and a plan; undefined stands for the checkpoint's values. */
  private changes(plan: ResolvedPlan): [name: string, scheme: Scheme | undefined][] {
    const names = new Set([...plan.keys(), ...this.applied.keys()]);
    return [...names]
      .map((name): [string, Scheme | undefined] => {
        const scheme = plan.get(name);
        return [name, scheme?.bits === UNQUANTIZED_BITS ? undefined : scheme];
      })
      .filter(([name, scheme]) => this.applied.get(name) !== keyOf(scheme));
  }

  private async set(name: string, scheme: Scheme | undefined): Promise<void> {
    const { path } = this.checkpoint;
    // Until it is through, the matrix counts as neither the old scheme nor the new one.
    this.applied.set(name, 'unknown');
    if (scheme !== undefined && this.setPacked !== undefined)
      this.setPacked(name, await packedMatrixOf(this.checkpoint, name, scheme));
    else {
      const values = scheme
        ? await simulatedMatrix(this.checkpoint, name, scheme)
        : await this.checkpoint.readFloat32(name);
      this.model.setParameter(name, values, path);
    }
    const key = keyOf(scheme);
    if (key === undefined) this.applied.delete(name);
    else this.applied.set(name, key);
  }
}

function keyOf(scheme: Scheme | undefined): string | undefined {
  return scheme && canonicalJson(schemeToJson(scheme));
}
