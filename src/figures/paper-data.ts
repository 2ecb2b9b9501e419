import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LandscapeRecord, PaperPowerRecord, PaperRecord, TaskName } from '../plots/records.js';
import { TASK_KINDS, TASK_NAMES } from '../tasks/kinds.js';
import { metricOf, type MetricName } from '../tasks/metrics/metrics.js';
import { DataError } from '../util/errors.js';
import { BYTES_PER_MB } from '../util/format.js';

/** Beside `src` and beside `dist`. */
const FOLDER = resolve(__dirname, '../../data/paper');

interface PaperTask {
  readonly baseline: number;
  /** The task's metric, as `metric` and `baseline` are in. */
  readonly metric: MetricName;
  readonly cases: readonly (Pick<PaperRecord, 'name' | 'metric' | 'saving'> & {
    readonly largestLoss: number;
    readonly largestMegabytes: number;
  })[];
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

/** A case of the paper as a row of a table: what was asked for, and what came of it. */
export interface PaperCase {
  readonly case: string;
  readonly data: string;
  readonly 'loss allowed': string;
  readonly 'memory allowed (MB)': number;
  readonly fp32: string;
  readonly quantized: string;
  /** Of the fp32 memory. */
  readonly 'memory saved': string;
}

/**
 * The six cases that the paper states for SpikeGPT-216M: its limits with its results, as rows for `table()`
 * (`data/paper/results.json`; QSLM, arXiv 2601.00679). Their layout is ours: the paper's own tables are not
 * at hand.
 * @throws {DataError} when the file is missing or damaged.
 */
export async function loadPaperCases(): Promise<PaperCase[]> {
  const file = (await readPaper('results.json')) as PaperFile;
  return tasksIn(file).flatMap(([task, { metric: name, baseline, cases }]) => {
    const { format, loss } = metricOf(name);
    return cases.map(({ name: own, metric, saving, largestLoss, largestMegabytes }) => ({
      case: own,
      data: TASK_KINDS[task].title,
      'loss allowed': `${largestLoss / loss.unit} ${loss.name}`,
      'memory allowed (MB)': largestMegabytes,
      fp32: format(baseline),
      quantized: format(metric),
      'memory saved': `${(100 * saving).toFixed(1)} %`,
    }));
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
