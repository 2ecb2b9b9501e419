import { startBackend } from '../../../backend/start.js';
import type { Checkpoint } from '../../../checkpoint/types.js';
import { keptCodes } from '../../../experiment/calibrate/kept-codes.js';
import { openSample } from '../../../experiment/open/calibration-sample.js';
import { locateRun, readRun, readCandidates, checked } from '../../../experiment/record/folder.js';
import { savedStudy } from '../../../experiment/record/saved-study.js';
import type { RunJson } from '../../../experiment/record/schema.js';
import { SEARCH_SETTINGS } from '../../../experiment/record/search-schema.js';
import { selectSaved, planOfKept } from '../../../experiment/record/select-saved.js';
import type { StatedConfig } from '../../../model/config.js';
import { statedConfig, type ModelDescription } from '../../../model/structure.js';
import { withCodes } from '../../../quant/matrix-values.js';
import { isPacked } from '../../../quant/packed/format.js';
import { parsePlan } from '../../../quant/plan-json.js';
import type { Plan } from '../../../quant/plan.js';
import { quantizerPlan, type QuantizerName } from '../../../quant/quantizers.js';
import { readTextFile } from '../../../tasks/data/text.js';
import type { Tokenizer } from '../../../tokenizer/tokenizer.js';
import { CheckpointError, DataError, TokenizerError, UsageError } from '../../../util/errors.js';
import { calibrationOf } from '../../options/calibration.js';
import { statedOf, type ModelFlags } from '../../options/common.js';
import type { SelectionFlags } from '../../options/selection.js';
import type { RunsFlags } from '../../options/study.js';

/** Flags of the command. */
export interface ExportFlags extends ModelFlags, RunsFlags, SelectionFlags {
  readonly out?: string;
  /** Folder for C. */
  readonly c?: string;
  readonly plan?: string;
  readonly run?: string;
  readonly lambda?: number;
  readonly bits?: number;
  readonly quantizer: QuantizerName;
  readonly calibration?: string;
  readonly force?: boolean;
}

/** The model to export, and the run that its plan comes from, if any. */
export interface Source {
  readonly model: string;
  readonly stated: StatedConfig;
  readonly run?: { readonly folder: string; readonly json: RunJson };
}

export async function sourceOf(model: string | undefined, flags: ExportFlags): Promise<Source> {
  const { run, plan, bits } = flags;
  const selecting = (['lambda', 'score', 'tie'] as const).find((name) => flags[name] !== undefined);
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

export async function requireExportable(checkpoint: Checkpoint, { run }: Source): Promise<void> {
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

export async function planOf(
  { run }: Source,
  { plan, bits, quantizer, lambda, score, tie }: ExportFlags,
  { hierarchy }: ModelDescription,
): Promise<Plan> {
  if (plan !== undefined) return parsePlan(await readTextFile(plan), plan);
  if (run === undefined) return quantizerPlan(quantizer, bits!, hierarchy);
  const kept = await readCandidates(run.folder);
  const own = checked(run.json.config.settings, SEARCH_SETTINGS, 'run.json: config.settings');
  const by = { score: score ?? own.score, tie: tie ?? own.tie };
  const selection = selectSaved(kept, lambda ?? own.lambda, hierarchy, by);
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
export async function calibratedFor(
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
