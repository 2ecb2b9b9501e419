import type { Checkpoint } from '../../src/checkpoint/types.js';
import { type ModelConfig } from '../support/spikegpt.js';

/**
 * SpikeGPT written out value by value with arithmetic that counts itself, in float64: the count of a
 * program that computes the model, where `src/energy` has formulas. Shares no code with src.
 */
export class Tally {
  additions = 0;
  multiplications = 0;
  divisions = 0;
  functions = 0;
  comparisons = 0;
  macs = 0;

  add(a: number, b: number): number {
    this.additions++;
    return a + b;
  }
  multiply(a: number, b: number): number {
    this.multiplications++;
    return a * b;
  }
  divide(a: number, b: number): number {
    this.divisions++;
    return a / b;
  }
  exp(a: number): number {
    this.functions++;
    return Math.exp(a);
  }
  root(a: number): number {
    this.functions++;
    return Math.sqrt(a);
  }
  atLeast(a: number, b: number): boolean {
    this.comparisons++;
    return a >= b;
  }
  /** weight [out, in] · x [in] */
  product(weight: Float32Array, x: readonly number[]): number[] {
    return Array.from({ length: weight.length / x.length }, (_, row) =>
      x.reduce((sum, value, column) => {
        this.macs++;
        return sum + value * weight[row * x.length + column];
      }, 0),
    );
  }
  sigmoid(a: number): number {
    return this.divide(1, this.add(1, this.exp(-a)));
  }
}

type Read = (name: string) => Float32Array;

/** What a module remembers of the tokens before. */
class Memory {
  readonly shift: number[];
  readonly membrane: number[];
  readonly wkv: { a: number; b: number; p: number }[];
  constructor(width: number) {
    this.shift = Array<number>(width).fill(0);
    this.membrane = Array<number>(width).fill(0);
    this.wkv = this.shift.map(() => ({ a: 0, b: 0, p: -1e30 }));
  }
}

/** Logits of the last token: of the head, or of the classifier over the mean of all tokens. */
export async function countedForward(
  checkpoint: Checkpoint,
  config: ModelConfig,
  ids: readonly number[],
): Promise<{ logits: number[]; tally: Tally }> {
  const weights = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys())
    weights.set(name, await checkpoint.readFloat32(name));
  const read: Read = (name) => weights.get(name)!;
  const tally = new Tally();
  const memories = Array.from({ length: 2 * config.layers }, () => new Memory(config.width));
  const pooled = Array<number>(config.width).fill(0);
  let logits: number[] = [];
  for (const id of ids) {
    const hidden = token(tally, read, config, memories, id);
    if (config.classes > 0) hidden.forEach((h, c) => (pooled[c] = tally.add(pooled[c], h)));
    else logits = tally.product(read('head.weight'), hidden);
  }
  if (config.classes > 0) {
    const mean = pooled.map((total) => tally.multiply(total, 1 / ids.length));
    logits = tally.product(read('classifier.weight'), mean);
  }
  return { logits, tally };
}

function token(
  tally: Tally,
  read: Read,
  { width, layers, embedding, ffnPre }: ModelConfig,
  memories: readonly Memory[],
  id: number,
): number[] {
  const row = Array.from(read('emb.weight').subarray(id * width, (id + 1) * width));
  let x = embedding === 'spike' ? row.map((value) => (tally.atLeast(value, 0) ? 1 : 0)) : row;
  for (let block = 0; block < layers; block++) {
    const name = `blocks.${block}`;
    if (block === 0) x = norm(tally, read, `${name}.ln0`, x);
    const mixer = block === 0 && ffnPre ? channelMix : timeMix;
    const module = mixer === timeMix ? 'att' : 'ffnPre';
    const first = mixer(tally, read, `${name}.${module}`, `${name}.ln1`, x, memories[2 * block]);
    x = fire(tally, x, first, memories[2 * block]);
    const last = memories[2 * block + 1];
    x = fire(tally, x, channelMix(tally, read, `${name}.ffn`, `${name}.ln2`, x, last), last);
  }
  return norm(tally, read, 'ln_out', x);
}

function norm(tally: Tally, read: Read, name: string, x: readonly number[]): number[] {
  const [gamma, beta] = [read(`${name}.weight`), read(`${name}.bias`)];
  const perChannel = 1 / x.length;
  const mean = tally.multiply(
    x.reduce((sum, value) => tally.add(sum, value), 0),
    perChannel,
  );
  const centred = x.map((value) => tally.add(value, -mean));
  const squares = centred.reduce((sum, each) => tally.add(sum, tally.multiply(each, each)), 0);
  const root = tally.root(tally.add(tally.multiply(squares, perChannel), 1e-5));
  const scale = tally.divide(1, root);
  return centred.map((each, c) =>
    tally.add(tally.multiply(tally.multiply(each, scale), gamma[c]), beta[c]),
  );
}

function shifted(
  tally: Tally,
  mix: Float32Array,
  now: readonly number[],
  before: readonly number[],
): number[] {
  return now.map((value, c) => {
    // 1 − mix does not depend on the token.
    const rest = 1 - mix[c];
    return tally.add(tally.multiply(value, mix[c]), tally.multiply(before[c], rest));
  });
}

function remember(memory: Memory, values: readonly number[]): void {
  values.forEach((value, c) => (memory.shift[c] = value));
}

function timeMix(
  tally: Tally,
  read: Read,
  module: string,
  normName: string,
  x: readonly number[],
  memory: Memory,
): number[] {
  const normed = norm(tally, read, normName, x);
  const [k, v, r] = (['key', 'value', 'receptance'] as const).map((name) => {
    const mix = read(`${module}.time_mix_${name[0]}`);
    return tally.product(
      read(`${module}.${name}.weight`),
      shifted(tally, mix, normed, memory.shift),
    );
  });
  remember(memory, normed);
  const [decay, first] = [read(`${module}.time_decay`), read(`${module}.time_first`)];
  const gated = memory.wkv.map((state, c) => {
    const current = tally.add(first[c], k[c]);
    const top = tally.atLeast(state.p, current) ? state.p : current;
    const [old, own] = [exp(tally, state.p, top), exp(tally, current, top)];
    const average = tally.divide(
      tally.add(tally.multiply(old, state.a), tally.multiply(own, v[c])),
      tally.add(tally.multiply(old, state.b), own),
    );
    // −e^decay does not depend on the token.
    const faded = tally.add(state.p, -Math.exp(decay[c]));
    state.p = tally.atLeast(faded, k[c]) ? faded : k[c];
    const [kept, added] = [exp(tally, faded, state.p), exp(tally, k[c], state.p)];
    state.a = tally.add(tally.multiply(kept, state.a), tally.multiply(added, v[c]));
    state.b = tally.add(tally.multiply(kept, state.b), added);
    return tally.multiply(tally.sigmoid(r[c]), average);
  });
  return tally.product(read(`${module}.output.weight`), gated);
}

function exp(tally: Tally, value: number, top: number): number {
  return tally.exp(tally.add(value, -top));
}

function channelMix(
  tally: Tally,
  read: Read,
  module: string,
  normName: string,
  x: readonly number[],
  memory: Memory,
): number[] {
  const normed = norm(tally, read, normName, x);
  const mixed = (name: string): number[] =>
    shifted(tally, read(`${module}.time_mix_${name}`), normed, memory.shift);
  const hidden = tally.product(read(`${module}.key.weight`), mixed('k'));
  const gate = tally.product(read(`${module}.receptance.weight`), mixed('r'));
  remember(memory, normed);
  const squares = hidden.map((value) => {
    const positive = tally.atLeast(value, 0) ? value : 0;
    return tally.multiply(positive, positive);
  });
  const values = tally.product(read(`${module}.value.weight`), squares);
  return values.map((value, c) => tally.multiply(tally.sigmoid(gate[c]), value));
}

/** Leaky integrate and fire, and the spike on top of the residual stream. */
function fire(
  tally: Tally,
  x: readonly number[],
  current: readonly number[],
  { membrane }: Memory,
): number[] {
  return x.map((value, c) => {
    const charged = tally.add(
      membrane[c],
      tally.multiply(tally.add(current[c], -membrane[c]), 0.5),
    );
    const spikes = tally.atLeast(charged, 1);
    membrane[c] = spikes ? 0 : charged;
    return tally.add(value, spikes ? 1 : 0);
  });
}
