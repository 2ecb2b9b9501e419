import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { matMul } from '../../src/backend/kernels/ops.js';
import type { CheckpointListing } from '../../src/checkpoint/types.js';
import type { Layout, Parameter } from '../../src/layout/layout.js';
import type { ModelConfig } from '../../src/model/config.js';
import { registerFamily } from '../../src/model/families.js';
import type { ModelFamily, NetworkHooks, SpikingNetwork } from '../../src/model/family.js';
import type { TokenBatch } from '../../src/model/types.js';

/*
 * A family that is none of ours: its own parameter names, one block of two stages, ternary spikes, every
 * sentence at a fixed length whose padding takes part, no language-model head, no counted operations.
 *
 *   x = t(table[token] + place)      [B, L, C], t(m) = −1, 0 or 1 as m rounds
 *   x += t(gather · mean over L of x), then x += t(spread · x + offset)
 *   logits = verdict · mean over L of x
 */
interface ToyConfig extends ModelConfig {
  readonly gain: number; // of what is rounded to spikes
}

type Place = Omit<Parameter, 'role' | 'matrix'>;
const matrix = (place: Place): Parameter => ({ ...place, role: 'matrix', matrix: 'kernel' });
const vector = (place: Place): Parameter => ({ ...place, role: 'vector' });

function layoutOf({ vocabSize: v, width: w, contextLength: l, classes }: ToyConfig): Layout {
  const input = { block: 'input', module: 'lookup', boundary: 0 } as const;
  const gather = { block: 'attention.0', module: 'gather', boundary: 1 } as const;
  const spread = { block: 'attention.0', module: 'spread', boundary: 2 } as const;
  const output = { block: 'output', module: 'verdict', boundary: 3 } as const;
  const stages = [gather, spread].map(({ block, module }) => ({
    path: `${block}/${module}`,
    macs: w * w,
  }));
  return {
    parameters: [
      matrix({ ...input, name: 'lookup.table', shape: [v, w], use: 'lookup' }),
      vector({ ...input, name: 'lookup.place', shape: [l, w] }),
      matrix({ ...gather, name: 'cell.gather', shape: [w, w] }),
      matrix({ ...spread, name: 'cell.spread', shape: [w, w] }),
      vector({ ...spread, name: 'cell.offset', shape: [w] }),
      matrix({ ...output, name: 'verdict', shape: [classes, w], use: 'sequence' }),
    ],
    stages,
    outputMacs: 0,
    spiking: [
      { path: 'input/lookup', levels: 'ternary', stage: 'embedding' },
      ...stages.map(({ path }, stage) => ({ path, levels: 'ternary', stage }) as const),
    ],
    discreteStream: true,
  };
}

class ToyNetwork implements SpikingNetwork {
  private readonly tensors = new Map<string, Tensor>();
  private readonly shapes: ReadonlyMap<string, readonly number[]>;

  constructor(private readonly config: ToyConfig) {
    this.shapes = new Map(layoutOf(config).parameters.map(({ name, shape }) => [name, shape]));
  }

  setParameter(name: string, values: Float32Array): void {
    this.tensors.get(name)?.dispose();
    this.tensors.set(name, tf.keep(tf.tensor(values.slice(), [...this.shapes.get(name)!])));
  }

  /** x [N, in] · W [out, in], transposed. */
  private linear(x: Tensor2D, name: string): Tensor2D {
    return matMul(x, tf.transpose<Tensor2D>(this.tensors.get(name) as Tensor2D));
  }

  private spikes<T extends Tensor>(x: T): T {
    return tf.clipByValue(tf.round(tf.mul<T>(x, this.config.gain)), -1, 1);
  }

  embed({ ids, batch, time }: TokenBatch, { onSpikes }: NetworkHooks = {}): Tensor {
    return tf.tidy(() => {
      const rows = tf.gather(this.tensors.get('lookup.table')!, tf.tensor1d(ids, 'int32'));
      const shape: [number, number, number] = [batch, time, this.config.width];
      const place = this.tensors.get('lookup.place')!;
      const spikes = this.spikes(tf.add(tf.reshape(rows, shape), place));
      onSpikes?.(0, spikes);
      return spikes;
    });
  }

  runStages(
    stream: Tensor3D,
    from: number,
    to: number,
    _tokens: TokenBatch,
    { onSpikes }: NetworkHooks = {},
  ): Tensor {
    const [batch, time, width] = stream.shape;
    return tf.tidy(() => {
      let x: Tensor3D = stream.clone();
      for (let stage = from; stage < to; stage++) {
        const seen: Tensor2D = stage === 0 ? tf.mean(x, 1) : tf.reshape(x, [batch * time, width]);
        const current = this.linear(seen, stage === 0 ? 'cell.gather' : 'cell.spread');
        const shaped = tf.reshape(current, [batch, stage === 0 ? 1 : time, width]);
        const offset = stage === 0 ? tf.scalar(0) : this.tensors.get('cell.offset')!;
        const spikes = this.spikes(tf.add(shaped, offset));
        onSpikes?.(stage + 1, spikes);
        x = tf.add(x, spikes);
      }
      return x;
    });
  }

  classLogits(stream: Tensor3D): Tensor {
    return tf.tidy(() => this.linear(tf.mean(stream, 1), 'verdict'));
  }

  dispose(): void {
    tf.dispose([...this.tensors.values()]);
  }
}

export const TOY_FAMILY: ModelFamily<ToyConfig> = {
  id: 'toy',
  title: 'Toy',
  choices: [
    {
      ...{ name: 'gain', key: 'gain', flag: '--gain <factor>', help: 'of the spikes', fallback: 1 },
      parse: (value) => Number(value),
      show: (value) => ['gain', String(value)],
    },
  ],
  claims: (tensors) => tensors.has('lookup.table'),
  ignores: (name) => name.startsWith('optimizer.'),
  derive: ({ tensors }: CheckpointListing, { gain }) => {
    const [vocabSize, width] = tensors.get('lookup.table')!.shape;
    const [contextLength] = tensors.get('lookup.place')!.shape;
    const [classes] = tensors.get('verdict')!.shape;
    return { vocabSize, width, contextLength, classes, layers: 1, head: false, gain: Number(gain) };
  },
  layout: layoutOf,
  tokens: ({ contextLength }) => ({
    tokenizer: 'WordPiece',
    ...{ before: [], after: [], padding: { name: '[PAD]', id: 0 } },
    length: contextLength,
    poolings: ['all-positions'],
  }),
  build: (config) => new ToyNetwork(config),
  variant: ({ gain }) => `toy, gain ${gain}`,
  describe: ({ width }) => [`width ${width}`],
};

registerFamily(TOY_FAMILY, __filename);
