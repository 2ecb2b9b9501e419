import type { Checkpoint } from '../../checkpoint/types.js';
import { CheckpointError } from '../../util/errors.js';
import type { ModelConfig } from './config.js';

/** A parameter of SpikeGPT by its published name, and its shape in the checkpoint. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The parameters of a model of this configuration, in the order of the network. */
export function parametersOf(config: ModelConfig): Parameter[] {
  const { width, vocabSize, layers, classes, head, ffnPre } = config;
  const list: Parameter[] = [{ name: 'emb.weight', shape: [vocabSize, width] }];
  for (let block = 0; block < layers; block++) {
    const prefix = `blocks.${block}`;
    if (block === 0) list.push(...normParameters(`${prefix}.ln0`, width));
    list.push(...normParameters(`${prefix}.ln1`, width), ...normParameters(`${prefix}.ln2`, width));
    list.push(
      ...(block === 0 && ffnPre
        ? channelMixParameters(`${prefix}.ffnPre`, config)
        : timeMixParameters(`${prefix}.att`, width)),
      ...channelMixParameters(`${prefix}.ffn`, config),
    );
  }
  list.push(...normParameters('ln_out', width));
  if (head) list.push({ name: 'head.weight', shape: [vocabSize, width] });
  if (classes > 0) list.push({ name: 'classifier.weight', shape: [classes, width] });
  return list;
}

function normParameters(prefix: string, width: number): Parameter[] {
  return ['weight', 'bias'].map((part) => ({ name: `${prefix}.${part}`, shape: [width] }));
}

function timeMixParameters(prefix: string, width: number): Parameter[] {
  return [
    { name: `${prefix}.time_decay`, shape: [width] },
    { name: `${prefix}.time_first`, shape: [width] },
    ...['k', 'v', 'r'].map((mix) => ({ name: `${prefix}.time_mix_${mix}`, shape: [1, 1, width] })),
    ...['key', 'value', 'receptance', 'output'].map((matrix) => ({
      name: `${prefix}.${matrix}.weight`,
      shape: [width, width],
    })),
  ];
}

function channelMixParameters(prefix: string, { width, hiddenWidth }: ModelConfig): Parameter[] {
  return [
    ...['k', 'r'].map((mix) => ({ name: `${prefix}.time_mix_${mix}`, shape: [1, 1, width] })),
    { name: `${prefix}.key.weight`, shape: [hiddenWidth, width] },
    { name: `${prefix}.receptance.weight`, shape: [width, width] },
    { name: `${prefix}.value.weight`, shape: [width, hiddenWidth] },
  ];
}

/** Vectors are stored as [C], [1, C] or [1, 1, C]; matrices have one shape only. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const core = (shape: readonly number[]): readonly number[] =>
    shape.length === 3 || shape[0] === 1 ? shape.slice(-1) : shape;
  const vector = b.length !== 2;
  const [left, right] = vector ? [core(a), core(b)] : [a, b];
  return left.length === right.length && left.every((size, axis) => size === right[axis]);
}

/** Lines shown of a long list of faults. */
const MOST_LINES = 20;

/**
 * Compares a checkpoint with the parameters its configuration asks for.
 *
 * @throws {CheckpointError} that names every tensor missing, surplus or misshapen, with both shapes
 */
export function checkParameters(checkpoint: Checkpoint, parameters: readonly Parameter[]): void {
  const expected = new Map(parameters.map(({ name, shape }) => [name, shape]));
  const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const faults: string[] = [];
  for (const [name, shape] of expected) {
    const found = checkpoint.tensors.get(name)?.shape;
    if (found === undefined) faults.push(`missing ${name}, expected ${show(shape)}`);
    else if (!sameShape(found, shape))
      faults.push(`misshapen ${name}: found ${show(found)}, expected ${show(shape)}`);
  }
  for (const [name, { shape }] of checkpoint.tensors)
    if (!expected.has(name)) faults.push(`surplus ${name}: found ${show(shape)}, expected none`);
  if (faults.length === 0) return;

  const hidden = faults.length - MOST_LINES;
  const lines = faults.slice(0, MOST_LINES).concat(hidden > 0 ? [`… and ${hidden} more`] : []);
  throw new CheckpointError({
    what: 'the tensors are not those of a SpikeGPT',
    where: checkpoint.path,
    got: `${faults.length} differences:\n  ${lines.join('\n  ')}\n`,
    expected: `${parameters.length} tensors`,
  });
}
