import { Option, type Command } from 'commander';
import { startBackend } from '../../backend/start.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { keptCodes } from '../../experiment/calibrate/kept-codes.js';
import { openSample } from '../../experiment/open/calibration-sample.js';
import {
  exportModel,
  tokenizerPathFor,
  type ExportedModel,
} from '../../experiment/open/export-model.js';
import {
  CHECKPOINT_FILE,
  findTokenizer,
  locateCheckpoint,
  openTokenizer,
} from '../../experiment/open/model-file.js';
import { locateRun, readRun, readCandidates, checked } from '../../experiment/record/folder.js';
import { savedStudy } from '../../experiment/record/saved-study.js';
import type { RunJson } from '../../experiment/record/schema.js';
import { SEARCH_SETTINGS } from '../../experiment/record/search-schema.js';
import { selectSaved, planOfKept } from '../../experiment/record/select-saved.js';
import type { StatedConfig } from '../../model/config.js';
import { describeModel, statedConfig, type ModelDescription } from '../../model/structure.js';
import { withCodes } from '../../quant/matrix-values.js';
import { isPacked } from '../../quant/packed/format.js';
import { parsePlan } from '../../quant/plan-json.js';
import type { Plan } from '../../quant/plan.js';
import { quantizerPlan, type QuantizerName } from '../../quant/quantizers.js';
import { readTextFile } from '../../tasks/data/text.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { CheckpointError, DataError, TokenizerError, UsageError } from '../../util/errors.js';
import { formatBytes, formatCount, formatFixed, formatPercent } from '../../util/format.js';
import { sha256File } from '../../util/hash.js';
import { formatFacts, type Fact } from '../format/table.js';
import type { Host } from '../host.js';
import { weight } from '../options/amounts.js';
import { calibrationOf, calibrationOption } from '../options/calibration.js';
import {
  bitsOption,
  quantizerOption,
  statedOf,
  withCommonOptions,
  withConfigOptions,
  withTokenizerOption,
  type ModelFlags,
} from '../options/common.js';
import { isFolderPath, outputPath, requireFree } from '../options/model-output.js';
import { energyOption, scoreOption, tieOption, type SelectionFlags } from '../options/selection.js';
import { withRunsOption, type RunsFlags } from '../options/study.js';
import { Session } from '../session.js';

interface ExportFlags extends ModelFlags, RunsFlags, SelectionFlags {
  readonly out: string;
  readonly plan?: string;
  readonly run?: string;
  readonly lambda?: number;
  readonly bits?: number;
  readonly quantizer: QuantizerName;
  readonly calibration?: string;
  readonly force?: boolean;
}

export function addExport(program: Command, host: Host): void {
  const command = program
    .command('export')
    .description('write a quantized model as packed integers, which qslm eval takes')
    .argument('[model]', 'checkpoint file, folder, or bundled model; with --run: the one searched')
    .requiredOption('--out <path>', `file to write, or a folder for ${CHECKPOINT_FILE}`)
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
    .addOption(energyOption("with --run: the run's own"))
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
its path alone.

Examples:
  $ qslm export --run 20260131-174502-9f3a1c --lambda 0.5 --out models/small/
  $ qslm export spikegpt-mini --bits 6 --quantizer best --out spikegpt-6bit.safetensors
  $ qslm eval models/small`,
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
  const output = await outputPath(flags.out);
  await requireFree(output, path, flags.force);
  const checkpoint = await openCheckpoint(path);
  try {
    await requireExportable(checkpoint, source);
    const description = await describeModel(checkpoint, source.stated);
    const { hierarchy } = description;
    const plan = await planOf(source, flags, description);
    const tokenizer = await tokenizerFor(path, description, output, flags);
    const files = {
      ...description,
      checkpoint: await calibratedFor(flags, source, { ...description, checkpoint }, tokenizer),
      ...(tokenizer && { tokenizer }),
    };
    const result = await exportModel(files, plan, output, session.run);
    const sha256 = await sha256File(output);
    const { bytes, footprint, planId } = result;
    const { fp32Bytes } = hierarchy;
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
  } finally {
    await checkpoint.close();
  }
}

/** The model to export, and the run that its plan comes from, if any. */
interface Source {
  readonly model: string;
  readonly stated: StatedConfig;
  readonly run?: { readonly folder: string; readonly json: RunJson };
}

async function sourceOf(model: string | undefined, flags: ExportFlags): Promise<Source> {
  const { run, plan, bits } = flags;
  const selecting = (['lambda', 'score', 'tie', 'energyWeight'] as const).find(
    (name) => flags[name] !== undefined,
  );
  const stated = statedOf(flags);
  if (run === undefined) {
    if (model === undefined || (plan === undefined && bits === undefined) || selecting)
      throw new UsageError({
        what: 'what to export is not clear',
        where: 'export',
        got: selecting ? `--${selecting} without --run` : 'no model, or no plan for it',
        expected: 'a model with --plan or --bits, or --run',
      });
    return { model, stated };
  }
  const folder = await locateRun(run, flags.runs);
  const json = await readRun(folder);
  const said = Object.entries(stated).filter(([, value]) => value !== undefined);
  return {
    model: model ?? json.paths.checkpoint,
    stated: { ...statedConfig(savedStudy(json).options.file), ...Object.fromEntries(said) },
    run: { folder, json },
  };
}

async function requireExportable(checkpoint: Checkpoint, { run }: Source): Promise<void> {
  if (isPacked(checkpoint.metadata))
    throw new CheckpointError({
      what: 'the model is packed already',
      where: checkpoint.path,
      got: 'integers of a plan',
      expected: 'the checkpoint it was exported from',
    });
  if (run === undefined) return;
  const [found, expected] = [await checkpoint.sha256(), savedStudy(run.json).sha256];
  if (found !== expected)
    throw new CheckpointError({
      what: 'not the model that was searched',
      where: checkpoint.path,
      got: `sha256 ${found}`,
      expected: `sha256 ${expected}`,
    });
}

async function planOf(
  { run }: Source,
  { plan, bits, quantizer, lambda, score, tie, energyWeight }: ExportFlags,
  description: ModelDescription,
): Promise<Plan> {
  const { hierarchy } = description;
  if (plan !== undefined) return parsePlan(await readTextFile(plan), plan);
  if (run === undefined) return quantizerPlan(quantizer, bits!, hierarchy);
  const kept = await readCandidates(run.folder);
  const own = checked(run.json.config.settings, SEARCH_SETTINGS, 'run.json: config.settings');
  const by = {
    ...{ score: score ?? own.score, tie: tie ?? own.tie },
    energyWeight: energyWeight ?? own.energyWeight,
  };
  const selection = selectSaved(kept, lambda ?? own.lambda, description, by);
  if (selection === undefined)
    throw new DataError({
      what: 'no plan of this search keeps its limits',
      where: run.folder,
      got: 'no candidates',
      expected: 'a search that found some',
    });
  return planOfKept(kept, selection.candidate, hierarchy);
}

/**
 * The checkpoint with calibrated integers: those that a run has kept, or of the sample that the flags ask for.
 *
 * @throws {TokenizerError} for a sample of a model that has no tokenizer.
 */
async function calibratedFor(
  { calibration: named, quantizer, bits, plan }: ExportFlags,
  { run }: Source,
  file: ModelDescription & { readonly checkpoint: Checkpoint },
  tokenizer: Tokenizer | undefined,
): Promise<Checkpoint> {
  const kept = run?.json.config.calibration;
  if (kept !== undefined) return withCodes(file.checkpoint, keptCodes(kept.id));
  const calibration = calibrationOf({
    calibration: named,
    plan,
    ...(bits !== undefined && { quantizer }),
  });
  if (calibration === undefined) return file.checkpoint;
  if (tokenizer === undefined)
    throw new TokenizerError({
      what: 'a calibration sample needs the tokenizer',
      where: file.checkpoint.path,
      got: 'none beside the checkpoint',
      expected: '--tokenizer',
    });
  const { name } = await startBackend('auto');
  const { config } = file;
  const search =
    config.classes > 0
      ? { name: 'sst2', id: '' }
      : { name: 'wikitext2', id: '', context: config.contextLength };
  const sample = { calibration, search, backend: name };
  return (await openSample({ ...file, tokenizer }, sample)).checkpoint;
}

/** The tokenizer to copy: the one named, or the model's own where it has one. */
async function tokenizerFor(
  model: string,
  description: ModelDescription,
  output: string,
  { out, tokenizer, force }: ExportFlags,
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
