import type { ModelConfig } from '../../model/config.js';
import { familyById, FIRST_FAMILY } from '../../model/families.js';
import { structureOf, type ModelStructure } from '../../model/structure.js';
import { noWork } from '../../model/work.js';
import type { Metric } from '../../tasks/task.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import { modelSpace, type ModelSpace } from '../open/model-space.js';
import { schemeMaker } from '../../quant/quantizers.js';
import type { RunJson } from './run-record.js';
import type { SpaceSettings } from '../open/study.js';

/** The data of a run, as its `run.json` names them. */
export interface SavedData {
  /** 'sst2', 'wikitext2' */
  readonly name: string;
  readonly metric: Metric;
  readonly source: string;
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

/** What a study writes of itself: its `identity()`. */
interface Identity {
  readonly model: {
    readonly family?: string;
    readonly name: string;
    readonly sha256: string;
    readonly config: ModelConfig;
  };
  readonly search: DataJson;
  readonly heldOut: DataJson | null;
}

interface DataJson {
  readonly task: string;
  readonly source: string;
  readonly items: number;
}

export function savedStudy({ config }: RunJson): SavedStudy {
  const { model, search, heldOut } = config as unknown as Identity;
  return {
    sha256: model.sha256,
    task: savedData(search),
    options: {
      file: {
        name: model.name,
        ...structureOf(familyById(model.family ?? FIRST_FAMILY), model.config),
      },
      ...(heldOut && { heldOut: { task: savedData(heldOut) } }),
    },
  };
}

function savedData({ task, source, items }: DataJson): SavedData {
  return { name: task, metric: task === 'sst2' ? 'accuracy' : 'perplexity', source, items };
}

/** The units of a run's model, and what a width means for them. */
export function savedSpace(
  { options }: SavedStudy,
  { granularity, quantizer }: SpaceSettings,
): ModelSpace {
  const { hierarchy } = options.file;
  return modelSpace(hierarchy, { granularity, makeScheme: schemeMaker(quantizer, hierarchy) });
}

/** What the report of a run's work keeps: {@link reportJson}. */
interface WorkJson {
  readonly measured: number;
  readonly stopped: number;
  readonly remembered: number;
  readonly seconds: number;
  readonly fullEvaluations: {
    readonly computed: number;
    readonly savedByPrefix: number;
    readonly savedByExit: number;
    readonly savedByVerdict: number;
  };
}

/** A run's report, with the whole task as the unit of work. Where sequences left is not read back. */
export function savedReport({ work }: RunJson): EvaluatorReport {
  const { fullEvaluations, measured, stopped, remembered, seconds } = work as unknown as WorkJson;
  const { computed: done, ...saved } = fullEvaluations;
  const fullWork = measured + stopped > 0 ? 1 : 0;
  return {
    work: { ...noWork(), done, ...saved },
    fullWork,
    measured,
    stopped,
    remembered,
    seconds,
  };
}
