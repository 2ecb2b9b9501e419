/*
 * A process of its own for kill.test.ts: fine-tunes a toy model and keeps the state after each step.
 *   kill-child.ts <folder> <threads>
 * Tells on standard output when a step is done ("step"), and when a model is there ("end").
 */
import { writeSync } from 'node:fs';
import { fineTune } from '../../src/experiment/training/train-run.js';
import { killedRequest } from './kill-request.js';

async function main(folder: string, workers: number): Promise<void> {
  const { model, request } = killedRequest(folder, 'killed.safetensors');
  const onProgress = ({ phase }: { readonly phase: string }): void => {
    if (phase === 'training') writeSync(1, 'step\n');
  };
  const { resumed } = await fineTune(model, { ...request, workers, onProgress, saveSeconds: 0 });
  writeSync(1, resumed ? 'end resumed\n' : 'end\n');
}

void main(process.argv[2], Number(process.argv[3]));
