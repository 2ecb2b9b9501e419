import { keep, tensor, tensor2d, tidy, transpose, type Tensor } from '@tensorflow/tfjs-core';
import { matMul } from '../../backend/kernels/ops.js';
import { readFloat32 } from '../../backend/read.js';
import { ModelError, throwIfAborted } from '../../util/errors.js';
import { yieldToEvents } from '../../util/progress.js';
import type { MatrixInputs, NetworkHooks } from '../family.js';
import type { LoadedModel } from '../loaded-model.js';
import type { TokenBatch } from '../types.js';

/** The inputs of a matrix in one batch, on the host. */
export interface HostInputs {
  /** [B * T, in] */
  readonly inputs: Float32Array;
  /** The current of leaky neurons, [B * T, out] each: the product, its gate after the sigmoid, and their τ. */
  readonly neurons?: {
    readonly product: Float32Array;
    readonly gate?: Float32Array;
    readonly tau: number;
  };
}

/** Told of a matrix's inputs in a batch. */
export type InputsListener = (name: string, batch: number, given: HostInputs) => Promise<void>;

/** The residual stream of some batches, on the host, taken through a model stage by stage. */
export class StagedStreams {
  private constructor(
    private readonly model: LoadedModel,
    private readonly batches: readonly TokenBatch[],
    private readonly streams: { values: Float32Array; readonly shape: number[] }[],
  ) {}

  /** The stream before the first stage. @throws {ModelError} for a family that does not tell of its inputs. */
  static async start(model: LoadedModel, batches: readonly TokenBatch[]): Promise<StagedStreams> {
    const { family } = model.description;
    if (family.inputs !== true)
      throw new ModelError({
        what: 'the inputs of the matrices of this family are not known',
        where: family.title,
        got: 'a network that does not tell of them (onInputs)',
        expected: 'a quantizer that needs no calibration sample, as best',
      });
    const streams = [];
    for (const batch of batches) {
      model.checkTokens(batch);
      const stream = model.network.embed(batch);
      const { shape } = stream;
      streams.push({ values: (await readFloat32(stream)).slice(), shape });
    }
    return new StagedStreams(model, batches, streams);
  }

  /** The same streams, to go another way from here. */
  copy(): StagedStreams {
    return new StagedStreams(
      this.model,
      this.batches,
      this.streams.map((stream) => ({ ...stream })),
    );
  }

  /**
   * Runs a stage on all batches with the weights that the model has now.
   *
   * @param advance goes on to the next stage; without it the streams stay before this one.
   */
  async run(
    stage: number,
    advance: boolean,
    listener?: InputsListener,
    signal?: AbortSignal,
  ): Promise<void> {
    const { network } = this.model;
    for (const [index, batch] of this.batches.entries()) {
      throwIfAborted(signal, 'calibration');
      const { values, shape } = this.streams[index];
      const stream = tensor(values, shape);
      const next = await told(listener, index, (hooks) =>
        network.runStages(stream, stage, stage + 1, batch, hooks),
      );
      stream.dispose();
      if (advance) this.streams[index].values = (await readFloat32(next)).slice();
      else next.dispose();
      await yieldToEvents();
    }
  }

  /** Tells of the matrices behind the last stage. */
  async finish(listener: InputsListener): Promise<void> {
    for (const [index, { values, shape }] of this.streams.entries()) {
      const stream = tensor(values, shape);
      await told(listener, index, ({ onInputs }) => {
        this.model.network.finalInputs?.(stream, onInputs!);
        return undefined;
      });
      stream.dispose();
      await yieldToEvents();
    }
  }
}

/** Brings to the host what a part of the network tells of, once it is through. */
async function told<T extends Tensor | undefined>(
  listener: InputsListener | undefined,
  batch: number,
  run: (hooks: NetworkHooks) => T,
): Promise<T> {
  const heard: [name: string, kept: MatrixInputs][] = [];
  const copy = (tensor: Tensor): Tensor => keep(tensor.clone());
  const result = tidy(() =>
    run(
      listener === undefined
        ? {}
        : {
            onInputs: (name, { inputs, neurons }) => {
              const current = neurons && {
                ...neurons,
                product: copy(neurons.product),
                gate: neurons.gate && copy(neurons.gate),
              };
              heard.push([name, { inputs: copy(inputs), ...(current && { neurons: current }) }]);
            },
          },
    ),
  );
  for (const [name, { inputs, neurons }] of heard) {
    const gate = neurons?.gate && sigmoidOf(await readFloat32(neurons.gate));
    const current = neurons && {
      product: await readFloat32(neurons.product),
      ...(gate && { gate }),
      tau: neurons.tau,
    };
    const given = { inputs: await readFloat32(inputs), ...(current && { neurons: current }) };
    await listener!(name, batch, given);
  }
  return result;
}

function sigmoidOf(values: Float32Array): Float32Array {
  return values.map((value) => 1 / (1 + Math.exp(-value)));
}

/** Xᵀ X of the rows of X, [rows, n], on the device: [n, n], in its float32. */
export async function secondMoments(rows: Float32Array, n: number): Promise<Float32Array> {
  return readFloat32(
    tidy(() => {
      const x = tensor2d(rows, [rows.length / n, n]);
      return matMul(transpose(x), x);
    }),
  );
}
