import { join } from 'node:path';
import {
  DEVICE_SOURCE,
  DEVICE_WEIGHTS,
  exportDevice,
} from '../../../experiment/open/export-device.js';
import { findTokenizer, openTokenizer } from '../../../experiment/open/model-file.js';
import type { ModelDescription } from '../../../model/structure.js';
import type { Plan } from '../../../quant/plan.js';
import type { Tokenizer } from '../../../tokenizer/tokenizer.js';
import { formatBytes, formatCount } from '../../../util/format.js';
import { formatFacts } from '../../format/table.js';
import type { Session } from '../../session.js';
import type { ExportFlags } from './source.js';

/** The files of `--c`. */
export function deviceFiles(folder: string): string[] {
  return [join(folder, DEVICE_WEIGHTS), join(folder, DEVICE_SOURCE)];
}

/** The model's own tokenizer, or the one named; a model without one has no text on its device. */
export async function ownTokenizer(
  model: string,
  description: ModelDescription,
  { tokenizer }: ExportFlags,
): Promise<Tokenizer | undefined> {
  if (tokenizer === undefined && (await findTokenizer(model)) === undefined) return undefined;
  return openTokenizer(model, description, tokenizer);
}

/** Writes the C text and its weights, and says what memory a device needs. */
export async function writeDevice(
  session: Session,
  files: Parameters<typeof exportDevice>[0],
  plan: Plan,
  folder: string,
): Promise<void> {
  const result = await exportDevice(files, plan, folder, session.run);
  const { source, weights, weightsBytes, footprintBytes, vocabularyBytes } = result;
  const parts = `${formatCount(footprintBytes)} by the plan, ${formatCount(vocabularyBytes)} of vocabulary`;
  const facts = formatFacts([
    ['written', source],
    ['weights', `${weights}, ${formatCount(weightsBytes)} bytes (${parts})`],
    ['plan', result.planId],
    ['arena', `${formatCount(result.arenaBytes)} bytes, fixed; nothing is allocated`],
    ['memory', `${formatBytes(weightsBytes + result.arenaBytes)} of weights and arena`],
    ['build', `cc -std=c99 -O2 -ffp-contract=off -o model ${source} -lm`],
  ]);
  await session.result(result, facts);
}
