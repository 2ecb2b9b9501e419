import { join } from 'node:path';
import { arenaBytes, deviceSource } from '../../model/device/source.js';
import type { ModelDescription } from '../../model/structure.js';
import type { DeviceForm, DeviceTensor } from '../../quant/device/form.js';
import {
  encodeWeights,
  storedIntegers,
  storedValues,
  type StoredTensor,
} from '../../quant/device/weights-file.js';
import { footprintOf } from '../../quant/footprint.js';
import { quantizedMatrix, simulatedMatrix, type WeightSource } from '../../quant/matrix-values.js';
import { planId, resolvePlan, type Plan, type ResolvedPlan } from '../../quant/plan.js';
import { UNQUANTIZED, UNQUANTIZED_BITS } from '../../quant/scheme/scheme.js';
import { END_OF_TEXT, NEVER_DRAWN } from '../../tokenizer/special-tokens.js';
import { vocabularyBytes } from '../../tokenizer/token-bytes.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { ModelError, throwIfAborted } from '../../util/errors.js';
import { saveFile, writeTogether } from '../../util/files.js';
import { yieldToEvents, type RunOptions } from '../../util/progress.js';

/** The C text. */
export const DEVICE_SOURCE = 'model.c';
/** Its weights. */
export const DEVICE_WEIGHTS = 'model.bin';

/** The files that {@link exportDevice} wrote. */
export interface DeviceExport {
  readonly source: string;
  readonly weights: string;
  readonly weightsBytes: number;
  /** All memory that the C text takes beside the weights, its stack apart. */
  readonly arenaBytes: number;
  /** Bytes of the plan's footprint; the weights file has a header, a vocabulary and padding beside them. */
  readonly footprintBytes: number;
  /** Bytes of the vocabulary's text. */
  readonly vocabularyBytes: number;
  readonly planId: string;
}

/** The longest token whose text a weights file can hold: its length is a byte. */
const LONGEST_TOKEN_BYTES = 255;

/**
 * Writes a model under a plan as C: `model.c`, one C99 file that allocates nothing, and
 * `model.bin` with its packed matrices. Both or neither. A spike embedding is held by its signs, one bit a
 * value, whatever its width in the plan.
 *
 * @param file a model's files; with a tokenizer, tokens have their text on the device too
 * @param folder for both files
 * @throws {ModelError} for a family without a C form, or a model without a head. {QuantError} for a plan of another
 *   model. {CheckpointError} {TokenizerError} {OutputError} {AbortedError} from reading and writing.
 */
export async function exportDevice(
  file: ModelDescription & {
    readonly checkpoint: WeightSource & { readonly path: string };
    readonly tokenizer?: Tokenizer;
  },
  plan: Plan,
  folder: string,
  run: RunOptions = {},
): Promise<DeviceExport> {
  const { checkpoint, hierarchy, tokenizer } = file;
  const form = deviceForm(file, checkpoint.path);
  const resolved = resolvePlan(plan, hierarchy);
  const tensors: StoredTensor[] = [];
  for (const tensor of form.tensors) {
    tensors.push(await stored(checkpoint, tensor, resolved));
    const [done, total] = [tensors.length, form.tensors.length];
    run.onProgress?.({ phase: 'quantize', done, total, unit: 'tensors', note: tensor.name });
    await yieldToEvents();
    throwIfAborted(run.signal, folder);
  }
  // A classifier writes no tokens.
  const texts = form.classes > 0 ? [] : await textsOf(tokenizer, form.vocabSize);
  const bytes = encodeWeights([...form.constants.values()], tensors, texts);
  const id = planId(resolved);
  const text = await deviceSource(form, {
    title: `${file.family.title} under plan ${id}.`,
    weightsBytes: bytes.length,
    stopToken: tokenizer?.idOf(END_OF_TEXT),
    forbidden: NEVER_DRAWN.flatMap((token) => tokenizer?.idOf(token) ?? []),
  });
  const [weights, source] = [join(folder, DEVICE_WEIGHTS), join(folder, DEVICE_SOURCE)];
  await writeTogether([weights, source], async (placeOf) => {
    await saveFile(placeOf(weights), bytes);
    await saveFile(placeOf(source), text);
  });
  return {
    source,
    weights,
    weightsBytes: bytes.length,
    arenaBytes: arenaBytes(form),
    footprintBytes: footprintOf(hierarchy, resolved).total,
    vocabularyBytes: texts.reduce((sum, { length }) => sum + length, texts.length),
    planId: id,
  };
}

function deviceForm({ family, config }: ModelDescription, where: string): DeviceForm {
  const refuse = (what: string, got: string, expected: string): never => {
    throw new ModelError({ what, where, got, expected });
  };
  if (family.device === undefined)
    return refuse('the model has no C form', family.title, 'a SpikeGPT');
  if (!config.head && config.classes === 0)
    return refuse('the model has nothing to say', 'no head', 'a head, or a classifier');
  return family.device(config);
}

/** A parameter as the device holds it. */
async function stored(
  checkpoint: WeightSource,
  { name, use }: DeviceTensor,
  plan: ResolvedPlan,
): Promise<StoredTensor> {
  const { shape } = checkpoint.tensors.get(name)!;
  const scheme = plan.get(name) ?? UNQUANTIZED;
  if (scheme.bits === UNQUANTIZED_BITS || use === 'vector')
    return storedValues(await checkpoint.readFloat32(name), shape, use);
  if (use === 'signs')
    return storedValues(await simulatedMatrix(checkpoint, name, scheme), shape, use);
  return storedIntegers(await quantizedMatrix(checkpoint, name, scheme), use);
}

/** The text of each token, a row of the embedding each; none where it cannot be told. */
async function textsOf(tokenizer: Tokenizer | undefined, rows: number): Promise<Uint8Array[]> {
  const texts = tokenizer && (await vocabularyBytes(tokenizer.path));
  if (texts === undefined || texts.some(({ length }) => length > LONGEST_TOKEN_BYTES)) return [];
  return Array.from({ length: rows }, (_, id) => texts.at(id) ?? new Uint8Array(0));
}
