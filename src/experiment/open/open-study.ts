import { backendThreads, startBackend } from '../../backend/start.js';
import { requireUnpacked } from '../../quant/packed/read.js';
import { openStore, type MeasurementStore, type SetAside } from '../../store/index.js';
import type { Accelerations } from '../scoring/options.js';
import type { PoolOpener } from '../scoring/scorer-pool.js';
import { openSample } from './calibration-sample.js';
import { openModelFile, type ModelOptions } from './model-file.js';
import { buildStudyTasks, type StudyTasksRequest } from './study-tasks.js';
import { Study } from './study.js';

/** All that a study can be told; what is left out follows from the model. */
export interface OpenStudyOptions extends StudyTasksRequest {
  /** The backend to compute on; `auto` by default. */
  readonly backend?: string;
  /** Path of a store, or an open one, which stays open. By default nothing measured outlives the study. */
  readonly store?: string | MeasurementStore;
  /** Told when a damaged store was set aside. */
  readonly onSetAside?: (what: SetAside) => void;
  /** Told when the store is locked and waited for, and when it had to be made anew while it was open. */
  readonly onStoreNews?: (text: string) => void;
  /** All by default, with the threads that the backend is worth. */
  readonly accelerations?: Partial<Accelerations>;
  /** Device memory for kept streams, in all threads together. */
  readonly budgetBytes?: number;
  /** Other machines that score the plans (`openQueue`), in place of this process's threads. */
  readonly queue?: { readonly openPool: PoolOpener };
  /**
   * Draws a calibration sample, for plans of calibrated schemes, from this data: a file as `data`, or `bundled`
   * for the part of the bundled samples that is searched on. By default such plans are refused.
   */
  readonly calibration?: string;
  /** Settings of the model that its files do not give: a tokenizer, a family, a family's settings. */
  readonly model?: ModelOptions;
}

/**
 * Opens a model, its data, a backend and a store as one study, which owns and closes all it opens. No weights
 * are read before the first plan is measured.
 *
 * @param model a path or the name of a bundled model.
 * @throws {CheckpointError} {TokenizerError} {DataError} {BackendError} {StoreError} {UsageError} for what
 *   cannot be opened or does not fit, a packed model among it; nothing stays open then.
 */
export async function openStudy(
  model: string,
  {
    backend: wanted = 'auto',
    store: place,
    onSetAside,
    onStoreNews,
    accelerations,
    budgetBytes,
    queue,
    calibration,
    model: stated = {},
    ...request
  }: OpenStudyOptions = {},
): Promise<Study> {
  const owned: { close(): void | Promise<void> }[] = [];
  try {
    const backend = await startBackend(wanted);
    const file = await openModelFile(model, stated);
    owned.push(file);
    requireUnpacked(file.checkpoint);
    const tasks = await buildStudyTasks(request, file.tokenizer, file);
    const sample =
      calibration === undefined
        ? undefined
        : await openSample(file, { calibration, search: tasks.search.task, backend: backend.name });
    const store =
      typeof place === 'string'
        ? await openStore(place, onStoreNews && { tell: onStoreNews })
        : place;
    if (store !== undefined && store !== place) owned.push(store);
    if (store?.setAside) onSetAside?.(store.setAside);
    return await Study.open({
      file: sample === undefined ? file : { ...file, checkpoint: sample.checkpoint },
      calibration: sample?.said,
      backend,
      ...tasks,
      store,
      accelerations: { workers: backendThreads(backend.name), ...accelerations },
      budgetBytes,
      openPool: queue?.openPool,
      owned,
    });
  } catch (error) {
    for (const each of owned.reverse()) await each.close();
    throw error;
  }
}
