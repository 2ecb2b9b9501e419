import assert from 'node:assert/strict';
import { packagePath } from '../../../src/util/paths.js';
import { saveToy } from '../../experiment/support.js';
import { runCli, type HostOptions, type Outcome } from './run.js';

export const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');

/** A command line about a toy classifier, its own store and its own folder of runs. */
export interface ToyCommands {
  /** Path of the model. */
  readonly model: string;
  /** `qslm <command> <model> …` on 40 sentences of each part, quietly. */
  study(command: string, ...more: readonly string[]): Promise<Outcome>;
  /** The same with a host that can be interrupted. */
  interruptible(
    options: HostOptions,
    command: string,
    ...more: readonly string[]
  ): Promise<Outcome>;
  /** `qslm …` with this folder of runs. */
  runs(...argv: readonly string[]): Promise<Outcome>;
  /** `qslm eval <model> …` on 40 sentences, quietly. */
  evaluate(...more: readonly string[]): Promise<Outcome>;
  readonly store: string;
}

export async function toyCommands(at: (name: string) => string): Promise<ToyCommands> {
  const model = await saveToy(at('toy.safetensors'), { vocabSize: 4096, layers: 2, head: false });
  const [store, runs] = [at('measurements.sqlite'), at('runs')];
  const flags = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--workers', '0', '--store', store];
  const limits = ['--runs', runs, '--limit', '40', '--held-out-limit', '40', '--quiet'];
  const study = (command: string, more: readonly string[]): string[] => [
    ...[command, model, ...flags, ...limits],
    ...more,
  ];
  return {
    model,
    store,
    study: (command, ...more) => runCli(study(command, more)),
    interruptible: (options, command, ...more) => runCli(study(command, more), options),
    runs: (...argv) => runCli([...argv, '--runs', runs, '--quiet']),
    evaluate: (...more) =>
      runCli([
        ...['eval', model, '--tokenizer', TOKENIZER, '--backend', 'cpu', '--store', store],
        ...['--limit', '40', '--quiet', ...more],
      ]),
  };
}

/** What a command printed as JSON. */
export function json(outcome: Outcome, code = 0): Record<string, unknown> {
  assert.equal(outcome.code, code, outcome.stderr);
  return JSON.parse(outcome.stdout) as Record<string, unknown>;
}
