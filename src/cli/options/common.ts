import { InvalidArgumentError, Option, type Command } from 'commander';
import { allowTf32 } from '../../backend/backends/tensorflow.js';
import { BACKENDS } from '../../backend/start.js';
import type { ModelOptions } from '../../experiment/open/model-file.js';
import type { ConfigChoice, StatedConfig } from '../../model/config.js';
import { familyNames, knownFamilies } from '../../model/families.js';
import { QUANTIZERS } from '../../quant/quantizers.js';
import { MAX_BITS, MIN_BITS } from '../../quant/scheme/scheme.js';
import { TASK_NAMES } from '../../tasks/kinds.js';
import { UsageError } from '../../util/errors.js';
import type { CommonFlags } from '../session.js';

/** Flags of commands that compute. */
export interface BackendFlags extends CommonFlags {
  readonly backend: string;
}

/** Flags of commands that open a model. */
export interface ModelFlags extends CommonFlags {
  // Further ones by the choices of the families.
  readonly tokenizer?: string;
  readonly family?: string;
}

/** Adds the options that every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'the result as JSON on the standard output')
    .option('--quiet', 'no progress and no remarks')
    .option('--debug', 'a stack with errors');
}

/** Adds a file for the result, and {@link withCommonOptions}. */
export function withResultOptions(command: Command): Command {
  return withCommonOptions(command.option('--out <file>', 'also write the result to a JSON file'));
}

export function withBackendOption(command: Command): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'where to compute; auto takes the first of these that starts')
        .choices(['auto', ...BACKENDS])
        .default('auto'),
    )
    .option('--tf32', 'let a GPU round the operands of products to TensorFloat-32; flips spikes')
    .on('option:tf32', allowTf32);
}

export function withTokenizerOption(command: Command): Command {
  return command.option(
    '--tokenizer <file>',
    'tokenizer.json or vocab.txt; default: the one beside the model',
  );
}

/** The settings of all families that shapes in a checkpoint cannot tell, each once. */
function configChoices(): readonly ConfigChoice[] {
  const all = knownFamilies().flatMap(({ choices }) => choices);
  return [...new Map(all.map((choice) => [choice.name, choice])).values()];
}

/** Adds a command's model and all that is needed to compute with it. */
export function withModelOptions(command: Command): Command {
  command.argument('<model>', 'checkpoint file, folder, or name of a bundled model');
  return withBackendOption(withConfigOptions(withTokenizerOption(command)));
}

/** Adds the settings that the shapes in a checkpoint cannot tell. */
export function withConfigOptions(command: Command): Command {
  command.addOption(
    new Option('--family <name>', 'kind of model; default: by the names of its tensors').choices(
      familyNames(),
    ),
  );
  for (const choice of configChoices()) {
    const { flag, help, values } = choice;
    const option = new Option(
      flag,
      `${help}; default: what the checkpoint says, else ${fallbacksOf(choice)}`,
    );
    if (values !== undefined) option.choices(values);
    else option.argParser((text) => parsed(() => choice.parse(text, flag)));
    command.addOption(option);
  }
  return command;
}

/** The default of a setting; families that share it may each have their own. */
function fallbacksOf({ name }: ConfigChoice): string {
  const own = knownFamilies().flatMap(({ id, choices }) =>
    choices.filter((choice) => choice.name === name).map(({ fallback }) => ({ id, fallback })),
  );
  const values = new Set(own.map(({ fallback }) => fallback));
  if (values.size === 1) return String(own[0].fallback);
  return own.map(({ id, fallback }) => `${fallback} (${id})`).join(', ');
}

/** A parser's refusal as one of the command line. */
function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new InvalidArgumentError(`Expected ${error.detail.expected ?? 'another value'}.`);
  }
}

/** A model's family and settings, as far as the flags state them. */
export function statedOf(flags: ModelFlags): StatedConfig {
  const said: Readonly<Record<string, unknown>> = { ...flags };
  const names = ['family', ...configChoices().map(({ name }) => name)];
  return Object.fromEntries(names.map((name) => [name, said[name]]));
}

/** {@link statedOf}, and the tokenizer. */
export function modelOptionsOf(flags: ModelFlags): ModelOptions {
  return { tokenizer: flags.tokenizer, ...statedOf(flags) };
}

/** Options of the data to measure on, to be added in the order of a command's help. */
export function dataOptions() {
  const positive = (flag: string, help: string): Option =>
    new Option(flag, help).argParser(positiveInteger);
  return {
    task: new Option(
      '--task <task>',
      "sst2: accuracy; wikitext2: perplexity; of GLUE mrpc: F1, cola: Matthews' correlation, qnli, rte, mnli: accuracy; default: by data and model",
    ).choices(TASK_NAMES),
    natural: new Option(
      '--natural',
      "the data is ordinary text: bring it into the task's style first",
    ),
    context: positive('--context <tokens>', "inputs of a window; default: the model's context"),
    limit: positive('--limit <count>', 'first sentences, or tokens to predict, at most'),
    pooling: new Option(
      '--pooling <kind>',
      'what a sentence is averaged over; all-positions includes padding, as the prototype does',
    ).choices(['real-tokens', 'all-positions']),
  };
}

/** One bit width for the whole model, in place of a plan. */
export function bitsOption(): Option {
  return new Option('--bits <width>', 'every matrix at this bit width, 1 to 16')
    .argParser(bitWidth)
    .conflicts('plan');
}

export function quantizerOption(): Option {
  return new Option(
    '--quantizer <name>',
    'min-max: per tensor, the range widened to hold 0; paper-minmax: not widened; best: per channel, least squared error, a spike embedding by its sign; gptq, spike-preserving: the same with integers by a calibration sample (--calibration)',
  )
    .choices(Object.keys(QUANTIZERS))
    .default('min-max');
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

function bitWidth(text: string): number {
  const bits = /^\d+$/.test(text) ? Number(text) : NaN;
  if (bits >= MIN_BITS && bits <= MAX_BITS) return bits;
  throw new InvalidArgumentError(`Expected a bit width from ${MIN_BITS} to ${MAX_BITS}.`);
}

/** `--bits` with a list; the help shows the default as it is typed. */
export function bitsListOption(help: string, fallback: readonly number[]): Option {
  return listOption('--bits <widths>', help, bitWidths, fallback);
}

/** An option with values between commas, whose default the help shows in the same form. */
export function listOption<T>(
  flags: string,
  help: string,
  parse: (text: string) => T[],
  fallback: readonly T[],
): Option {
  return new Option(flags, help).argParser(parse).default([...fallback], fallback.join(','));
}

/** "16,8,4", each width once, in the order given. */
export function bitWidths(text: string): number[] {
  return [...new Set(text.split(',').map((part) => bitWidth(part.trim())))];
}
