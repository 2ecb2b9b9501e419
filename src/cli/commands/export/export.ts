import { Option, type Command } from 'commander';
import { openCheckpoint } from '../../../checkpoint/open.js';
import { DEVICE_SOURCE, DEVICE_WEIGHTS } from '../../../experiment/open/export-device.js';
import {
  exportModel,
  tokenizerPathFor,
  type ExportedModel,
} from '../../../experiment/open/export-model.js';
import {
  CHECKPOINT_FILE,
  findTokenizer,
  locateCheckpoint,
  openTokenizer,
} from '../../../experiment/open/model-file.js';
import { describeModel, type ModelDescription } from '../../../model/structure.js';
import type { Plan } from '../../../quant/plan.js';
import type { Tokenizer } from '../../../tokenizer/tokenizer.js';
import { UsageError } from '../../../util/errors.js';
import { formatBytes, formatCount, formatFixed, formatPercent } from '../../../util/format.js';
import { sha256File } from '../../../util/hash.js';
import { formatFacts, type Fact } from '../../format/table.js';
import type { Host } from '../../host.js';
import { weight } from '../../options/amounts.js';
import { calibrationOption } from '../../options/calibration.js';
import {
  bitsOption,
  quantizerOption,
  withCommonOptions,
  withConfigOptions,
  withTokenizerOption,
} from '../../options/common.js';
import { isFolderPath, outputPath, requireFree } from '../../options/model-output.js';
import { scoreOption, tieOption } from '../../options/selection.js';
import { withRunsOption } from '../../options/study.js';
import { Session } from '../../session.js';
import { deviceFiles, ownTokenizer, writeDevice } from './device.js';
import { calibratedFor, planOf, requireExportable, sourceOf, type ExportFlags } from './source.js';

export function addExport(program: Command, host: Host): void {
  const command = program
    .command('export')
    .description('write a quantized model as packed integers, which qslm eval takes, or as C')
    .argument('[model]', 'checkpoint file, folder, or bundled model; with --run: the one searched')
    .option('--out <path>', `file to write, or a folder for ${CHECKPOINT_FILE}`)
    .addOption(
      new Option(
        '--c <folder>',
        `write C instead: ${DEVICE_SOURCE}, one C99 file that allocates nothing, and ${DEVICE_WEIGHTS}`,
      ).conflicts('out'),
    )
    .option('--plan <file>', 'a plan in JSON: which unit gets which scheme')
    .addOption(
      new Option('--run <run>', 'the plan of a finished search, by its id or folder').conflicts([
        'plan',
        'bits',
      ]),
    )
    .option('--lambda <weight>', 'with --run: the plan that this weight selects', weight)
    .addOption(scoreOption("with --run: the run's own"))
    .addOption(tieOption("with --run: the run's own"))
    .addOption(bitsOption())
    .addOption(quantizerOption())
    .addOption(calibrationOption())
    .option('--force', 'replace files that are there');
  withTokenizerOption(command);
  withCommonOptions(withConfigOptions(withRunsOption(command)))
    .addHelpText(
      'after',
      `
The tokenizer is copied beside the file (small.tokenizer.json for small.safetensors), so that it opens by
its path alone. With --c, tokens go in and come out as their ids; their text is in the weights file where the
vocabulary is of bytes.

Examples:
  $ qslm export --run 20260131-174502-9f3a1c --lambda 0.5 --out models/small/
  $ qslm export spikegpt-mini --bits 6 --quantizer best --out spikegpt-6bit.safetensors
  $ qslm eval models/small
  $ qslm export spikegpt-mini --bits 4 --quantizer best --c device/
  $ cc -std=c99 -O2 -ffp-contract=off -o device/model device/model.c -lm
  $ device/model device/model.bin generate --text 5 300 77`,
    )
    .action((model: string | undefined, flags: ExportFlags) =>
      Session.run(host, flags, (session) => exportPlanned(session, model, flags)),
    );
}

async function exportPlanned(
  session: Session,
  named: string | undefined,
  flags: ExportFlags,
): Promise<void> {
  const source = await sourceOf(named, flags);
  const { path } = await locateCheckpoint(source.model);
  const places = await placesOf(flags);
  for (const place of places) await requireFree(place, path, flags.force);
  const checkpoint = await openCheckpoint(path);
  try {
    await requireExportable(checkpoint, source);
    const description = await describeModel(checkpoint, source.stated);
    const plan = await planOf(source, flags, description);
    const tokenizer = await (flags.c === undefined
      ? tokenizerFor(path, description, places[0], flags)
      : ownTokenizer(path, description, flags));
    const files = {
      ...description,
      checkpoint: await calibratedFor(flags, source, { ...description, checkpoint }, tokenizer),
      ...(tokenizer && { tokenizer }),
    };
    await (flags.c === undefined
      ? writePacked(session, files, plan, places[0])
      : writeDevice(session, files, plan, flags.c));
  } finally {
    await checkpoint.close();
  }
}

/** The files to write. @throws {UsageError} unless it is said where. */
async function placesOf({ out, c }: ExportFlags): Promise<string[]> {
  if (c !== undefined) return deviceFiles(c);
  if (out !== undefined) return [await outputPath(out)];
  throw new UsageError({
    what: 'nowhere to write to',
    where: 'export',
    expected: '--out <path>, or --c <folder>',
  });
}

async function writePacked(
  session: Session,
  files: Parameters<typeof exportModel>[0],
  plan: Plan,
  output: string,
): Promise<void> {
  const result = await exportModel(files, plan, output, session.run);
  const sha256 = await sha256File(output);
  const { bytes, footprint, planId } = result;
  const { fp32Bytes } = files.hierarchy;
  const errors = Object.fromEntries(result.errors);
  const value = { path: output, bytes, sha256, planId, footprint, errors, fp32Bytes };
  const facts = formatFacts([
    ['written', output],
    ['plan', planId],
    ...sizeFacts(result, fp32Bytes),
    ['sha256', sha256],
    ...(result.tokenizer === undefined ? [] : [['tokenizer', result.tokenizer] as const]),
  ]);
  await session.result(value, facts);
}

/** The tokenizer to copy: the one named, or the model's own where it has one. */
async function tokenizerFor(
  model: string,
  description: ModelDescription,
  output: string,
  { out = '', tokenizer, force }: ExportFlags,
): Promise<Tokenizer | undefined> {
  const isThere = tokenizer !== undefined || (await findTokenizer(model)) !== undefined;
  // A file of a model without one is written all the same; a folder is to be a model by itself.
  if (!isThere && !(await isFolderPath(out))) return undefined;
  const opened = await openTokenizer(model, description, tokenizer);
  await requireFree(tokenizerPathFor(output, opened.path), opened.path, force);
  return opened;
}

function sizeFacts({ bytes, footprint, errors }: ExportedModel, fp32Bytes: number): Fact[] {
  const { total, parts } = footprint;
  const size = `${formatBytes(bytes)}: ${formatCount(total)} bytes as predicted`;
  const scales = `${formatBytes(parts.scales + parts.zeroPoints)} for scales and zero points`;
  const worst = [...errors].sort(([, a], [, b]) => a.sqnrDb - b.sqnrDb).at(0);
  return [
    ['file', `${size}, and a header of ${formatCount(bytes - total)}`],
    ['saving', `${formatPercent(1 - total / fp32Bytes)} of ${formatBytes(fp32Bytes)}`],
    ['scales', `${scales}, ${formatBytes(parts.fp32)} in float32`],
    ...(worst === undefined
      ? []
      : [['least SQNR', `${formatFixed(worst[1].sqnrDb, 1)} dB, in ${worst[0]}`] as const]),
  ];
}
