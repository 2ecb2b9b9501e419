import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LandscapeRecord, PaperPowerRecord, PaperRecord, TaskName } from '../plots/records.js';
import { TASK_NAMES } from '../tasks/kinds.js';
import { DataError } from '../util/errors.js';
import { BYTES_PER_MB } from '../util/format.js';

/** Beside `src` and beside `dist`. */
const FOLDER = resolve(__dirname, '../../data/paper');

interface PaperTask {
  readonly baseline: number;
  readonly cases: readonly Pick<PaperRecord, 'name' | 'metric' | 'saving'>[];
  readonly powerSaving: { readonly least: number; readonly most: number };
}

type PaperFile = Readonly<Partial<Record<TaskName, PaperTask>>> & { readonly source: string };

/**
 * The paper's results for its six cases (`data/paper/results.json`; QSLM, arXiv 2601.00679).
 * @throws {DataError} when the file is missing or damaged.
 */
export async function loadPaperResults(): Promise<PaperRecord[]> {
  const file = (await readPaper('results.json')) as PaperFile;
  return tasksIn(file).flatMap(([task, { baseline, cases }]) => {
    return cases.map(({ name, metric, saving }) => ({ task, name, metric, baseline, saving }));
  });
}

/**
 * The power that the paper reports saved, as a range over the cases of each task; it gives no figure a case
 * (`data/paper/results.json`; QSLM, arXiv 2601.00679).
 * @throws {DataError} when the file is missing or damaged.
 */
export async function loadPaperPower(): Promise<PaperPowerRecord[]> {
  const file = (await readPaper('results.json')) as PaperFile;
  return tasksIn(file).map(([task, { powerSaving }]) => ({
    task,
    ...powerSaving,
    source: file.source,
  }));
}

/** The tasks that the paper has results for: not all that are known here. */
function tasksIn(file: PaperFile): [TaskName, PaperTask][] {
  return TASK_NAMES.flatMap((task) => {
    const found = file[task];
    return found === undefined ? [] : [[task, found]];
  });
}

/**
 * Published models for the landscape of Fig. 1 (`data/paper/landscape.json`), each with its source.
 * @throws {DataError} when the file is missing or damaged.
 */
export async function loadLandscape(): Promise<LandscapeRecord[]> {
  type Entry = Omit<LandscapeRecord, 'bytes'> & { readonly megabytes: number };
  const { models } = (await readPaper('landscape.json')) as { readonly models: readonly Entry[] };
  return models.map(({ megabytes, ...model }) => ({ ...model, bytes: megabytes * BYTES_PER_MB }));
}

async function readPaper(name: string): Promise<unknown> {
  const where = resolve(FOLDER, name);
  try {
    return JSON.parse(await readFile(where, 'utf8')) as unknown;
  } catch (error) {
    throw new DataError(
      { what: 'the paper’s numbers cannot be read', where, got: String(error) },
      { cause: error },
    );
  }
}
