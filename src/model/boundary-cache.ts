import type { Tensor } from '@tensorflow/tfjs-core';
import type { TokenBatch } from './types.js';

/** The residual stream of some batches at one boundary under one prefix of a plan. */
interface Layer {
  readonly tensors: Map<TokenBatch, Tensor>;
  bytes: number;
  /** The clock at its last use. */
  stamp: number;
}

/**
 * Residual streams kept on the device, within a budget of bytes: candidates that share a prefix start from
 * them, and are compared with them. A layer (one boundary under one prefix, all batches) is dropped whole,
 * the one longest unused first.
 */
export class BoundaryCache {
  private readonly layers = new Map<string, Layer>();
  private bytes = 0;
  private clock = 0;

  constructor(private readonly budgetBytes: number) {}

  /** The stream of a batch before stage `boundary`; it stays the cache's. */
  get(boundary: number, prefix: string, batch: TokenBatch): Tensor | undefined {
    const layer = this.layers.get(`${boundary}:${prefix}`);
    if (layer !== undefined) layer.stamp = ++this.clock;
    return layer?.tensors.get(batch);
  }

  /** Takes the tensor over, and disposes it at once where the budget has no room for it. */
  put(boundary: number, prefix: string, batch: TokenBatch, tensor: Tensor): void {
    const size = 4 * tensor.size; // bytes
    const key = `${boundary}:${prefix}`;
    this.evict(size, key);
    const layer: Layer = this.layers.get(key) ?? { tensors: new Map(), bytes: 0, stamp: 0 };
    if (this.bytes + size > this.budgetBytes || layer.tensors.has(batch)) {
      tensor.dispose();
      return;
    }
    this.layers.set(key, layer);
    layer.tensors.set(batch, tensor);
    layer.bytes += size;
    layer.stamp = ++this.clock;
    this.bytes += size;
  }

  /** Makes room for `size` bytes, sparing the layer they are for. */
  private evict(size: number, spared: string): void {
    while (this.bytes + size > this.budgetBytes) {
      const oldest = [...this.layers]
        .filter(([key]) => key !== spared)
        .sort(([, a], [, b]) => a.stamp - b.stamp)
        .at(0);
      if (oldest === undefined) return;
      this.drop(...oldest);
    }
  }

  private drop(key: string, layer: Layer): void {
    for (const tensor of layer.tensors.values()) tensor.dispose();
    this.bytes -= layer.bytes;
    this.layers.delete(key);
  }

  /** Disposes all streams. */
  clear(): void {
    for (const [key, layer] of this.layers) this.drop(key, layer);
  }
}
