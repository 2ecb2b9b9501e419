import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DeviceForm } from '../../quant/device/form.js';
import { packageVersion } from '../../util/version.js';

/*
 * One C99 file of parts that are real C: numbers, the weights file and products of quant/device/c, the family's own
 * between them, and opening, sampling and the command line of c/. Each sees what comes before it.
 */
const PRODUCTS = join(__dirname, '..', '..', 'quant', 'device', 'c');
const OWN = join(__dirname, 'c');
const BEFORE = ['numbers.c', 'weights.c', 'product.c'].map((name) => join(PRODUCTS, name));
const AFTER = ['open.c', 'sample.c', 'main.c'].map((name) => join(OWN, name));

/** Of `struct tensor`. */
const TENSOR_BYTES = 32;

const INCLUDES = ['float', 'math', 'stdint', 'stdio', 'stdlib', 'string', 'time'];

/** Facts of one export that its C text states, beside the form of the model. */
export interface SourceFacts {
  /** The checkpoint, and the plan, for its head. */
  readonly title: string;
  readonly weightsBytes: number;
  /** Ends a text; undefined for none. */
  readonly stopToken: number | undefined;
  /** Never drawn. */
  readonly forbidden: readonly number[];
}

/** Bytes of the arena: all that a device computes in, beside the weights. */
export function arenaBytes({ vocabSize, classes, tensors, networkBytes }: DeviceForm): number {
  const fixed = TENSOR_BYTES * tensors.length + networkBytes;
  if (classes > 0) return 4 * classes + fixed;
  // Of each token its weight in float64, its logit, and its number in an order; what follows is aligned to 4, and
  // all to 8.
  const order = Math.ceil((vocabSize * (vocabSize <= 65_536 ? 2 : 4)) / 4) * 4;
  return Math.ceil((12 * vocabSize + order + fixed) / 8) * 8;
}

/** The C text of a model. */
export async function deviceSource(form: DeviceForm, facts: SourceFacts): Promise<string> {
  const { title, weightsBytes, stopToken = -1, forbidden } = facts;
  const parts = await Promise.all(
    [...BEFORE, ...form.sources, ...AFTER].map(
      async (path) => `/* == ${basename(path)} == */\n\n${await readFile(path, 'utf8')}`,
    ),
  );
  const constants = [...form.constants];
  const define = (name: string, value: number | string): string => `#define ${name} ${value}`;
  // A list may not be empty; this id is no token's.
  const never = forbidden.length > 0 ? forbidden : [`${form.vocabSize}`];
  return [
    `/* ${title.replaceAll('*/', '* /')}`,
    ` * Written by qslm ${packageVersion()}. C99, no allocation; needs the weights file beside it. To build it:`,
    ' *',
    ' *   cc -std=c99 -O2 -ffp-contract=off -o model model.c -lm',
    ' */',
    '',
    ...constants.map(([name, value]) => define(name, value)),
    define('QSLM_CONSTANTS', constants.map(([name]) => name).join(', ')),
    define('QSLM_TENSORS', form.tensors.length),
    define('QSLM_ARENA_BYTES', `${arenaBytes(form)}ul`),
    '#ifndef QSLM_WEIGHTS_BYTES',
    define('QSLM_WEIGHTS_BYTES', `${weightsBytes}ul`),
    '#endif',
    define('QSLM_STOP', stopToken),
    define('QSLM_FORBIDDEN', never.join(', ')),
    '',
    ...INCLUDES.map((name) => `#include <${name}.h>`),
    '',
    ...parts,
  ].join('\n');
}
