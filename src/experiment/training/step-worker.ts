import { createRequire } from 'node:module';
import { startBackend } from '../../backend/start.js';
import type { StatedConfig } from '../../model/config.js';
import type { Teacher } from '../../model/family.js';
import { LoadedModel } from '../../model/loaded-model.js';
import { describeModel, openDescribed } from '../../model/structure.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import {
  sumOfSquares,
  updateParameter,
  type Moments,
  type StepNumbers,
} from '../../training/adamw.js';
import { withNewLayer, type NewLayer } from '../../training/classifier.js';
import type { Share } from '../../training/shares.js';
import { addTo, learningFrom, setParameters, type Lesson } from '../../training/step-place.js';
import { StraightThrough } from '../../training/straight-through.js';
import { toPlainError, type PlainError } from '../../util/errors.js';

/** The needs of a thread that computes steps; plain data, whose arrays are shared by all threads. */
export interface StepWorkerOptions {
  /** Path of the checkpoint that is trained, its family and settings, and a layer that it does not have. */
  readonly checkpoint: string;
  readonly stated: StatedConfig;
  readonly newLayer: NewLayer | undefined;
  readonly backend: string;
  /** Every thread has to compute like this. */
  readonly identity: string;
  /** Paths of CommonJS modules that register model families of others. */
  readonly families: readonly string[];
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly moments: ReadonlyMap<string, Moments>;
  /** Room for the gradient of each share, by parameter. */
  readonly gradients: readonly ReadonlyMap<string, Float32Array>[];
  /** Parameters that weight decay is for. */
  readonly decayed: ReadonlySet<string>;
  /** The plan that values are seen under. */
  readonly plan: ResolvedPlan | undefined;
  /** The part of the checkpoint's own outputs in the loss. */
  readonly distill: Omit<Teacher, 'network'> | undefined;
}

export type StepRequest =
  | { readonly kind: 'open'; readonly options: StepWorkerOptions }
  /** The gradients of shares, each into its room, after parameters have taken their new values. */
  | {
      readonly kind: 'gradient';
      readonly changed: readonly string[];
      readonly shares: readonly (readonly [room: number, share: Share])[];
    }
  /** The gradients of some parameters, over so many shares, added up in the room of the first. */
  | { readonly kind: 'sum'; readonly names: readonly string[]; readonly shares: number }
  | { readonly kind: 'update'; readonly names: readonly string[]; readonly numbers: StepNumbers };

/** An answer; what it has depends on the request. */
export interface StepReply {
  /** Of each share. */
  readonly nll?: readonly Float32Array[];
  /** The parameters that have a gradient. */
  readonly names?: readonly string[];
  /** Of each parameter the sum of squares of its gradient. */
  readonly squares?: readonly number[];
}

export type StepAnswer =
  | { readonly kind: 'done'; readonly reply: StepReply }
  | { readonly kind: 'failed'; readonly error: PlainError };

interface Opened {
  readonly options: StepWorkerOptions;
  readonly model: LoadedModel;
  readonly lesson: Lesson;
}

/** One model a thread. */
let opened: Opened | undefined;

async function open(options: StepWorkerOptions): Promise<Opened> {
  for (const module of options.families) createRequire(__filename)(module);
  await startBackend(options.backend, options.identity);
  const { checkpoint, description } = await openDescribed(options.checkpoint, options.stated);
  try {
    const { newLayer, plan, distill } = options;
    const whole = newLayer === undefined ? checkpoint : withNewLayer(checkpoint, newLayer);
    const described =
      newLayer === undefined ? description : await describeModel(whole, options.stated);
    const load = (): Promise<LoadedModel> => LoadedModel.load(whole, { description: described });
    const lesson = {
      through: plan && new StraightThrough(plan, described.layout),
      teacher: distill && { ...distill, network: (await load()).network },
    };
    return { options, model: await load(), lesson };
  } finally {
    await checkpoint.close();
  }
}

async function gradient(
  { model, lesson, options: { values, gradients } }: Opened,
  { changed, shares }: Extract<StepRequest, { kind: 'gradient' }>,
): Promise<StepReply> {
  setParameters(model, values, lesson, changed);
  const learning = learningFrom(values, lesson);
  const nll: Float32Array[] = [];
  let names: readonly string[] = [];
  for (const [room, { tokens, loss, dropout }] of shares) {
    const found = await model.gradient(tokens, loss, { ...learning, dropout });
    nll.push(found.nll);
    names = [...found.gradients.keys()];
    for (const [name, array] of found.gradients) gradients[room].get(name)!.set(array);
  }
  return { nll, names };
}

async function answer(request: StepRequest): Promise<StepReply> {
  if (request.kind === 'open') {
    opened = await open(request.options);
    return {};
  }
  if (opened === undefined) throw new Error('the worker was asked before it was opened');
  const { gradients, values, moments, decayed } = opened.options;
  if (request.kind === 'gradient') return gradient(opened, request);
  const sums = gradients[0];
  if (request.kind === 'sum') {
    for (const name of request.names)
      for (const more of gradients.slice(1, request.shares))
        addTo(sums.get(name)!, more.get(name)!);
    return { squares: request.names.map((name) => sumOfSquares(sums.get(name)!)) };
  }
  for (const name of request.names) {
    const own = moments.get(name)!;
    const decays = decayed.has(name);
    updateParameter(values.get(name)!, sums.get(name)!, own, request.numbers, decays);
  }
  return {};
}

/** Entry point of a worker thread, called for one request at a time. */
export default async function handle(request: StepRequest): Promise<StepAnswer> {
  try {
    return { kind: 'done', reply: await answer(request) };
  } catch (error) {
    return { kind: 'failed', error: toPlainError(error) };
  }
}
