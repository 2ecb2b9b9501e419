import type { BlockName } from '../../layout/blocks.js';
import type { Layout, Parameter, Role, SpikingLayer, Stage } from '../../layout/layout.js';
import type { SpikeGPTConfig } from './config.js';

/** A part of a block in the published names, and the module it is. */
const MODULES = { att: 'SRWKV', ffn: 'SRFFN', ffnPre: 'SRFFN-pre' } as const;
type Part = keyof typeof MODULES;

/** The place that all parameters of one module share. */
type Place = Pick<Parameter, 'block' | 'boundary'> & { readonly module: string };

/**
 * A SpikeGPT from its configuration alone: the input block, `layers` attention blocks of two stages each
 * (SRWKV, then SRFFN), ln_out and the output layers.
 */
export function spikeGPTLayout(config: SpikeGPTConfig): Layout {
  const { layers, embedding } = config;
  const stages = Array.from({ length: 2 * layers }, (_, stage) => stageOf(config, stage));
  const levels = 'binary';
  const spiking = stages.map(({ path }, stage): SpikingLayer => ({ path, levels, stage }));
  if (embedding === 'spike')
    spiking.unshift({ path: 'input/embedding', levels, stage: 'embedding' });
  return {
    parameters: [
      ...inputParameters(config),
      ...Array.from({ length: layers }, (_, block) => blockParameters(config, block)).flat(),
      ...outputParameters(config),
    ],
    stages,
    outputMacs: config.classes > 0 ? 0 : config.width * config.vocabSize,
    spiking,
    // Real values enter the residual stream with the tokens alone; stages add spikes to it.
    discreteStream: true,
  };
}

/** The part that the first stage of a block is: TimeMix, or in block 0 of the variant a ChannelMix. */
export function mixPart(
  { ffnPre }: Pick<SpikeGPTConfig, 'ffnPre'>,
  block: number,
): 'att' | 'ffnPre' {
  return block === 0 && ffnPre ? 'ffnPre' : 'att';
}

function stageOf(config: SpikeGPTConfig, stage: number): Stage {
  const { width, hiddenWidth } = config;
  const block = Math.floor(stage / 2);
  const part = stage % 2 === 1 ? 'ffn' : mixPart(config, block);
  return {
    path: `attention.${block}/${MODULES[part]}`,
    macs: part === 'att' ? 4 * width * width : 2 * width * hiddenWidth + width * width,
  };
}

function inputParameters({ vocabSize, width, embedding }: SpikeGPTConfig): Parameter[] {
  const place = { block: 'input', module: 'embedding', boundary: 0 } as const;
  const role = embedding === 'spike' ? 'sign' : 'matrix';
  return [{ ...matrix('emb.weight', 'emb', [vocabSize, width], place, role), use: 'lookup' }];
}

function blockParameters(config: SpikeGPTConfig, block: number): Parameter[] {
  const { width } = config;
  const prefix = `blocks.${block}`;
  const name: BlockName = `attention.${block}`;
  const [mixed, fed] = [2 * block + 1, 2 * block + 2];
  const placeOf = (part: Part, boundary: number): Place => ({
    block: name,
    module: MODULES[part],
    boundary,
  });
  const norm = (norm: string, boundary: number): Parameter[] =>
    ['weight', 'bias'].map((part) => ({
      name: `${prefix}.${norm}.${part}`,
      shape: [width],
      block: name,
      role: 'vector',
      boundary,
    }));
  return [
    ...(block === 0 ? norm('ln0', mixed) : []),
    ...norm('ln1', mixed),
    ...norm('ln2', fed),
    ...(mixPart(config, block) === 'att'
      ? timeMix(`${prefix}.att`, config, placeOf('att', mixed))
      : channelMix(`${prefix}.ffnPre`, config, placeOf('ffnPre', mixed))),
    ...channelMix(`${prefix}.ffn`, config, placeOf('ffn', fed)),
  ];
}

function timeMix(prefix: string, { width }: SpikeGPTConfig, place: Place): Parameter[] {
  return [
    ...['time_decay', 'time_first'].map((name) => vector(`${prefix}.${name}`, [width], place)),
    ...['k', 'v', 'r'].map((mix) => vector(`${prefix}.time_mix_${mix}`, [1, 1, width], place)),
    ...['key', 'value', 'receptance', 'output'].map((name) =>
      matrix(`${prefix}.${name}.weight`, name, [width, width], place),
    ),
  ];
}

function channelMix(
  prefix: string,
  { width, hiddenWidth }: SpikeGPTConfig,
  place: Place,
): Parameter[] {
  return [
    ...['k', 'r'].map((mix) => vector(`${prefix}.time_mix_${mix}`, [1, 1, width], place)),
    matrix(`${prefix}.key.weight`, 'key', [hiddenWidth, width], place),
    matrix(`${prefix}.value.weight`, 'value', [width, hiddenWidth], place),
    matrix(`${prefix}.receptance.weight`, 'receptance', [width, width], place),
  ];
}

/** A classifier leaves the language-model head in the file, unused. */
function outputParameters(config: SpikeGPTConfig): Parameter[] {
  const { width, vocabSize, layers, classes, head } = config;
  const block = { block: 'output', boundary: 2 * layers + 1 } as const;
  const place = { ...block, module: 'head' } as const;
  const list: Parameter[] = ['weight', 'bias'].map((part) => ({
    ...block,
    name: `ln_out.${part}`,
    shape: [width],
    role: 'vector',
  }));
  if (head) {
    const weight = matrix('head.weight', 'head', [vocabSize, width], place);
    list.push({ ...weight, ...(classes > 0 && { unused: true }) });
  }
  if (classes > 0) {
    const weight = matrix('classifier.weight', 'classifier', [classes, width], place);
    list.push({ ...weight, use: 'sequence' });
  }
  return list;
}

function vector(name: string, shape: readonly number[], place: Place): Parameter {
  return { ...place, name, shape, role: 'vector' };
}

function matrix(
  name: string,
  unit: string,
  shape: readonly number[],
  place: Place,
  role: Exclude<Role, 'vector'> = 'matrix',
): Parameter {
  return { ...place, name, shape, matrix: unit, role };
}
