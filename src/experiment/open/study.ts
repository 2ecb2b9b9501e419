import { backendIdentity, type BackendReport } from '../../backend/start.js';
import { originOf, type Origin } from '../../hub/cache.js';
import { FIRST_FAMILY } from '../../model/families.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import { memoryStore, type MeasurementStore } from '../../store/index.js';
import type { Task } from '../../tasks/task.js';
import { UsageError } from '../../util/errors.js';
import type { RunOptions } from '../../util/progress.js';
import type { Observables } from '../observe/observables.js';
import type { ObservedLimits } from '../observe/observed-items.js';
import type { CalibrationJson, DataJson, RunConfig, RunJson } from '../record/schema.js';
import type { Measurable } from '../runs/measure-plans.js';
import { Evaluator } from '../scoring/evaluator.js';
import {
  ALL_ACCELERATIONS,
  MEASUREMENT_VERSION,
  openPool,
  type Accelerations,
} from '../scoring/options.js';
import type { PoolOpener } from '../scoring/scorer-pool.js';
import type { SharedPool } from '../scoring/shared-pool.js';
import { buildTask, type TaskRequest } from './build-task.js';
import { originOfData } from './data-file.js';
import type { ModelFile } from './model-file.js';
import { spaceOf, type ModelSpace, type SpaceSettings } from './model-space.js';

/** A task, and the part of the data that it is. */
export interface StudyTask {
  readonly task: Task;
  /** "search", "held-out" */
  readonly split: string;
  /** Sentences or tokens at most. */
  readonly limit?: number | undefined;
  /** Window in tokens; absent for sentences. */
  readonly context?: number | undefined;
  /** Of data that was fetched from a hub. */
  readonly origin?: Origin | undefined;
}

/** The data of a study: one part for decisions, another for their judgement. */
export interface StudyTasks {
  readonly search: StudyTask;
  /** Absent where there is none: then no figure of the result is free of selection. */
  readonly heldOut?: StudyTask | undefined;
}

export interface StudyOptions extends StudyTasks {
  readonly file: Omit<ModelFile, 'tokenizer' | 'close'> & Partial<Pick<ModelFile, 'tokenizer'>>;
  /** Data that a calibration sample is drawn from; `file`'s checkpoint then has its integers. */
  readonly calibration?: CalibrationJson | undefined;
  /** The running backend. */
  readonly backend: Omit<BackendReport, 'passedOver'> & Partial<BackendReport>;
  /** By default in memory: then nothing is left of the measurements. */
  readonly store?: MeasurementStore | undefined;
  readonly accelerations?: Partial<Accelerations> | undefined;
  readonly budgetBytes?: number | undefined;
  /** Opens the pool that plans are scored in; by default one of this process's threads. */
  readonly openPool?: PoolOpener | undefined;
  /** Things opened for this study alone, and closed with it. */
  readonly owned?: readonly { close(): void | Promise<void> }[];
}

/**
 * One model on one task, as several runs look at it: they share threads, weights, kept streams and the
 * store. Runs of one study come one after another.
 */
export class Study {
  readonly store: MeasurementStore;
  /** On the search split. */
  readonly evaluator: Evaluator;
  /** On the held-out split, where there is one. */
  readonly heldOut: Evaluator | undefined;

  private constructor(
    readonly options: StudyOptions,
    /** Of the checkpoint's bytes. */
    readonly sha256: string,
    readonly accelerations: Accelerations,
    private readonly pool: SharedPool,
  ) {
    this.store = options.store ?? memoryStore();
    this.evaluator = this.on(options.search);
    this.heldOut = options.heldOut && this.on(options.heldOut);
  }

  /** An evaluator on further data, with the study's threads, weights and store; nothing to close. */
  on({ task, split, limit, context }: StudyTask): Evaluator {
    const { file, backend } = this.options;
    return Evaluator.open({
      checkpoint: file.checkpoint.path,
      checkpointHash: this.sha256,
      model: file,
      backend: backend.name,
      task,
      split,
      limit,
      context,
      store: this.store,
      accelerations: this.accelerations,
      pool: this.pool,
      calibrated: file.checkpoint.calibrated,
    });
  }

  /** Reads the whole checkpoint once, for its hash; weights are loaded when a plan is first measured. */
  static async open(options: StudyOptions): Promise<Study> {
    const { file, backend, budgetBytes, openPool: open } = options;
    const { checkpoint } = file;
    const accelerations = { ...ALL_ACCELERATIONS, ...options.accelerations };
    const sha256 = await checkpoint.sha256();
    const content = await checkpoint.content?.();
    const place = { checkpoint: checkpoint.path, checkpointHash: sha256, content, model: file };
    const { calibrated } = checkpoint;
    const pool = openPool({
      ...place,
      ...{ backend: backend.name, accelerations, budgetBytes, openPool: open, calibrated },
    });
    return new Study(options, sha256, accelerations, pool);
  }

  /** The task that is searched on. */
  get task(): Task {
    return this.options.search.task;
  }

  /**
   * A task of the study's model on further data: for {@link measurable}.
   *
   * @param split name of the part of the data in the store
   * @throws as `buildTask`; {UsageError} for a study that was opened without a tokenizer.
   */
  async buildTask(request: TaskRequest, split: string): Promise<StudyTask> {
    const { file } = this.options;
    if (file.tokenizer === undefined)
      throw new UsageError({
        what: 'the study has no tokenizer',
        where: file.name,
        expected: 'a study that was opened by the name or path of its model',
      });
    const task = await buildTask(request, file.tokenizer, file);
    const origin = await originOfData(request.data);
    return { task, split, limit: request.limit, context: task.context, origin };
  }

  /** The plans to search among. */
  space(settings: SpaceSettings): ModelSpace {
    return spaceOf(this.options.file.hierarchy, settings);
  }

  /** All of model and data that can change a result: two runs are the same where this is. */
  identity(): Omit<RunConfig, 'settings'> {
    const { file, backend, search, heldOut, calibration } = this.options;
    const { name, family, config } = file;
    const dataOf = ({ task, split, limit, context }: StudyTask): DataJson => ({
      task: task.name,
      source: task.source,
      id: task.id,
      items: task.items,
      tokens: task.tokens,
      split,
      limit: limit ?? null,
      context: context ?? null,
    });
    return {
      model: {
        ...(family.id !== FIRST_FAMILY && { family: family.id }),
        name,
        sha256: this.sha256,
        config: { ...config },
      },
      search: dataOf(search),
      heldOut: heldOut ? dataOf(heldOut) : null,
      ...(calibration && { calibration }),
      backend: backendIdentity(backend.name),
      measurements: MEASUREMENT_VERSION,
    };
  }

  /** Provenance of what was fetched from a hub; nothing of what was at hand. */
  async origins(): Promise<NonNullable<RunJson['origins']>> {
    const { file, search, heldOut } = this.options;
    const model = await originOf(file.checkpoint.path);
    return {
      ...(model && { model }),
      ...(search.origin && { search: search.origin }),
      ...(heldOut?.origin && { heldOut: heldOut.origin }),
    };
  }

  /** The study as plans are measured with: on its search split, or on other data. */
  measurable(task: StudyTask = this.options.search): Measurable {
    const { name, hierarchy } = this.options.file;
    const evaluator = task === this.options.search ? this.evaluator : this.on(task);
    return {
      name,
      hierarchy,
      inFlight: () => evaluator.inFlight,
      measure: (plan, bytes, options) => evaluator.measure(plan, bytes, options),
    };
  }

  /** Plans that may be asked for at once, where they do not depend on each other. */
  get inFlight(): number {
    return this.pool.inFlight;
  }

  /** Options of a run whose progress also says who is at work, where that is not this process. */
  tellingPlaces<T extends RunOptions>(run: T): T {
    const { onProgress } = run;
    if (onProgress === undefined) return run;
    return {
      ...run,
      onProgress: (event) => {
        const { atWork } = this.pool;
        const note = event.note ?? '';
        // An evaluation's own progress says it already.
        if (atWork === undefined || note.includes(atWork)) onProgress(event);
        else onProgress({ ...event, note: note === '' ? atWork : `${note}; ${atWork}` });
      },
    };
  }

  /**
   * Has other machines look into the model under a plan, on the search split.
   *
   * @returns undefined where there are none.
   */
  async observeElsewhere(
    plan: ResolvedPlan,
    limits: ObservedLimits,
    run: RunOptions,
  ): Promise<Observables | undefined> {
    return this.pool.observe(this.task, { plan, limits, ...run });
  }

  /** Ends the threads, and closes what was opened for this study alone. */
  async close(): Promise<void> {
    await this.pool.close();
    for (const each of [...(this.options.owned ?? [])].reverse()) await each.close();
  }
}
