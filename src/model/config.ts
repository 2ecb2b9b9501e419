import { dirname, join } from 'node:path';
import { duplicateKey } from '../checkpoint/safetensors/json-keys.js';
import type { CheckpointListing } from '../checkpoint/types.js';
import { CheckpointError, UsageError } from '../util/errors.js';
import { isRecord } from '../util/json.js';
import { readRegularFile } from '../util/read-file.js';

/** The configuration that any model has; families have more. */
export interface ModelConfig {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Channels of the residual stream. */
  readonly width: number;
  /** Blocks. */
  readonly layers: number;
  /** Tokens a sequence had in training. */
  readonly contextLength: number;
  /** Classes of the classifier; 0 without one. */
  readonly classes: number;
  /** True where there is a language-model head. */
  readonly head: boolean;
}

/** A setting that shapes cannot tell. */
export interface ConfigChoice {
  /** Its name in the configuration: "contextLength". */
  readonly name: string;
  /** Its name in a checkpoint's metadata and in `config.json`: "context_length". */
  readonly key: string;
  /** Its flag on the command line: "--context-length <tokens>". */
  readonly flag: string;
  /** Help for the flag, without the default. */
  readonly help: string;
  /** The values there are, where they can be listed. */
  readonly values?: readonly string[];
  readonly fallback: string | number;
  /**
   * @param where the file that says it, for messages
   * @throws {UsageError} for a value that makes no sense
   */
  parse(value: unknown, where: string): string | number;
  /** For people: name and value. */
  show(value: string | number): readonly [name: string, value: string];
}

/** Settings of a model that a user states, by their name in the configuration, and the family itself. */
export interface StatedConfig {
  /** Id of a model family, where the tensors alone leave it open or are to be read as another's. */
  readonly family?: string | undefined;
  readonly [name: string]: unknown;
}

/** The origin of a setting. */
export type ConfigSource = 'option' | 'checkpoint metadata' | 'config.json' | 'default';

/** A choice as it was made, and on whose word. */
export interface Chosen {
  readonly value: string | number;
  readonly source: ConfigSource;
}

/**
 * The choices of a family for a checkpoint: each from what was stated, the checkpoint's own metadata, a
 * `config.json` beside it, or its default, in this order.
 *
 * @throws {CheckpointError} for a `config.json` that is there and cannot be read, or is no JSON object; {UsageError} for a setting that the
 *   family does not have; as {@link ConfigChoice.parse}.
 */
export async function makeChoices(
  choices: readonly ConfigChoice[],
  { path, metadata }: Pick<CheckpointListing, 'path' | 'metadata'>,
  stated: StatedConfig,
): Promise<ReadonlyMap<string, Chosen>> {
  requireKnown(choices, stated, path);
  // Not where everything was said: a thread that is told all must not depend on what lies there by then.
  const isOpen = choices.some(({ name }) => stated[name] === undefined || stated[name] === null);
  const beside = isOpen ? await readConfigFile(join(dirname(path), 'config.json')) : undefined;
  return new Map(
    choices.map((choice) => {
      const said = [
        ['option', stated[choice.name]],
        ['checkpoint metadata', metadata[choice.key]],
        ['config.json', beside?.[choice.key]],
      ] as const;
      const found = said.find(([, value]) => value !== undefined && value !== null);
      const chosen: Chosen =
        found === undefined
          ? { value: choice.fallback, source: 'default' }
          : { value: choice.parse(found[1], path), source: found[0] };
      return [choice.name, chosen];
    }),
  );
}

function requireKnown(choices: readonly ConfigChoice[], stated: StatedConfig, where: string): void {
  const names = ['family', ...choices.map(({ name }) => name)];
  const got = Object.keys(stated).find(
    (name) => stated[name] !== undefined && !names.includes(name),
  );
  if (got === undefined) return;
  const expected = names.join(', ');
  throw new UsageError({ what: 'the model has no such setting', where, got, expected });
}

/** Published ones have some kilobytes. */
const LARGEST_CONFIG_BYTES = 1e6;

/** @returns undefined where there is no such file; one that is there has to be read, or said not to be. */
async function readConfigFile(path: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await readRegularFile(path, {
    Failure: CheckpointError,
    expected: 'a JSON object',
    mostBytes: LARGEST_CONFIG_BYTES,
  }).catch((error: unknown) => {
    if (error instanceof CheckpointError && error.detail.got === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  // A byte order mark is Windows' way to say UTF-8.
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ what: 'not JSON', where: path, expected: 'an object' }, { cause });
  }
  if (!isRecord(content))
    throw new CheckpointError({ what: 'not a JSON object', where: path, expected: 'an object' });
  const twice = duplicateKey(text);
  if (twice === undefined) return content;
  const [what, got] = ['a name is given twice', twice.slice(0, 80)];
  throw new CheckpointError({ what, where: path, got, expected: 'once' });
}
