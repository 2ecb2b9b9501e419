import type { BackendName } from '../../backend/start.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { withCodes, type WeightSource } from '../../quant/matrix-values.js';
import type { TaskName } from '../../tasks/kinds.js';
import type { Task } from '../../tasks/task.js';
import { UsageError } from '../../util/errors.js';
import { SampleCodes } from '../calibrate/codes.js';
import type { CalibrationJson } from '../record/schema.js';
import { buildTask } from './build-task.js';
import type { ModelFile } from './model-file.js';

/** Stands for the bundled samples' own data. */
export const BUNDLED_CALIBRATION = 'bundled';
/**
 * Of a text, the first tokens that windows are drawn from: enough of them to be of many articles, and read in a
 * second.
 */
const DRAWN_FROM_TOKENS = 262_144;

export interface SampleRequest {
  /** A file, data that was fetched, or {@link BUNDLED_CALIBRATION}. */
  readonly calibration: string;
  /** The task that plans are measured on: of the same kind is the sample. */
  readonly search: Pick<Task, 'name' | 'id' | 'context'>;
  readonly backend: BackendName;
}

/** A model's checkpoint with the integers of a calibration sample. */
export interface OpenSample {
  readonly checkpoint: Checkpoint & WeightSource;
  readonly said: CalibrationJson;
}

/**
 * Opens calibration data for a model. Nothing is calibrated before a plan needs it.
 *
 * @throws {UsageError} for the very data that is searched on. {DataError} as `buildTask`.
 */
export async function openSample(
  file: Omit<ModelFile, 'name' | 'close'>,
  { calibration, search, backend }: SampleRequest,
): Promise<OpenSample> {
  const isBundled = calibration === BUNDLED_CALIBRATION;
  const request = isBundled ? { part: 'search' as const } : { data: calibration };
  const task = await buildTask(
    {
      // The name is a plain text since tasks can come from outside.
      ...{ ...request, task: search.name as TaskName },
      ...(search.context !== undefined && { context: search.context, limit: DRAWN_FROM_TOKENS }),
    },
    file.tokenizer,
    file,
  );
  if (!isBundled && task.id === search.id)
    throw new UsageError({
      what: 'the calibration data is the data that is searched on',
      where: 'calibration',
      got: task.source,
      expected: "other data, as the training split's",
    });
  const codes = await SampleCodes.open(file, task, backend);
  const { id, source } = codes;
  return { checkpoint: withCodes(file.checkpoint, codes), said: { id, source } };
}
