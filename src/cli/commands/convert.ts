import { InvalidArgumentError, Option, type Command } from 'commander';
import { convertCheckpoint, type Conversion } from '../../checkpoint/convert.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import type { FloatDtype } from '../../checkpoint/types.js';
import {
  CHECKPOINT_FILE,
  locateCheckpoint,
  openTokenizer,
} from '../../experiment/open/model-file.js';
import { blockKind } from '../../layout/blocks.js';
import { describeModel, statedMetadata, type ModelDescription } from '../../model/structure.js';
import { UsageError } from '../../util/errors.js';
import { formatBytes, formatCount, formatCounted } from '../../util/format.js';
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
import {
  copyTokenizer,
  outputPath,
  requireFree,
  tokenizerBeside,
} from '../options/model-output.js';
import { Session } from '../session.js';

type Metadata = Readonly<Record<string, string>>;

interface ConvertFlags extends ModelFlags {
  readonly out: string;
  readonly dtype: FloatDtype;
  readonly exclude?: readonly string[];
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
  const description = await check(input, output, flags);
  const signs = description.layout.parameters.filter(({ role }) => role === 'sign');
  const conversion = await convertCheckpoint(input, output, {
    ...session.run,
    dtype: flags.dtype,
    metadata: { format: 'pt', ...statedMetadata(description), ...flags.meta },
    exclude: flags.exclude ?? [],
    keepNegative: signs.map(({ name }) => name),
  });
  const tokenizer = flags.tokenizer && (await copyTokenizer(flags.tokenizer, output));
  const sha256 = await sha256File(output);
  const facts: Fact[] = [
    ['written', output],
    ['parameters', `${formatCount(conversion.parameters)} in ${conversion.tensors} tensors`],
    ['size', `${formatBytes(conversion.bytes)}, ${flags.dtype}`],
    ...roundingFacts(conversion),
    ...configFacts(description),
    ['sha256', sha256],
    ...(tokenizer === undefined ? [] : [['tokenizer', tokenizer] as const]),
  ];
  const { dtype } = flags;
  const value = { output, sha256, dtype, ...conversion, ...configJson(description), tokenizer };
  await session.result(value, formatFacts(facts));
}

/** Refuses all that would fail later or destroy something, before anything is written. */
async function check(
  input: string,
  output: string,
  flags: ConvertFlags,
): Promise<ModelDescription> {
  await requireFree(output, input, flags.force);
  const checkpoint = await openCheckpoint(input);
  try {
    const { tokenizer, ...stated } = modelOptionsOf(flags);
    const description = await describeModel(checkpoint, stated);
    requireOutputLayers(description, flags.exclude ?? []);
    if (tokenizer !== undefined) {
      await openTokenizer(checkpoint.path, description, tokenizer);
      await requireFree(tokenizerBeside(output), tokenizer, flags.force);
    }
    return description;
  } finally {
    await checkpoint.close();
  }
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
