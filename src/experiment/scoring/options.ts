import { resolve } from 'node:path';
import { backendIdentity, type BackendName } from '../../backend/start.js';
import type { FileContent } from '../../checkpoint/types.js';
import { statedConfig, type ModelStructure } from '../../model/structure.js';
import type { CalibratedCodes } from '../../quant/matrix-values.js';
import type { MeasurementStore } from '../../store/index.js';
import type { Task } from '../../tasks/task.js';
import type { PoolOpener } from './scorer-pool.js';
import { SharedPool } from './shared-pool.js';

/**
 * The ways an evaluation is made cheaper, each of which can be switched off. None changes a measurement,
 * a verdict or the path of a search.
 */
export interface Accelerations {
  /** Keep the residual streams before the first changed stage. */
  readonly prefix: boolean;
  /** Let a sequence leave once its spikes are those of a plan measured before. */
  readonly exit: boolean;
  /** Stop once pass or fail is certain. */
  readonly verdicts: boolean;
  /** Take what was measured before from the store. */
  readonly memo: boolean;
  /** Worker threads; 0 computes in the calling thread. */
  readonly workers: number;
}

/** Every acceleration, on two threads. */
export const ALL_ACCELERATIONS: Accelerations = {
  prefix: true,
  exit: true,
  verdicts: true,
  memo: true,
  workers: 2,
};
/** Every batch of every plan computed from the start, in the calling thread. */
export const NO_ACCELERATIONS: Accelerations = {
  prefix: false,
  exit: false,
  verdicts: false,
  memo: false,
  workers: 0,
};

/** Raise when kernels or the meaning of a measurement change: stored numbers of before do not count. */
export const MEASUREMENT_VERSION = '2';

/** Device memory for kept streams, in all threads together. */
const DEFAULT_BUDGET_BYTES = 1.2e9;

export interface EvaluatorOptions {
  /** Path of the checkpoint, its SHA-256, and the content that this is of, where it was read before. */
  readonly checkpoint: string;
  readonly checkpointHash: string;
  readonly content?: FileContent | undefined;
  readonly model: ModelStructure;
  /** Name of a backend; not `auto`, since stored numbers belong to one. */
  readonly backend: BackendName;
  readonly task: Task;
  /** The part of the data: "search", "dev". */
  readonly split: string;
  readonly limit?: number | undefined;
  readonly context?: number | undefined;
  readonly store?: MeasurementStore | undefined;
  readonly accelerations?: Partial<Accelerations> | undefined;
  readonly budgetBytes?: number | undefined;
  /**
   * The pool that scores plans; by default one of this evaluator's own, opened when first needed. A pool
   * that is handed in stays its owner's: of the accelerations, prefix, exit and workers are then its own.
   */
  readonly pool?: SharedPool | undefined;
  /** Integers of calibrated schemes; without them a plan that has some is refused. */
  readonly calibrated?: CalibratedCodes | undefined;
  /** Opens a pool of this evaluator's own; by default one of this process's threads. */
  readonly openPool?: PoolOpener | undefined;
}

type Pooled =
  | 'checkpoint'
  | 'checkpointHash'
  | 'content'
  | 'model'
  | 'backend'
  | 'accelerations'
  | 'budgetBytes'
  | 'calibrated'
  | 'openPool';

/** The pool an evaluator with these options scores in; the caller closes it. */
export function openPool(options: Pick<EvaluatorOptions, Pooled>): SharedPool {
  const { checkpoint, checkpointHash, content, model, backend, calibrated } = options;
  const { budgetBytes = DEFAULT_BUDGET_BYTES } = options;
  const { prefix, exit, workers } = { ...ALL_ACCELERATIONS, ...options.accelerations };
  const place = { checkpoint: resolve(checkpoint), checkpointHash, content };
  const identity = backendIdentity(backend);
  return new SharedPool(
    {
      ...place,
      stated: statedConfig(model),
      ...{ backend, identity, workers },
      reuse: { prefix, exit, budgetBytes },
      calibration: calibrated?.id,
    },
    options.openPool,
    calibrated,
  );
}
