import type { Checkpoint } from '../../src/checkpoint/types.js';

/**
 * Bell-shaped values in (−0.25, 0.25) from integer arithmetic alone, so that any language makes the same
 * ones: sums of four 22-bit numbers of a linear congruential generator (Numerical Recipes' constants).
 */
export function bell(count: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 10;
  };
  return Float32Array.from(
    { length: count },
    () => (next() + next() + next() + next() - 2 ** 23) / 2 ** 25,
  );
}

/** Names and shapes of a SpikeGPT checkpoint, in the published file's order. */
export function spikeGptShapes(
  vocab: number,
  width: number,
  layers: number,
  options: { classes?: number; ffnPre?: boolean } = {},
): { name: string; shape: number[] }[] {
  const shapes: { name: string; shape: number[] }[] = [];
  const add = (name: string, ...shape: number[]): void => {
    shapes.push({ name, shape });
  };
  add('emb.weight', vocab, width);
  for (let i = 0; i < layers; i++) {
    for (const norm of i === 0 ? ['ln0', 'ln1', 'ln2'] : ['ln1', 'ln2'])
      for (const part of ['weight', 'bias']) add(`blocks.${i}.${norm}.${part}`, width);
    const channelMix = (name: string): void => {
      for (const mix of ['k', 'r']) add(`blocks.${i}.${name}.time_mix_${mix}`, 1, 1, width);
      add(`blocks.${i}.${name}.key.weight`, 4 * width, width);
      add(`blocks.${i}.${name}.receptance.weight`, width, width);
      add(`blocks.${i}.${name}.value.weight`, width, 4 * width);
    };
    if (i === 0 && options.ffnPre === true) channelMix('ffnPre');
    else {
      for (const part of ['decay', 'first']) add(`blocks.${i}.att.time_${part}`, width);
      for (const mix of ['k', 'v', 'r']) add(`blocks.${i}.att.time_mix_${mix}`, 1, 1, width);
      for (const matrix of ['key', 'value', 'receptance', 'output'])
        add(`blocks.${i}.att.${matrix}.weight`, width, width);
    }
    channelMix('ffn');
  }
  for (const part of ['weight', 'bias']) add(`ln_out.${part}`, width);
  add('head.weight', vocab, width);
  if (options.classes !== undefined) add('classifier.weight', options.classes, width);
  return shapes;
}

/** A checkpoint in memory: bell-shaped values, a twentieth of them 0, for every parameter. */
export function memoryCheckpoint(
  shapes: readonly { name: string; shape: number[] }[],
  metadata: Readonly<Record<string, string>> = {},
): Checkpoint {
  const values = new Map(
    shapes.map(({ name, shape }, i) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [name, bell(count, i + 1).map((x, n) => (n % 20 === 7 ? 0 : x))] as const;
    }),
  );
  return {
    path: 'memory',
    format: 'safetensors',
    tensors: new Map(
      shapes.map(({ name, shape }) => [name, { name, shape, dtype: 'float32' as const }]),
    ),
    metadata,
    readFloat32: (name) => Promise.resolve(values.get(name)!.slice()),
    readBytes: (name) => Promise.resolve(new Uint8Array(values.get(name)!.slice().buffer)),
    sha256: () => Promise.resolve('0'.repeat(64)),
    close: () => Promise.resolve(),
  };
}
