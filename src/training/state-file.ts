import { stat } from 'node:fs/promises';
import { openCheckpoint } from '../checkpoint/open.js';
import { writeSafetensors, type TensorToWrite } from '../checkpoint/safetensors/write.js';
import { DataError, ModelError } from '../util/errors.js';
import { AdamW } from './adamw.js';
import type { FineTuneSettings, Mark, TrainingState } from './fine-tune.js';

/** Whatever a training depends on: a state is only taken up by the same. */
export interface TrainingIdentity {
  /** A hash of all but the plan. */
  readonly training: string;
  /** The id of the plan that is trained under. */
  readonly plan: string | null;
}

/** A mark as JSON has it, which knows no NaN. */
type KeptMark = Omit<Mark, 'loss'> & { readonly loss: number | null };

/** All but arrays of a state, as it is kept. */
interface KeptState {
  readonly identity: TrainingIdentity;
  readonly step: number;
  readonly marks: readonly KeptMark[];
  readonly best: KeptMark | null;
  readonly nll: number;
  readonly predictions: number;
}

/** The key of {@link KeptState} among a file's metadata. */
const STATE_KEY = 'qslm_training';

/**
 * Writes a state, whole or not at all.
 *
 * @throws {ModelError} for one with values that are not finite: the last good one stays. {OutputError} when the disk is full or the path not writable.
 */
export async function saveState(
  path: string,
  state: TrainingState,
  identity: TrainingIdentity,
): Promise<void> {
  const { step, marks, best, nll, predictions, values, optimizer } = state;
  requireGood(values, step);
  const kept: KeptState = { identity, step, marks, best: best?.mark ?? null, nll, predictions };
  const tensors: TensorToWrite[] = [];
  const add = (kind: string, arrays: Iterable<readonly [string, Float32Array]>): void => {
    for (const [name, array] of arrays)
      tensors.push({
        name: `${kind}/${name}`,
        dtype: 'float32',
        shape: [array.length],
        bytes: () =>
          Promise.resolve(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)),
      });
  };
  add('value', values);
  const moments = [...optimizer.moments];
  add(
    'mean',
    moments.map(([name, { mean }]) => [name, mean] as const),
  );
  add(
    'square',
    moments.map(([name, { square }]) => [name, square] as const),
  );
  if (best !== undefined) add('best', best.values);
  await writeSafetensors(path, tensors, { [STATE_KEY]: JSON.stringify(kept) });
}

function requireGood(values: ReadonlyMap<string, Float32Array>, step: number): void {
  for (const [name, array] of values) {
    const at = array.findIndex((value) => !Number.isFinite(value));
    if (at < 0) continue;
    throw new ModelError({
      what: 'a parameter is not finite',
      where: `training, after step ${step}: ${name}, value ${at}`,
      got: String(array[at]),
      expected: 'a smaller learning rate, or a longer warm-up; what was kept before is as it was',
    });
  }
}

/**
 * The state that {@link saveState} wrote; undefined where there is no file.
 *
 * @throws {DataError} for the state of another training. {CheckpointError} for a damaged file.
 */
export async function loadState(
  path: string,
  identity: TrainingIdentity,
  settings: FineTuneSettings,
): Promise<TrainingState | undefined> {
  if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
  const file = await openCheckpoint(path);
  try {
    const text = file.metadata[STATE_KEY] as string | undefined;
    const kept = text === undefined ? undefined : (JSON.parse(text) as KeptState);
    requireSame(kept, identity, path);
    const kinds = new Map<string, Map<string, Float32Array>>();
    for (const full of file.tensors.keys()) {
      const [kind, name] = [full.slice(0, full.indexOf('/')), full.slice(full.indexOf('/') + 1)];
      const arrays = kinds.get(kind) ?? new Map<string, Float32Array>();
      kinds.set(kind, arrays.set(name, (await file.readFloat32(full)).slice()));
    }
    const optimizer = new AdamW(settings);
    for (const [name, mean] of kinds.get('mean') ?? [])
      optimizer.moments.set(name, { mean, square: kinds.get('square')!.get(name)! });
    const { step, marks, best, nll, predictions } = kept;
    return {
      ...{ step, marks: marks.map(markOf), nll, predictions, optimizer },
      values: kinds.get('value')!,
      best: best === null ? undefined : { mark: markOf(best), values: kinds.get('best')! },
    };
  } finally {
    await file.close();
  }
}

const markOf = (mark: KeptMark): Mark => ({ ...mark, loss: mark.loss ?? NaN });

function requireSame(
  kept: KeptState | undefined,
  wanted: TrainingIdentity,
  where: string,
): asserts kept is KeptState {
  if (kept?.identity.training !== wanted.training)
    throw new DataError({
      what: 'it is the state of another training',
      where,
      got: kept === undefined ? 'no state' : 'another model, data or settings',
      expected: 'the same as when it was interrupted, or another output',
    });
  const planOf = ({ plan }: TrainingIdentity): string =>
    plan === null ? 'no plan' : `plan ${plan}`;
  if (kept.identity.plan !== wanted.plan)
    throw new DataError({
      what: 'it is the state of a training under another plan',
      where,
      got: planOf(kept.identity),
      expected: `${planOf(wanted)}, or another output`,
    });
}
