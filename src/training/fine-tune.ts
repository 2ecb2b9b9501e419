import type { Layout } from '../layout/layout.js';
import type { Loss } from '../model/family.js';
import type { LoadedModel } from '../model/loaded-model.js';
import { metricOf } from '../tasks/metrics/metrics.js';
import type { Task } from '../tasks/task.js';
import { ModelError, throwIfAborted, UsageError, withMemoryNamed } from '../util/errors.js';
import type { RunOptions } from '../util/progress.js';
import { seededRandom } from '../util/random.js';
import { AdamW, rateAt, type AdamWSettings } from './adamw.js';
import { sharesOf, type Share } from './shares.js';
import {
  LocalPlace,
  setParameters,
  type Lesson,
  type StepPlace,
  type Trained,
} from './step-place.js';

/** The training of a model, beside model and data. */
export interface FineTuneSettings extends AdamWSettings {
  /** Passes over the training data. */
  readonly epochs: number;
  /** Share of the stream that is dropped behind each block. */
  readonly dropout: number;
  /** Of the order of batches, and of dropout. */
  readonly seed: number;
  /** RWKV's L2Wrap: pull on the largest logit of each position; language modelling only. */
  readonly pull: number;
  /** Steps from one measurement on the search split to the next. */
  readonly measureEvery: number;
  /**
   * Parts of a batch whose gradients are taken by themselves and added up: as many threads can be at work, and the
   * result depends on this number, not on that of threads.
   */
  readonly shares: number;
}

/** A measurement on the search split. */
export interface Mark {
  readonly step: number;
  readonly metric: number;
  /** Mean NLL of the batches since the last one, in nats a label or token; NaN before the first step. */
  readonly loss: number;
}

/** A step that was taken. */
export interface StepLoss {
  readonly step: number;
  /** Of the whole training. */
  readonly steps: number;
  /** Mean NLL of its batch, in nats a label or token. */
  readonly loss: number;
}

/** Everything that goes on from a step to the next; with it, the same steps follow bit for bit. */
export interface TrainingState extends Trained {
  readonly values: Map<string, Float32Array>;
  /** Steps done. */
  step: number;
  /** Those of the best mark. */
  best: { readonly mark: Mark; readonly values: ReadonlyMap<string, Float32Array> } | undefined;
  readonly marks: Mark[];
  /** Sums since the last mark. */
  nll: number;
  predictions: number;
}

/** The state before the first step. */
export function startOfTraining(
  values: ReadonlyMap<string, Float32Array>,
  settings: FineTuneSettings,
): TrainingState {
  return {
    step: 0,
    values: new Map([...values].map(([name, array]) => [name, array.slice()])),
    optimizer: new AdamW(settings),
    best: undefined,
    marks: [],
    nll: 0,
    predictions: 0,
  };
}

/** With a lesson's plan the training begins with a mark of the model untrained. */
export interface FineTuneOptions extends RunOptions, Lesson {
  /** Called after each step: may keep the state, and ends the training early by returning false. */
  readonly afterStep?: (state: TrainingState) => Promise<boolean> | boolean;
  readonly onMark?: (mark: Mark) => void;
  readonly onStep?: (step: StepLoss) => void;
  /** Computes the steps; by default the model that is trained, in this thread. */
  readonly place?: StepPlace | undefined;
}

/**
 * Trains a model on a task from a state on, and ends with the values that did best on the search split in the
 * state's `best`, and in the model as they were measured: under a plan, rounded. Batches are the task's own, each
 * epoch in another order of the seed.
 *
 * @param state changed in place, a whole step at a time
 * @throws {UsageError} for a task that nothing can be trained for, or settings that make no sense.
 * @throws {ModelError} for a loss or a gradient that is not finite: the state is that of the step before.
 * @throws {AbortedError} {MemoryError} within a step: the state is that of the step before.
 */
export async function fineTune(
  model: LoadedModel,
  train: Task,
  search: Task,
  settings: FineTuneSettings,
  state: TrainingState,
  {
    onProgress,
    signal,
    afterStep,
    onMark,
    onStep,
    place: given,
    through,
    teacher,
  }: FineTuneOptions = {},
): Promise<TrainingState> {
  const { epochs, seed, measureEvery } = settings;
  requireSettings(settings, train);
  const perEpoch = train.batches.length;
  const steps = perEpoch * epochs;
  const { layout } = model.description;
  const place = given ?? new LocalPlace(model, state, decaysIn(layout), { through, teacher });
  const marking = { through, onMark, signal };
  // Under a plan the untrained model is what training has to do better than.
  const first = through === undefined ? 1 : 0;
  const isDue = (): boolean =>
    (state.step % measureEvery === 0 || state.step === steps) &&
    state.step >= first &&
    state.marks.at(-1)?.step !== state.step;
  // It may have been interrupted while it measured.
  if (isDue()) await mark(model, search, state, marking);
  for (let ended = false; state.step < steps && !ended;) {
    throwIfAborted(signal, 'training');
    const step = state.step + 1;
    const epoch = Math.floor(state.step / perEpoch);
    const index = orderOf(perEpoch, seed, epoch)[state.step % perEpoch];
    const { loss, predictions } = meanLoss(train.lossOf!(index), settings.pull);
    const dropout =
      settings.dropout > 0
        ? { rate: settings.dropout, seed: Math.imul(seed + 1, 0x85ebca6b) ^ step }
        : undefined;
    const shares = sharesOf(train.batches[index].inputs, loss, settings.shares, dropout);
    const { nll, length } = await place.gradient(shares, signal).catch((error: unknown) => {
      const { batch, time } = train.batches[index].inputs;
      const got = `${batch} sequences of ${time} tokens, in ${shares.length} shares`;
      throw withMemoryNamed(error, `training, step ${step}`, got, LESS_MEMORY);
    });
    const sum = summed(nll, shares);
    requireFiniteLoss(sum, step, 'loss');
    requireFiniteLoss(length, step, 'gradient');
    await place.update(state.optimizer.numbersOf(step, rateAt(step, steps, settings), length));
    state.step = step;
    state.nll += sum;
    state.predictions += predictions;
    const mean = sum / predictions;
    onStep?.({ step, steps, loss: mean });
    const note = `loss ${mean.toFixed(3)}`;
    onProgress?.({ phase: 'training', done: step, total: steps, unit: 'steps', note });
    if (isDue()) await mark(model, search, state, marking);
    ended = (await afterStep?.(state)) === false;
  }
  if (state.marks.at(-1)?.step !== state.step && state.step > 0)
    await mark(model, search, state, marking);
  if (state.best !== undefined) setParameters(model, state.best.values, { through });
  return state;
}

/** Ways on where memory is out. */
const LESS_MEMORY = 'fewer tokens a step (--batch-tokens), more --shares, or fewer --workers';

type Marking = {
  readonly [Name in 'onMark' | 'signal' | 'through']: FineTuneOptions[Name] | undefined;
};

/** Measures on the search split, and keeps the values where none were better. */
async function mark(
  model: LoadedModel,
  search: Task,
  state: TrainingState,
  { onMark, signal, through }: Marking,
): Promise<void> {
  setParameters(model, state.values, { through });
  const { value } = await search.evaluate(model, signal && { signal });
  const loss = state.predictions === 0 ? NaN : state.nll / state.predictions;
  const found: Mark = { step: state.step, metric: value, loss };
  const { goodness } = metricOf(search.metric);
  state.marks.push(found);
  [state.nll, state.predictions] = [0, 0];
  if (state.best === undefined || goodness(value) > goodness(state.best.mark.metric))
    state.best = {
      mark: found,
      values: new Map([...state.values].map(([name, array]) => [name, array.slice()])),
    };
  onMark?.(found);
}

/** The NLL of all predictions that count. */
function summed(nll: readonly Float32Array[], shares: readonly Share[]): number {
  let sum = 0;
  for (const [at, { loss }] of shares.entries())
    for (let i = 0; i < nll[at].length; i++) if (loss.weights[i] > 0) sum += nll[at][i];
  return sum;
}

/** Weight decay is for matrices. */
export function decaysIn({ parameters }: Pick<Layout, 'parameters'>): (name: string) => boolean {
  const vectors = new Set(
    parameters.filter(({ role }) => role === 'vector').map(({ name }) => name),
  );
  return (name) => !vectors.has(name);
}

/** The order of an epoch's batches: the seed's, another one each epoch. */
function orderOf(batches: number, seed: number, epoch: number): number[] {
  const order = Array.from({ length: batches }, (_, index) => index);
  return seededRandom(seed * 65_537 + epoch).shuffled(order);
}

/** A loss as the mean over its predictions. */
function meanLoss(loss: Loss, pull: number): { readonly loss: Loss; readonly predictions: number } {
  const predictions = loss.weights.reduce((sum, weight) => sum + weight, 0);
  const weights = loss.weights.map((weight) => weight / predictions);
  return {
    loss: loss.kind === 'tokens' ? { ...loss, weights, pull } : { ...loss, weights },
    predictions,
  };
}

function requireFiniteLoss(value: number, step: number, what: string): void {
  if (Number.isFinite(value)) return;
  throw new ModelError({
    what: `the ${what} is not finite`,
    where: `training, step ${step}`,
    got: String(value),
    expected: 'a smaller learning rate, or a longer warm-up; what was kept before is as it was',
  });
}

function requireSettings(settings: FineTuneSettings, train: Task): void {
  const refuse = (where: string, got: number, expected: string): void => {
    throw new UsageError({ what: 'not a usable number', where, got: String(got), expected });
  };
  if (train.lossOf === undefined)
    throw new UsageError({
      what: 'nothing can be trained for this task',
      where: `task ${train.name}`,
      expected: 'sst2 or wikitext2',
    });
  const { learningRate, dropout, epochs, measureEvery, shares } = settings;
  if (!(learningRate > 0 && learningRate < 1))
    refuse('learningRate', learningRate, 'above 0, below 1');
  if (!(dropout >= 0 && dropout < 1)) refuse('dropout', dropout, '0 or more, below 1');
  for (const [where, value] of Object.entries({ epochs, measureEvery, shares }))
    if (!(Number.isSafeInteger(value) && value > 0))
      refuse(where, value, 'a whole number, 1 or more');
}
