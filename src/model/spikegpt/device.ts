import { join } from 'node:path';
import type { DeviceForm, DeviceTensor } from '../../quant/device/form.js';
import type { SpikeGPTConfig } from './config.js';
import { mixPart } from './layout.js';

const vector = (name: string): DeviceTensor => ({ name, use: 'vector' });
const product = (name: string): DeviceTensor => ({ name, use: 'product' });

/** SpikeGPT as C (c/spikegpt.c): the tensors in its order, and the size of its `struct network`. */
export function spikeGPTDevice(config: SpikeGPTConfig): DeviceForm {
  const { vocabSize, width, hiddenWidth, layers, classes, embedding, ffnPre } = config;
  const blocks = Array.from({ length: layers }, (_, block) => blockTensors(config, block));
  return {
    constants: new Map([
      ['QSLM_VOCAB', vocabSize],
      ['QSLM_WIDTH', width],
      ['QSLM_HIDDEN', hiddenWidth],
      ['QSLM_LAYERS', layers],
      ['QSLM_CLASSES', classes],
      ['QSLM_SPIKE_EMBEDDING', embedding === 'spike' ? 1 : 0],
      ['QSLM_FFN_PRE', ffnPre ? 1 : 0],
    ]),
    tensors: [
      { name: 'emb.weight', use: embedding === 'spike' ? 'signs' : 'lookup' },
      ...['weight', 'bias'].map((part) => vector(`blocks.0.ln0.${part}`)),
      ...blocks.flat(),
      ...['weight', 'bias'].map((part) => vector(`ln_out.${part}`)),
      product(classes > 0 ? 'classifier.weight' : 'head.weight'),
    ],
    networkBytes: 4 * networkWords(config),
    sources: [join(__dirname, 'c', 'spikegpt.c')],
    vocabSize,
    classes,
  };
}

function blockTensors(config: SpikeGPTConfig, block: number): DeviceTensor[] {
  const prefix = `blocks.${block}`;
  const mix = mixPart(config, block);
  return [
    ...['ln1', 'ln2'].flatMap((norm) =>
      ['weight', 'bias'].map((part) => vector(`${prefix}.${norm}.${part}`)),
    ),
    ...(mix === 'att' ? timeMix(`${prefix}.att`) : channelMix(`${prefix}.ffnPre`)),
    ...channelMix(`${prefix}.ffn`),
  ];
}

function timeMix(prefix: string): DeviceTensor[] {
  const vectors = ['time_decay', 'time_first', 'time_mix_k', 'time_mix_v', 'time_mix_r'];
  return [
    ...vectors.map((name) => vector(`${prefix}.${name}`)),
    ...['key', 'value', 'receptance', 'output'].map((name) => product(`${prefix}.${name}.weight`)),
  ];
}

function channelMix(prefix: string): DeviceTensor[] {
  return [
    ...['k', 'r'].map((mix) => vector(`${prefix}.time_mix_${mix}`)),
    ...['key', 'value', 'receptance'].map((name) => product(`${prefix}.${name}.weight`)),
  ];
}

/** Four-byte words of `struct network`, member by member. */
function networkWords({ width, hiddenWidth, layers, classes }: SpikeGPTConfig): number {
  const state = layers * (2 + 2 + 3 + 1) * width;
  const token = (1 + 1 + 3 + 3 + 1 + 1) * width + hiddenWidth + Math.max(1, classes);
  return state + token + Math.max(hiddenWidth, width) + 2 * layers + 1;
}
