import { join } from 'node:path';
import type { FineTuneRequest } from '../../src/experiment/training/train-run.js';
import { TOKENIZER } from '../cli/support/study.js';

/** The training that is killed: some thirty steps of a toy, on data that lies in the folder. */
export function killedRequest(
  folder: string,
  out: string,
): { readonly model: string; readonly request: FineTuneRequest } {
  const at = (name: string): string => join(folder, name);
  return {
    model: at('toy.safetensors'),
    request: {
      ...{ task: 'sst2', backend: 'cpu', model: { tokenizer: TOKENIZER }, workers: 0 },
      ...{ data: at('train.tsv'), search: at('search.tsv'), out: at(out), batchTokens: 40 },
      settings: { epochs: 4, learningRate: 0.01, warmup: 2, measureEvery: 4, dropout: 0.1 },
    },
  };
}
