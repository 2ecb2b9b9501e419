import { InvalidArgumentError, Option, type Command } from 'commander';
import { convertCheckpoint, type Conversion } from '../../checkpoint/convert.js';
import { ITEM_BYTES } from '../../checkpoint/dtypes.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import { elementCount } from '../../checkpoint/shape.js';
import type { Checkpoint, FloatDtype } from '../../checkpoint/types.js';
import {
  CHECKPOINT_FILE,
  locateCheckpoint,
  openTokenizer,
} from '../../experiment/open/model-file.js';
import { copyTokenizer } from '../../experiment/open/tokenizer-copy.js';
import { blockKind } from '../../layout/blocks.js';
import { describeModel, statedMetadata, type ModelDescription } from '../../model/structure.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { UsageError } from '../../util/errors.js';
import { writeTogether } from '../../util/files.js';
import { formatBytes, formatCount, formatCounted, formatPercent } from '../../util/format.js';
import { sha256File } from '../../util/hash.js';
import { configFacts, configJson } from '../format/facts.js';
import { formatFacts, type Fact } from '../format/table.js';
import type { Host } from '../host.js';
import {
  modelOptionsOf,
  withCommonOptions,
  withConfigOptions,
  type ModelFlags,
} from '../options/common.js';
import { outputPath, requireFree, tokenizerBeside } from '../options/model-output.js';
import { Session } from '../session.js';

type Metadata = Readonly<Record<string, string>>;

interface ConvertFlags extends ModelFlags {
  readonly out: string;
  readonly dtype: FloatDtype;
  readonly exclude?: readonly string[];
  readonly dropUnused?: boolean;
  readonly meta?: Metadata;
  readonly force?: boolean;
}

export function addConvert(program: Command, host: Host): void {
  const command = program
    .command('convert')
    .description('convert a checkpoint (PyTorch .pth, safetensors) to safetensors')
    .argument('<model>', 'checkpoint file, folder, or name of a bundled model')
    .requiredOption('--out <path>', `file to write, or a folder for ${CHECKPOINT_FILE}`)
    .addOption(
      new Option('--dtype <type>', 'type of the weights')
        .choices(['float16', 'bfloat16', 'float32'])
        .default('float16'),
    )
    .option('--exclude <tensor...>', 'leave out an output layer that is not used')
    .option(
      '--drop-unused',
      'leave out all that the model does not compute with, and say what it saves',
    )
    .option('--meta <key=value>', 'an entry for the metadata; may be repeated', addPair)
    .option('--tokenizer <file>', 'tokenizer.json to check and to copy beside the output')
    .option('--force', 'replace files that are there');
  withCommonOptions(withConfigOptions(command))
    .addHelpText(
      'after',
      `
A spike embedding fires where its value is at least 0. So that rounding adds no spike, negative values
that would become −0 are set to the smallest negative number of the type.

Example:
  $ qslm convert SpikeGPT-216M.pth --out models/216m/ --context-length 1024 --tokenizer 20B_tokenizer.json`,
    )
    .action((model: string, flags: ConvertFlags) =>
      Session.run(host, flags, (session) => convert(session, model, flags)),
    );
}

function addPair(pair: string, before: Metadata = {}): Metadata {
  const at = pair.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected KEY=VALUE.');
  return { ...before, [pair.slice(0, at)]: pair.slice(at + 1) };
}

async function convert(session: Session, model: string, flags: ConvertFlags): Promise<void> {
  const { path: input } = await locateCheckpoint(model);
  const output = await outputPath(flags.out);
  const { description, unused, tokenizer: opened } = await check(input, output, flags);
  const signs = description.layout.parameters.filter(({ role }) => role === 'sign');
  const options = {
    ...session.run,
    dtype: flags.dtype,
    metadata: { format: 'pt', ...statedMetadata(description), ...flags.meta },
    exclude: [...new Set([...(flags.exclude ?? []), ...unused.names])],
    keepNegative: signs.map(({ name }) => name),
  };
  const tokenizer = opened && tokenizerBeside(output);
  const conversion =
    opened === undefined || tokenizer === undefined
      ? await convertCheckpoint(input, output, options)
      : await writeTogether([tokenizer, output], async (placeOf) => {
          await copyTokenizer(opened, placeOf(tokenizer));
          return convertCheckpoint(input, placeOf(output), options);
        });
  const sha256 = await sha256File(output);
  const facts: Fact[] = [
    ['written', output],
    ['parameters', `${formatCount(conversion.parameters)} in ${conversion.tensors} tensors`],
    ['size', `${formatBytes(conversion.bytes)}, ${flags.dtype}`],
    ...(flags.dropUnused ? [unusedFact(unused)] : []),
    ...roundingFacts(conversion),
    ...configFacts(description),
    ['sha256', sha256],
    ...(tokenizer === undefined ? [] : [['tokenizer', tokenizer] as const]),
  ];
  const { dtype } = flags;
  const dropped = flags.dropUnused && { dropped: unused };
  const value = {
    output,
    sha256,
    dtype,
    ...conversion,
    ...dropped,
    ...configJson(description),
    tokenizer,
  };
  await session.result(value, formatFacts(facts));
}

/** The findings before anything is written. */
interface Checked {
  readonly description: ModelDescription;
  readonly unused: Unused;
  /** The one that is named, to go along. */
  readonly tokenizer: Tokenizer | undefined;
}

/** Refuses all that would fail later or destroy something, before anything is written. */
async function check(input: string, output: string, flags: ConvertFlags): Promise<Checked> {
  await requireFree(output, input, flags.force);
  const checkpoint = await openCheckpoint(input);
  try {
    const { tokenizer: named, ...stated } = modelOptionsOf(flags);
    const description = await describeModel(checkpoint, stated);
    requireOutputLayers(description, flags.exclude ?? []);
    const tokenizer = named && (await openTokenizer(checkpoint.path, description, named));
    if (named) await requireFree(tokenizerBeside(output), named, flags.force);
    const unused = unusedOf(checkpoint, flags.dropUnused ? description : undefined);
    return { description, unused, tokenizer: tokenizer || undefined };
  } finally {
    await checkpoint.close();
  }
}

/** Tensors of a file that its model does not compute with. */
interface Unused {
  readonly names: readonly string[];
  readonly parameters: number;
  /** In the file. */
  readonly bytes: number;
  /** Of the bytes of all tensors, in [0, 1]. */
  readonly share: number;
}

/** The tensors that the layout does not use, and those that mean nothing to the family; none without one. */
function unusedOf({ tensors }: Checkpoint, description: ModelDescription | undefined): Unused {
  const unread = (name: string): boolean =>
    description !== undefined &&
    (description.hierarchy.unused.names.includes(name) || description.family.ignores(name));
  const counted = [...tensors.values()].map(({ name, shape, dtype }) => {
    const parameters = elementCount(shape);
    return { name, parameters, bytes: parameters * ITEM_BYTES[dtype] };
  });
  const unused = counted.filter(({ name }) => unread(name));
  const sum = (list: readonly { readonly bytes: number }[]): number =>
    list.reduce((total, { bytes }) => total + bytes, 0);
  return {
    names: unused.map(({ name }) => name),
    parameters: unused.reduce((total, { parameters }) => total + parameters, 0),
    bytes: sum(unused),
    share: sum(unused) / Math.max(1, sum(counted)),
  };
}

function unusedFact({ names, parameters, bytes, share }: Unused): Fact {
  if (names.length === 0) return ['left out', 'nothing: the model computes with all of the file'];
  const saved = `${formatBytes(bytes)} of the file that was read, ${formatPercent(share)}`;
  return [
    'left out',
    `${names.join(', ')} (${formatCount(parameters)} parameters): saves ${saved}`,
  ];
}

function requireOutputLayers({ layout }: ModelDescription, excluded: readonly string[]): void {
  const layers = layout.parameters
    .filter(({ block, role }) => blockKind(block) === 'output' && role !== 'vector')
    .map(({ name }) => name);
  const other = excluded.find((name) => !layers.includes(name));
  if (other === undefined) return;
  throw new UsageError({
    what: 'no output layer of the model',
    where: '--exclude',
    got: other,
    expected: layers.join(' or '),
  });
}

function roundingFacts({ largestError, largestErrorIn, keptNegative }: Conversion): Fact[] {
  const facts: Fact[] = [];
  if (largestErrorIn !== undefined)
    facts.push(['rounding', `at most ${largestError.toPrecision(2)}, in ${largestErrorIn}`]);
  const kept = formatCounted(keptNegative, 'negative embedding value');
  if (keptNegative > 0) facts.push(['signs', `${kept} kept from becoming −0`]);
  return facts;
}
