import { InvalidArgumentError, Option, type Command } from 'commander';
import { BACKENDS } from '../../backend/start.js';
import type { EmbeddingKind } from '../../model/spikegpt/config.js';
import { MAX_BITS, MIN_BITS } from '../../quant/scheme/scheme.js';
import type { CommonFlags } from '../session.js';

/** Flags of commands that compute. */
export interface BackendFlags extends CommonFlags {
  readonly backend: string;
}

/** Flags of commands that open a model. */
export interface ModelFlags extends CommonFlags {
  readonly tokenizer?: string;
  readonly embedding?: EmbeddingKind;
  readonly contextLength?: number;
}

/** Adds what every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'the result as JSON on the standard output')
    .option('--quiet', 'no progress and no remarks')
    .option('--debug', 'a stack with errors');
}

export function withResultFile(command: Command): Command {
  return command.option('--out <file>', 'also write the result to a JSON file');
}

export function withBackendOption(command: Command): Command {
  return command.addOption(
    new Option('--backend <name>', 'where to compute; auto takes the first of these that starts')
      .choices(['auto', ...BACKENDS])
      .default('auto'),
  );
}

export function withTokenizerOption(command: Command): Command {
  return command.option('--tokenizer <file>', 'tokenizer.json; default: the one beside the model');
}

/** What the shapes in a checkpoint cannot tell. */
export function withConfigOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--embedding <kind>',
        'how the embedding enters; default: what the checkpoint says, else spike',
      ).choices(['spike', 'dense']),
    )
    .option(
      '--context-length <tokens>',
      'length of sequences in training; default: what the checkpoint says, else 1024',
      positiveInteger,
    );
}

export function positiveInteger(text: string): number {
  return integerFrom(1)(text);
}

/** A parser for whole numbers of at least `least`. */
export function integerFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected a whole number, ${least} or more.`);
  };
}

/** A parser for numbers that `accepts`. */
export function numberWhere(
  accepts: (value: number) => boolean,
  expected: string,
): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (Number.isFinite(value) && accepts(value)) return value;
    throw new InvalidArgumentError(`Expected ${expected}.`);
  };
}

export function bitWidth(text: string): number {
  const bits = /^\d+$/.test(text) ? Number(text) : NaN;
  if (bits >= MIN_BITS && bits <= MAX_BITS) return bits;
  throw new InvalidArgumentError(`Expected a bit width from ${MIN_BITS} to ${MAX_BITS}.`);
}

/** "16,8,4", each width once, in the order given. */
export function bitWidths(text: string): number[] {
  return [...new Set(text.split(',').map((part) => bitWidth(part.trim())))];
}
