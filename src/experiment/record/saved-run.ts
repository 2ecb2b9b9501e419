import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hierarchy } from '../../layout/hierarchy.js';
import type { Plan } from '../../quant/plan.js';
import { select } from '../../search/score.js';
import { DataError, UsageError } from '../../util/errors.js';
import { schemeMaker } from '../../quant/quantizers.js';
import {
  CANDIDATES_FORMAT,
  CANDIDATES_JSON,
  type CandidatesJson,
  type KeptCandidate,
} from './run-files.js';
import { RUN_FILE, RUN_FORMAT, RUNS_FOLDER, type RunJson } from './run-record.js';

/**
 * A run's folder, by its path or by the id of a run.
 *
 * @param runs folder of all runs.
 * @throws {UsageError} when there is neither.
 */
export async function locateRun(run: string, runs: string = RUNS_FOLDER): Promise<string> {
  for (const folder of [run, join(runs, run)]) if (await isRun(folder)) return folder;
  throw new UsageError({
    what: 'there is no such run',
    where: run,
    got: `no ${RUN_FILE} in it, nor in ${join(runs, run)}`,
    expected: 'the id of a run (qslm runs list), or its folder',
  });
}

async function isRun(folder: string): Promise<boolean> {
  return (await stat(join(folder, RUN_FILE)).catch(() => undefined))?.isFile() ?? false;
}

/** @throws {DataError} for a file that is not a run's. */
export async function readRun(folder: string): Promise<RunJson> {
  const path = join(folder, RUN_FILE);
  const json = await readJson(path);
  requireFormat(json, RUN_FORMAT, path);
  return json as RunJson;
}

/**
 * The candidates of a finished search.
 *
 * @throws {DataError} for a run that has none: a sweep, or a search that did not finish.
 */
export async function readCandidates(folder: string): Promise<CandidatesJson> {
  const path = join(folder, CANDIDATES_JSON);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    const { kind, state } = await readRun(folder);
    throw new DataError({
      what: 'the run has no candidates to select from',
      where: folder,
      got: `a ${kind} that is ${state}`,
      expected: 'a finished search',
    });
  }
  const json = await readJson(path);
  requireFormat(json, CANDIDATES_FORMAT, path);
  return json as CandidatesJson;
}

/** @throws {DataError} for a file that is missing, or no JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new DataError(
      { what: 'cannot be read', where: path, got: String(error), expected: 'a file of a run' },
      { cause: error },
    );
  }
}

/** @throws {DataError} for JSON that does not say it is of the format. */
export function requireFormat(json: unknown, format: string, path: string): void {
  const found =
    typeof json === 'object' && json !== null && 'format' in json ? json.format : undefined;
  if (found === format) return;
  throw new DataError({
    what: 'not a file of a run',
    where: path,
    got: found === undefined ? 'no format' : `format ${JSON.stringify(found)}`,
    expected: `format "${format}"`,
  });
}

/** What a weight selects from the candidates of a finished search. */
export interface SavedSelection {
  readonly lambda: number;
  readonly candidate: KeptCandidate;
  readonly plan: Plan;
  /** Share of the unquantized model's bytes that is saved. */
  readonly saving: number;
}

/**
 * Selects from the candidates of a finished search; nothing is measured.
 *
 * @returns undefined where no candidate was found.
 * @throws {SearchError} when λ is not in [0, 1].
 */
export function selectSaved(
  kept: CandidatesJson,
  lambda: number,
  hierarchy: Hierarchy,
): SavedSelection | undefined {
  const candidate = select(kept.candidates, lambda, kept);
  if (candidate === undefined) return undefined;
  return {
    lambda,
    candidate,
    plan: planOfKept(kept, candidate, hierarchy),
    saving: 1 - candidate.bytes / kept.fp32Bytes,
  };
}

/** The plan of a candidate, a unit a line. */
export function planOfKept(
  { quantizer }: Pick<CandidatesJson, 'quantizer'>,
  { bits }: Pick<KeptCandidate, 'bits'>,
  hierarchy: Hierarchy,
): Plan {
  const makeScheme = schemeMaker(quantizer, hierarchy);
  return new Map(Object.entries(bits).map(([unit, width]) => [unit, makeScheme(width, unit)]));
}
