import { basename, dirname, extname, join } from 'node:path';
import { statedMetadata } from '../../model/structure.js';
import { exportPlan, type ExportResult } from '../../quant/packed/export.js';
import { resolvePlan, type Plan } from '../../quant/plan.js';
import { writeTogether } from '../../util/files.js';
import type { RunOptions } from '../../util/progress.js';
import { tokenizersOf, type ModelFile } from './model-file.js';
import { copyTokenizer } from './tokenizer-copy.js';

/** The files that {@link exportModel} wrote. */
export interface ExportedModel extends ExportResult {
  /** Path of the tokenizer's copy; absent for a model that was opened without one. */
  readonly tokenizer?: string;
}

/**
 * Writes a model under a plan as packed integers, and its tokenizer beside them under a name of the same
 * stem, so that the file opens by its path alone: here, and on the command line. Both or neither.
 *
 * @param file a model's files, `study.options.file`.
 * @param plan by unit, as `run.selected.plan` or `quantizerPlan` have it.
 * @param path "packed.safetensors"; then the tokenizer goes to "packed.tokenizer.json".
 * @throws {QuantError} for a plan of another model. {CheckpointError} {TokenizerError} {OutputError}
 *   {AbortedError} from reading and writing; nothing half-written is left.
 */
export async function exportModel(
  file: Omit<ModelFile, 'name' | 'tokenizer' | 'close'> & Partial<Pick<ModelFile, 'tokenizer'>>,
  plan: Plan,
  path: string,
  run: RunOptions = {},
): Promise<ExportedModel> {
  const { checkpoint, hierarchy, tokenizer } = file;
  const resolved = resolvePlan(plan, hierarchy);
  const options = { ...run, metadata: statedMetadata(file) };
  if (tokenizer === undefined) return exportPlan(checkpoint, hierarchy, resolved, path, options);
  const copy = tokenizerPathFor(path, tokenizer.path);
  return writeTogether([copy, path], async (placeOf) => {
    await copyTokenizer(tokenizer, placeOf(copy));
    const written = await exportPlan(checkpoint, hierarchy, resolved, placeOf(path), options);
    return { ...written, path, tokenizer: copy };
  });
}

/**
 * The place of a tokenizer beside a model's file: the first that opening looks at for its kind.
 *
 * @param source of the tokenizer: a tokenizer.json, or a vocab.txt.
 */
export function tokenizerPathFor(path: string, source: string): string {
  const names = tokenizersOf(basename(path));
  const name = names.find((each) => extname(each) === extname(source)) ?? names[0];
  return join(dirname(path), name);
}
