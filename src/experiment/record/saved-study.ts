import type { ModelConfig } from '../../model/config.js';
import { familyById, FIRST_FAMILY } from '../../model/families.js';
import { structureOf, type ModelStructure } from '../../model/structure.js';
import { noWork } from '../../model/work.js';
import { taskKind } from '../../tasks/kinds.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { titleOf } from '../../tasks/task.js';
import { spaceOf, type ModelSpace, type SpaceSettings } from '../open/model-space.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import type { DataJson, RunJson } from './schema.js';

/** The data of a run, as its `run.json` names them. */
export interface SavedData {
  /** 'sst2', 'wikitext2' */
  readonly name: string;
  readonly metric: MetricName;
  readonly source: string;
  readonly title: string;
  readonly items: number;
}

/** Model and data of a run, in the shape that a `Study` has them in: nothing of it is opened. */
export interface SavedStudy {
  readonly sha256: string;
  readonly task: SavedData;
  readonly options: {
    readonly file: ModelStructure & { readonly name: string };
    readonly heldOut?: { readonly task: SavedData };
  };
}

/** @throws {UsageError} for a family or a kind of task that is not known here. */
export function savedStudy({ config, titles }: Pick<RunJson, 'config' | 'titles'>): SavedStudy {
  const { model, search, heldOut } = config;
  const family = familyById(model.family ?? FIRST_FAMILY);
  return {
    sha256: model.sha256,
    task: savedData(search, titles?.search),
    options: {
      file: { name: model.name, ...structureOf(family, model.config as ModelConfig) },
      ...(heldOut && { heldOut: { task: savedData(heldOut, titles?.heldOut) } }),
    },
  };
}

function savedData({ task, source, items }: DataJson, title?: string): SavedData {
  const { metric } = taskKind(task);
  return { name: task, metric, source, title: titleOfData({ task, source }, title), items };
}

/**
 * The title of a run's data. Runs of before titles were written say only in words that their data came with
 * the package.
 */
export function titleOfData(
  { task, source }: Pick<DataJson, 'task' | 'source'>,
  title?: string,
): string {
  if (title !== undefined) return title;
  const bundled: Readonly<Record<string, string>> = {
    sst2: 'Film reviews (bundled)',
    wikitext2: 'Articles (bundled)',
  };
  return source.includes('(bundled') ? bundled[task] : titleOf(source);
}

/** The units of a run's model, and the meaning of a width for them. */
export function savedSpace({ options }: SavedStudy, settings: SpaceSettings): ModelSpace {
  return spaceOf(options.file.hierarchy, settings);
}

/** A run's report, with the whole task as the unit of work. The boundaries of exits are not read back. */
export function savedReport({ work }: Pick<RunJson, 'work'>): EvaluatorReport {
  if (work === null)
    return { work: noWork(), fullWork: 0, ...NOTHING, remembered: 0, seconds: 0, speeds: [] };
  const { fullEvaluations, measured, stopped, tokens = 0, remembered, seconds } = work;
  const { computed: done, ...saved } = fullEvaluations;
  const kept = { ...noWork(), done, ...saved };
  const fullWork = measured + stopped > 0 ? 1 : 0;
  const speeds = Object.entries(work.speeds ?? {}).map(([plan, own]) => ({ plan, ...own }));
  return { work: kept, fullWork, measured, stopped, tokens, remembered, seconds, speeds };
}

const NOTHING = { measured: 0, stopped: 0, tokens: 0 } as const;
