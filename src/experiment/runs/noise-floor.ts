import { backendIdentity } from '../../backend/start.js';
import type { MeasurementKey, MeasurementStore } from '../../store/index.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import { noiseFloorOf, type NoiseFloor } from '../../tasks/metrics/noise.js';
import type { Task } from '../../tasks/task.js';
import { throwIfAborted } from '../../util/errors.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';
import { seededRandom } from '../../util/random.js';
import type { OpenModel } from '../open/model-file.js';
import { MEASUREMENT_VERSION } from '../scoring/options.js';

type Dithered = Pick<OpenModel, 'model' | 'checkpoint'>;

/** Evaluations that a noise floor is taken from unless a caller says otherwise. */
export const DITHERS = 3;

const SIGN_AND_ZERO = 0x7fffffff;

/**
 * Moves each weight to one of the next float32 values, or leaves it, at random: a third each. Zeros, whose sign
 * spike embeddings read, stay. That is a relative change of 6e-8 to 1.2e-7: less than any format of a file keeps of
 * what a training gave.
 */
export function dither(values: Float32Array, seed: number): Float32Array {
  const random = seededRandom(seed);
  const moved = values.slice();
  const bits = new Int32Array(moved.buffer);
  for (let index = 0; index < bits.length; index++) {
    const step = random.integer(-1, 1);
    // The magnitude's integer grows with it, whatever the sign; not down from the smallest to zero.
    if ((bits[index] & SIGN_AND_ZERO) > 1) bits[index] += step;
  }
  return moved;
}

/**
 * Measures how much a metric moves when nothing matters: the unquantized weights are dithered in their last bit, and
 * measured again, a few times. The model has its own weights again at the end, also after a failure.
 *
 * @param baseline of the unquantized model on the task.
 * @throws {AbortedError} between batches.
 */
export async function measureNoise(
  { model, checkpoint }: Dithered,
  task: Task,
  baseline: Measurement,
  {
    dithers = DITHERS,
    seed = 1,
    store,
    ...run
  }: RunOptions & { dithers?: number; seed?: number; store?: NoiseStore | undefined } = {},
): Promise<NoiseFloor> {
  const names = model.description.layout.parameters
    .filter(({ unused }) => unused !== true)
    .map(({ name }) => name);
  const set = async (
    change: (values: Float32Array, place: number) => Float32Array,
  ): Promise<void> => {
    for (const [place, name] of names.entries()) {
      const values = await checkpoint.readFloat32(name);
      model.setParameter(name, change(values, place), checkpoint.path);
      await yieldToEvents();
    }
  };
  const found: Measurement[] = [];
  let changed = false;
  try {
    for (let index = 0; index < dithers; index++) {
      throwIfAborted(run.signal, 'noise floor');
      const own = seed + index;
      const known = store?.get(own);
      if (known === undefined) {
        changed = true;
        await set((values, place) => dither(values, 1000 * own + place));
      }
      const measurement = known ?? (await task.evaluate(model, run));
      if (known === undefined) store?.put(own, measurement);
      found.push(measurement);
    }
  } finally {
    if (changed) await set((values) => values);
  }
  return noiseFloorOf(baseline, found)!;
}

/** Where dithered measurements are kept, by their seed. */
export interface NoiseStore {
  get(seed: number): Measurement | undefined;
  put(seed: number, measurement: Measurement): void;
}

/** A model's weights and data, as the store knows them. */
export interface NoisePlace {
  readonly checkpoint: string;
  readonly task: Pick<Task, 'name' | 'id'>;
  readonly backend: string;
}

/** The part of a key that dithered measurements share; what else a measurement is of is in the task's id. */
function placeKey({ checkpoint, task, backend }: NoisePlace): Omit<MeasurementKey, 'plan'> {
  return {
    checkpoint,
    task: task.name,
    data: task.id,
    split: 'noise',
    limit: null,
    context: null,
    backend: backendIdentity(backend),
    version: MEASUREMENT_VERSION,
  };
}

/** Dithered measurements in a store. */
export function noiseStore(store: MeasurementStore, place: NoisePlace): NoiseStore {
  const keyOf = (seed: number): MeasurementKey => ({
    ...placeKey(place),
    plan: `dithered ${seed}`,
  });
  return {
    get: (seed) => store.get(keyOf(seed))?.measurement,
    put: (seed, measurement) => {
      store.put(keyOf(seed), { measurement });
    },
  };
}

/** The noise floor that a store knows of; undefined where none was measured. Nothing is measured. */
export function knownNoise(
  store: MeasurementStore,
  place: NoisePlace,
  baseline: Measurement,
): NoiseFloor | undefined {
  const known = store.list(placeKey(place)).map(({ measurement }) => measurement);
  return noiseFloorOf(baseline, known);
}
