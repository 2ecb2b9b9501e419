import { rm } from 'node:fs/promises';
import { backendIdentity, backendThreads, startBackend } from '../../backend/start.js';
import { writeSafetensors } from '../../checkpoint/safetensors/write.js';
import type { Teacher } from '../../model/family.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { describeModel, statedConfig, statedMetadata } from '../../model/structure.js';
import { planId, type Plan } from '../../quant/plan.js';
import { GLUE } from '../../tasks/glue/benchmarks.js';
import type { Task } from '../../tasks/task.js';
import { DEFAULT_ADAMW } from '../../training/adamw.js';
import { withNewLayer, type NewLayer } from '../../training/classifier.js';
import {
  decaysIn,
  fineTune as train,
  startOfTraining,
  type FineTuneSettings,
  type Mark,
  type StepLoss,
  type TrainingState,
} from '../../training/fine-tune.js';
import { loadState, saveState, type TrainingIdentity } from '../../training/state-file.js';
import { AbortedError, DataError, MemoryError, UsageError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { canonicalJson } from '../../util/json.js';
import type { RunOptions } from '../../util/progress.js';
import { buildTask, type TaskRequest } from '../open/build-task.js';
import { openModelFile, type ModelFile, type ModelOptions } from '../open/model-file.js';
import { inSharedMemory, StepPool } from './step-pool.js';
import { distillationOf, requireTaught, straightThrough, type Distillation } from './under-plan.js';

/** The recipe that the bundled classifier was trained by, two passes. */
export const DEFAULT_FINE_TUNE: FineTuneSettings = {
  ...DEFAULT_ADAMW,
  epochs: 2,
  dropout: 0.25,
  seed: 1,
  pull: 0,
  measureEvery: 200,
  shares: 2,
};

/** Tokens a step, padding included. */
export const TRAINING_BATCH_TOKENS = 1024;

/** A model, data and an output. */
export interface FineTuneRequest
  extends RunOptions, Pick<TaskRequest, 'task' | 'pooling' | 'context' | 'limit'> {
  readonly model?: ModelOptions;
  readonly backend?: string | undefined;
  /** Data to train on. */
  readonly data: string;
  /** Data that the best step is chosen by. */
  readonly search: string;
  readonly searchLimit?: number | undefined;
  /** The file of the model that comes out; `<out>.training` is the state while it is not done. */
  readonly out: string;
  readonly batchTokens?: number | undefined;
  readonly settings?: Partial<FineTuneSettings>;
  /**
   * Quantization-aware training: the passes see the weights as this plan, or the plan in a file of this name, rounds
   * them, and the product is the float32 model whose quantization under it did best.
   */
  readonly plan?: Plan | string | undefined;
  /** Learns from the outputs of the model as it came, unquantized, too. */
  readonly distill?: Distillation | undefined;
  /** Ends the training after this many seconds, with the best step until then. */
  readonly seconds?: number | undefined;
  /** From one keeping of the state to the next; 300 by default. */
  readonly saveSeconds?: number | undefined;
  /**
   * Threads, each with the model's weights, at most as many as shares of a batch; 0 computes in this one. Nothing but
   * the time depends on it. Default: by backend and processor.
   */
  readonly workers?: number | undefined;
  /** Each measurement of the data that chooses, as it is made. */
  readonly onMark?: ((mark: Mark) => void) | undefined;
  /** Each step, as it is done. */
  readonly onStep?: ((step: StepLoss) => void) | undefined;
}

/** A training that is through. */
export interface FineTuned {
  readonly out: string;
  readonly steps: number;
  readonly best: Mark;
  readonly marks: readonly Mark[];
  readonly metric: Task['metric'];
  /** Taken up from a state that was kept. */
  readonly resumed: boolean;
  readonly seconds: number;
}

/**
 * Fine-tunes a model: sentences with labels, where a model without a classifier gets one, or text. Interrupted or
 * killed, it goes on from the state kept last when it is started again; the same steps follow bit for bit on the
 * same backend.
 *
 * @throws {DataError} for training data without two classes, or that is the search split, and for a state of another
 *   training or plan. {QuantError} for a plan that does not fit the model. {ModelError} when loss or gradient is not
 *   finite. {MemoryError} {AbortedError} when the signal fires: the state of the step before is kept. The
 *   state kept last stays in all other cases.
 */
export async function fineTune(model: string, request: FineTuneRequest): Promise<FineTuned> {
  const started = performance.now();
  const { out, signal, saveSeconds = 300, seconds: limit = Infinity } = request;
  const settings = { ...DEFAULT_FINE_TUNE, ...request.settings };
  const backend = await startBackend(request.backend ?? 'auto');
  const file = await openModelFile(model, request.model);
  let loaded: LoadedModel | undefined;
  let pool: StepPool | undefined;
  let teacher: Teacher | undefined;
  try {
    const distill = request.distill && distillationOf(request.distill);
    const prepared = await prepare(file, request, settings.seed);
    const { checkpoint, description, tasks } = prepared;
    const through =
      request.plan === undefined ? undefined : await straightThrough(request.plan, description);
    if (distill) requireTaught(prepared);
    loaded = await LoadedModel.load(checkpoint, { description }, request);
    const identity: TrainingIdentity = {
      plan: through === undefined ? null : planId(through.plan),
      training: sha256(
        canonicalJson({
          ...{ settings: { ...settings }, model: await checkpoint.sha256() },
          ...{ config: { ...description.config }, backend: backendIdentity(backend.name) },
          ...{ train: tasks.train.id, search: tasks.search.id },
          ...{ batches: tasks.train.batches.length, distill: distill ?? null },
        }),
      ),
    };
    const place = `${out}.training`;
    const kept = await loadState(place, identity, settings);
    const state = kept ?? startOfTraining(await valuesOf(loaded, checkpoint), settings);
    const workers = Math.min(request.workers ?? backendThreads(backend.name), settings.shares);
    if (workers > 0) {
      inSharedMemory(state);
      pool = await StepPool.open(state, {
        ...{ workers, shares: settings.shares, decays: decaysIn(description.layout) },
        ...{ checkpoint: file.checkpoint.path, stated: statedConfig(file) },
        ...{ newLayer: prepared.newLayer, backend: backend.name },
        ...{ identity: backendIdentity(backend.name), plan: through?.plan, distill },
      });
    } else if (distill) {
      const { network } = await LoadedModel.load(checkpoint, { description }, request);
      teacher = { network, ...distill };
    }
    let saved = performance.now();
    const save = async (): Promise<void> => {
      await saveState(place, state, identity);
      saved = performance.now();
    };
    const afterStep = async ({ step }: TrainingState): Promise<boolean> => {
      if (performance.now() - saved > 1000 * saveSeconds) await save();
      return step === 0 || performance.now() - started < 1000 * limit;
    };
    try {
      await train(loaded, tasks.train, tasks.search, settings, state, {
        ...(request.onProgress && { onProgress: request.onProgress }),
        ...(request.onMark && { onMark: request.onMark }),
        ...(request.onStep && { onStep: request.onStep }),
        ...(signal && { signal }),
        ...{ afterStep, place: pool, through, teacher },
      });
    } catch (error) {
      if (error instanceof AbortedError || error instanceof MemoryError) await save();
      throw error;
    }
    const { mark, values } = state.best!;
    const tensors = description.layout.parameters.map(({ name, shape }) => ({
      ...{ name, shape, dtype: 'float32' as const },
      bytes: async () => {
        const array = values.get(name) ?? (await checkpoint.readFloat32(name));
        return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      },
    }));
    await writeSafetensors(out, tensors, {
      ...checkpoint.metadata,
      ...statedMetadata(description),
    });
    await rm(place, { force: true });
    return {
      ...{ out, steps: state.step, best: mark, marks: state.marks },
      ...{ metric: tasks.search.metric, resumed: kept !== undefined },
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await pool?.close();
    loaded?.dispose();
    teacher?.network.dispose();
    await file.close();
  }
}

type Prepared = Pick<ModelFile, 'checkpoint'> & {
  readonly description: Awaited<ReturnType<typeof describeModel>>;
  readonly newLayer: NewLayer | undefined;
  readonly tasks: { readonly train: Task; readonly search: Task };
};

/** The model as it is trained, with a classifier where sentences are classified, and its data. */
async function prepare(
  file: ModelFile,
  { task, pooling, context, limit, data, search, searchLimit, batchTokens }: FineTuneRequest,
  seed: number,
): Promise<Prepared> {
  const asked = { task, pooling, context };
  const size = { batchTokens: batchTokens ?? TRAINING_BATCH_TOKENS };
  const trained = await buildTask({ ...asked, ...size, data, limit }, file.tokenizer, file);
  if (trained.lossOf === undefined)
    throw new UsageError({
      what: 'nothing can be trained for this task',
      where: 'task',
      got: trained.name,
      expected: `sst2 or wikitext2, not one of ${Object.keys(GLUE).join(', ')}`,
    });
  const chosen = await buildTask(
    { ...asked, data: search, limit: searchLimit },
    file.tokenizer,
    file,
  );
  if (chosen.id === trained.id || data === search)
    throw new DataError({
      what: 'the best step would be chosen on the data that is trained on',
      where: 'search',
      got: search,
      expected: 'other data',
    });
  requireBothClasses(trained);
  const tasks = { train: trained, search: chosen };
  const { family, config } = file;
  if (trained.metric === 'perplexity' || config.classes > 0)
    return { checkpoint: file.checkpoint, description: file, newLayer: undefined, tasks };
  const layer = family.newClassifier?.(config, CLASSES);
  if (layer === undefined)
    throw new UsageError({
      what: 'no classifier is known for models of this family',
      where: family.title,
      expected: 'a model that has one',
    });
  const newLayer = { ...layer, seed };
  const checkpoint = withNewLayer(file.checkpoint, newLayer);
  const description = await describeModel(checkpoint, statedConfig(file));
  return { checkpoint, description, newLayer, tasks };
}

/** Negative and positive. */
const CLASSES = 2;

function requireBothClasses(task: Task): void {
  if (task.metric === 'perplexity') return;
  const seen = new Set<number>();
  for (const index of task.batches.keys()) {
    const loss = task.lossOf!(index);
    if (loss.kind === 'classes') for (const label of loss.labels) seen.add(label);
  }
  if (seen.size === CLASSES) return;
  throw new DataError({
    what: 'a class has no sentences',
    where: task.source,
    got: `labels ${[...seen].join(', ')} alone`,
    expected: 'sentences of both classes',
  });
}

async function valuesOf(
  { description }: LoadedModel,
  checkpoint: ModelFile['checkpoint'],
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, unused } of description.layout.parameters)
    if (unused !== true) values.set(name, await checkpoint.readFloat32(name));
  return values;
}
