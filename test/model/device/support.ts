import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keep, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { readFloat32 } from '../../../src/backend/read.js';
import type { Checkpoint } from '../../../src/checkpoint/types.js';
import { exportDevice, type DeviceExport } from '../../../src/experiment/open/export-device.js';
import { LoadedModel } from '../../../src/model/loaded-model.js';
import { describeModel } from '../../../src/model/structure.js';
import { simulatedMatrix } from '../../../src/quant/matrix-values.js';
import { resolvePlan, type Plan } from '../../../src/quant/plan.js';
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.js';
import { packagePath } from '../../../src/util/paths.js';

/** A compiler, and what runs its programs. */
export interface Toolchain {
  readonly compiler: string;
  /** Words before a program. */
  readonly runner: readonly string[];
  readonly flags: readonly string[];
}

export const GCC: Toolchain = { compiler: 'gcc', runner: [], flags: [] };
export const CLANG: Toolchain = { compiler: 'clang', runner: [], flags: [] };
/** Static, since qemu has no libraries of the other machine. */
export const ARM: Toolchain = {
  compiler: 'arm-linux-gnueabihf-gcc',
  runner: ['qemu-arm'],
  flags: ['-static'],
};

const STRICT = ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-ffp-contract=off'];
const HERE = packagePath('test', 'model', 'device');

/** The first of a toolchain's programs that is not here. */
function missingOf({ compiler, runner }: Toolchain): string | undefined {
  return [compiler, ...runner].find((tool) => spawnSync(tool, ['--version']).error !== undefined);
}

/** Like `it`, for tests that need compilers; says which program is missing where they cannot run. */
export function itCompiles(
  title: string,
  toolchains: readonly Toolchain[],
  test: (this: Mocha.Context) => Promise<void> | void,
): void {
  const missing = toolchains.flatMap((toolchain) => missingOf(toolchain) ?? []).at(0);
  if (missing === undefined) it(title, test);
  else
    it(`skipped: ${title} (no ${missing} here)`, function () {
      this.skip();
    });
}

/**
 * Compiles model.c of a folder, once, warnings being errors; with `part`, a file of this folder around it.
 *
 * @returns the words that run it
 */
export function compile(
  folder: string,
  { compiler, runner, flags }: Toolchain,
  more: readonly string[] = ['-O1'],
  part?: 'harness.c' | 'fuzz.c',
): readonly string[] {
  const program = join(
    folder,
    `${part ?? 'model'}-${compiler}${more.join('').replaceAll('/', '')}`,
  );
  if (existsSync(program)) return [...runner, program];
  const source = part === undefined ? join(folder, 'model.c') : join(HERE, part);
  const around =
    part === undefined ? [] : [`-I${folder}`, '-DQSLM_NO_MAIN', '-Wno-unused-function'];
  const argv = [...STRICT, ...around, ...flags, ...more, '-o', program, source, '-lm'];
  const { status, stderr } = spawnSync(compiler, argv, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return [...runner, program];
}

/** Runs a program; what it wrote. */
export function run(
  [program, ...before]: readonly string[],
  argv: readonly string[],
  input?: Uint8Array,
): Buffer {
  const options = { maxBuffer: 1 << 28, ...(input && { input }) };
  const { status, stdout, stderr } = spawnSync(program, [...before, ...argv], options);
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

/** One token of a walk. */
export interface Step {
  readonly token: number;
  /** By layer. */
  readonly spikes: readonly number[];
  readonly logits: Float32Array;
}

/** The records that the harness writes. */
export function stepsOf(bytes: Buffer, layers: number, logits: number): Step[] {
  const words = 1 + 2 * layers + logits;
  const { buffer, byteOffset, length } = Buffer.from(bytes);
  const all = buffer.slice(byteOffset, byteOffset + length);
  assert.equal(length % (4 * words), 0);
  return Array.from({ length: length / (4 * words) }, (_, step) => {
    const at = 4 * words * step;
    const [token, ...spikes] = new Uint32Array(all, at, 1 + 2 * layers);
    return { token, spikes, logits: new Float32Array(all, at + 4 * (1 + 2 * layers), logits) };
  });
}

/** A model under a plan: here, and as C in a folder. */
export interface Both {
  readonly model: LoadedModel;
  readonly exported: DeviceExport;
}

/** Opens a model under a plan on the running backend, and writes it as C. */
export async function both(
  checkpoint: Checkpoint,
  plan: Plan,
  folder: string,
  tokenizer?: Tokenizer,
): Promise<Both> {
  const description = await describeModel(checkpoint, {});
  const exported = await exportDevice(
    { ...description, checkpoint, ...(tokenizer && { tokenizer }) },
    plan,
    folder,
  );
  const model = await LoadedModel.load(checkpoint, {});
  for (const [name, scheme] of resolvePlan(plan, description.hierarchy))
    model.setParameter(name, await simulatedMatrix(checkpoint, name, scheme));
  return { model, exported };
}

/**
 * The same walk by the model here, all tokens at once: of each its spikes by layer and the logits after it; of a
 * classifier the logits after the last.
 */
export async function walkHere(model: LoadedModel, tokens: readonly number[]): Promise<Step[]> {
  const { network, config } = model;
  const { layers } = config as unknown as { readonly layers: number };
  const batch = { ids: Int32Array.from(tokens), batch: 1, time: tokens.length };
  const seen: Tensor[] = [];
  const embedded = network.embed(batch);
  const stream = network.runStages(embedded, 0, 2 * layers, batch, {
    onSpikes: (_layer, spikes) => {
      seen.push(keep(spikes.clone()));
    },
  });
  const fired = await Promise.all(seen.map(async (spikes) => (await readFloat32(spikes)).slice()));
  const classes = config.classes;
  const outputs = tidy(() =>
    classes > 0
      ? network.classLogits!(stream, Int32Array.of(tokens.length), 'real-tokens', tokens.length)
      : network.tokenLogits!(stream),
  );
  const logits = (await readFloat32(outputs)).slice();
  [embedded, stream, ...seen, outputs].forEach((tensor) => tensor.dispose());
  const width = logits.length / (classes > 0 ? 1 : tokens.length);
  return tokens.map((token, step) => ({
    token,
    spikes: fired.map((values) => {
      const channels = values.length / tokens.length;
      const own = values.subarray(step * channels, (step + 1) * channels);
      return own.reduce((sum, spike) => sum + spike, 0);
    }),
    logits: classes > 0 ? logits : logits.subarray(step * width, (step + 1) * width),
  }));
}

/** Bit for bit, but for the sign of zero: tokens, spikes, logits. */
export function assertSame(got: readonly Step[], expected: readonly Step[]): void {
  assert.equal(got.length, expected.length);
  got.forEach((step, index) => {
    const other = expected[index];
    assert.equal(step.token, other.token, `token ${index}`);
    assert.deepEqual(step.spikes, other.spikes, `spikes of token ${index}`);
    const differs = step.logits.findIndex((value, at) => value !== other.logits[at]);
    assert.equal(differs, -1, `logit ${differs} of token ${index}`);
  });
}
