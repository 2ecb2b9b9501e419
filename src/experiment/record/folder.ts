import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DataError } from '../../util/errors.js';
import { formatBytes } from '../../util/format.js';
import { systemReason } from '../../util/system-errors.js';
import {
  CANDIDATES_JSON,
  RUN,
  RUN_FILE,
  SENSITIVITY_JSON,
  TRACE_JSON,
  type RunJson,
} from './schema.js';
import { CANDIDATES, TRACE, type CandidatesJson, type TraceJson } from './search-schema.js';
import { SENSITIVITY, type SensitivityJson } from './sweep-schema.js';

/** The folder of all runs, unless a caller says otherwise. */
export const RUNS_FOLDER = join('out', 'runs');

/**
 * A run's folder, by its path or by the id of a run.
 *
 * @param runs folder of all runs.
 * @throws {DataError} when there is neither.
 */
export async function locateRun(run: string, runs: string = RUNS_FOLDER): Promise<string> {
  for (const folder of [run, join(runs, run)])
    if (await isFile(join(folder, RUN_FILE))) return folder;
  throw new DataError({
    what: 'there is no such run',
    where: run,
    got: `no ${RUN_FILE} in it, nor in ${join(runs, run)}`,
    expected: 'the id of a run (qslm runs list), or its folder',
  });
}

/** A search of 10,000 plans over 200 units takes a quarter of it. */
const LARGEST_FILE_BYTES = 128e6;

async function isFile(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isFile() ?? false;
}

/** @throws {DataError} for a file that is not a run's, or damaged. */
export function readRun(folder: string): Promise<RunJson> {
  return readChecked(join(folder, RUN_FILE), RUN);
}

/**
 * The candidates of a finished search.
 *
 * @throws {DataError} for a run that has none: a sweep, or a search that did not finish.
 */
export async function readCandidates(folder: string): Promise<CandidatesJson> {
  const path = join(folder, CANDIDATES_JSON);
  if (await isFile(path)) return readChecked(path, CANDIDATES);
  const { kind, state } = await readRun(folder);
  throw new DataError({
    what: 'the run has no candidates to select from',
    where: folder,
    got: `a ${kind} that is ${state}`,
    expected: 'a finished search',
  });
}

/** @throws {DataError} as {@link readRun}. */
export function readTrace(folder: string): Promise<TraceJson> {
  return readChecked(join(folder, TRACE_JSON), TRACE);
}

/** @throws {DataError} as {@link readRun}. */
export function readSensitivity(folder: string): Promise<SensitivityJson> {
  return readChecked(join(folder, SENSITIVITY_JSON), SENSITIVITY);
}

async function readChecked<T>(path: string, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return checked(await readJson(path), schema, path);
}

/** A file of a run as it is, for those who pass it on. @throws {DataError} for one that is no JSON. */
export async function readJson(path: string): Promise<unknown> {
  await requirePlain(path);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const detail = { what: 'cannot be read', where: path, got: systemReason(cause) };
    throw new DataError({ ...detail, expected: 'a file of a run' }, { cause });
  }
}

/** A folder may come from anyone: a link in it could lead to any file, and so could a message about it. */
async function requirePlain(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || (stats.isFile() && stats.size <= LARGEST_FILE_BYTES)) return;
  const got = stats.isFile() ? formatBytes(stats.size) : 'a link, folder or device';
  throw new DataError({
    what: 'cannot be read',
    where: path,
    got,
    expected: `a plain file of a run, of at most ${formatBytes(LARGEST_FILE_BYTES)}`,
  });
}

/**
 * A value of a run's file as its type says.
 *
 * @param where the file, for messages
 * @throws {DataError} that names the first member that is not as it should be.
 */
export function checked<T>(value: unknown, schema: v.GenericSchema<unknown, T>, where: string): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [{ path, received, expected }] = result.issues;
  const member = path?.map(({ key }) => String(key)).join('.');
  throw new DataError({
    what: 'not a file of a run, or damaged',
    where: member === undefined ? where : `${where}: ${member}`,
    got: received,
    ...(expected !== null && { expected }),
  });
}

/** JSON as it is written to files: indented, with a line break at the end. */
export function jsonText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
