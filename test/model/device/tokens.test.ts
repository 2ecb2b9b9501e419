import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { wasmArithmetic } from '../../../src/backend/kernels/wasm-module.js';
import { calibrate } from '../../../src/experiment/calibrate/calibrate.js';
import { calibrationSample } from '../../../src/experiment/calibrate/sample.js';
import { generate } from '../../../src/model/generate.js';
import type { LoadedModel } from '../../../src/model/loaded-model.js';
import { describeModel } from '../../../src/model/structure.js';
import { withCodes } from '../../../src/quant/matrix-values.js';
import type { Plan } from '../../../src/quant/plan.js';
import { quantizerPlan, QUANTIZERS } from '../../../src/quant/quantizers.js';
import { PER_CHANNEL, perGroup } from '../../../src/quant/scheme/granularity.js';
import { createScheme, paperMinMax, UNQUANTIZED } from '../../../src/quant/scheme/scheme.js';
import { onWasm } from '../../backend/support.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { toyText } from '../../experiment/study-support.js';
import { openBundled, toyCheckpoint } from '../../support/toy.js';
import {
  ARM,
  assertSame,
  both,
  CLANG,
  compile,
  GCC,
  itCompiles,
  run,
  stepsOf,
  walkHere,
  type Step,
  type Toolchain,
} from './support.js';

const PROMPT = [5, 30, 71];
const GREEDY_STEPS = 1000;

/** All widths and every way of sharing scales. */
const MIXED: Plan = new Map([
  ['*', createScheme({ bits: 4, granularity: PER_CHANNEL, range: { kind: 'mse' } })],
  ['input', createScheme({ bits: 5, granularity: perGroup(7) })],
  ['attention.0/SRFFN/key', createScheme({ bits: 2, granularity: perGroup(3) })],
  ['attention.0/SRFFN/value', createScheme({ bits: 3, granularity: PER_CHANNEL })],
  ['attention.0/SRFFN/receptance', paperMinMax(5)],
  ['attention.1/SRWKV/key', createScheme({ bits: 6, method: 'symmetric' })],
  [
    'attention.1/SRWKV/value',
    createScheme({ bits: 8, method: 'symmetric', granularity: PER_CHANNEL }),
  ],
  ['attention.1/SRWKV/receptance', UNQUANTIZED],
  [
    'attention.1/SRWKV/output',
    createScheme({ bits: 7, method: 'symmetric', granularity: perGroup(5) }),
  ],
  ['attention.1/SRFFN/key', createScheme({ bits: 12, granularity: perGroup(64) })],
  ['attention.1/SRFFN/value', createScheme({ bits: 16, granularity: PER_CHANNEL })],
  ['attention.1/SRFFN/receptance', createScheme({ bits: 1 })],
  ['output', createScheme({ bits: 9 })],
]);

/** Widths that fill no tile, and columns that fill no octet. */
const TOY = { vocabSize: 77, width: 76, hiddenWidth: 300, layers: 2, classes: 0 } as const;

/** A walk of some likeliest tokens by a compiled model. */
function walk(
  folder: string,
  toolchain: Toolchain,
  steps: number,
  { layers, logits }: { readonly layers: number; readonly logits: number },
  flags?: readonly string[],
): Step[] {
  const program = compile(folder, toolchain, flags, 'harness.c');
  const argv = ['walk', `${folder}/model.bin`, String(steps), ...PROMPT.map(String)];
  return stepsOf(run(program, argv), layers, logits);
}

const tokensOf = (steps: readonly Step[]): number[] => steps.map(({ token }) => token);

describe('device: C computes as the wasm kernels do', () => {
  const at = temporaryFolder();
  before(onWasm('separate'));
  after(onWasm(wasmArithmetic()));

  describe('spikegpt-mini at 4 bits', () => {
    let model: LoadedModel;
    const layers = 6;
    const logits = 4096;
    before(async () => {
      const checkpoint = await openBundled('spikegpt-mini');
      const plan = new Map([['*', createScheme({ bits: 4, granularity: PER_CHANNEL })]]);
      ({ model } = await both(checkpoint, plan, at('mini')));
      await checkpoint.close();
    });
    after(() => model.dispose());

    itCompiles(
      `${GREEDY_STEPS} greedy steps: tokens, spikes and logits to the last bit`,
      [GCC],
      async () => {
        const steps = walk(at('mini'), GCC, GREEDY_STEPS, { layers, logits }, ['-O2']);
        assertSame(steps, await walkHere(model, tokensOf(steps)));
        assert.ok(steps.some(({ spikes }) => spikes.some((count) => count > 0)));
        assert.ok(new Set(tokensOf(steps)).size > 10);
      },
    );

    itCompiles('sampled tokens are those of generate', [CLANG], async () => {
      const program = compile(at('mini'), CLANG);
      const expected: number[] = [];
      const options = { length: 100, temperature: 0.8, topP: 0.9, seed: 4_000_000_007 };
      for await (const token of generate(model, Int32Array.from(PROMPT), options))
        expected.push(token);
      const flags = ['--length', '100', '--temperature', '0.8', '--top-p', '0.9'];
      const argv = [`${at('mini')}/model.bin`, 'generate', ...flags, '--seed', '4000000007'];
      const printed = run(program, [...argv, ...PROMPT.map(String)]);
      assert.deepEqual(printed.toString().trim().split('\n').map(Number), expected);
    });

    itCompiles('the same on an arm, as far as an emulator gets', [GCC, ARM], () => {
      const sizes = { layers, logits };
      assertSame(walk(at('mini'), ARM, 6, sizes), walk(at('mini'), GCC, 6, sizes, ['-O2']));
    });

    if (wasmArithmetic() === 'fused' && process.arch === 'x64')
      itCompiles('with fused multiply–adds, as relaxed SIMD', [GCC], async () => {
        const flags = ['-O2', '-DQSLM_FUSED', '-mfma'];
        const fused = walk(at('mini'), GCC, 100, { layers, logits }, flags);
        const separate = await walkHere(model, tokensOf(fused));
        assert.notDeepEqual(fused[0].logits, separate[0].logits);
        await onWasm('fused')();
        try {
          assertSame(fused, await walkHere(model, tokensOf(fused)));
        } finally {
          await onWasm('separate')();
        }
      });
  });

  const spikes = { title: 'a spike embedding', embedding: 'spike', ffnPre: false } as const;
  const dense = {
    title: 'a dense one, ffnPre in block 0',
    embedding: 'dense',
    ffnPre: true,
  } as const;
  for (const { others, title, ...variant } of [
    { ...spikes, others: [CLANG, ARM] },
    { ...dense, others: [] },
  ])
    itCompiles(`every width and granularity, ${title}`, [GCC, ...others], async () => {
      const folder = at(variant.embedding);
      const { model } = await both(toyCheckpoint({ ...TOY, ...variant }, 5), MIXED, folder);
      const sizes = { layers: TOY.layers, logits: TOY.vocabSize };
      const steps = walk(folder, GCC, 200, sizes);
      assertSame(steps, await walkHere(model, tokensOf(steps)));
      model.dispose();
      for (const toolchain of others) assertSame(walk(folder, toolchain, 200, sizes), steps);
    });

  itCompiles('integers that a calibration sample decided on', [GCC], async () => {
    const file = toyCheckpoint(TOY, 7);
    const description = await describeModel(file, {});
    const plan = quantizerPlan('gptq', 3, description.hierarchy);
    const sample = calibrationSample(toyText(16 * 12, 9), 128);
    const found = await calibrate({ ...description, checkpoint: file }, sample, QUANTIZERS.gptq(3));
    const checkpoint = withCodes(file, {
      id: 'toy',
      of: (name) => Promise.resolve(found.get(name)!),
      prepare: () => Promise.resolve(),
    });
    const { model } = await both(checkpoint, plan, at('calibrated'));
    const steps = walk(at('calibrated'), GCC, 100, { layers: 2, logits: TOY.vocabSize });
    assertSame(steps, await walkHere(model, tokensOf(steps)));
    model.dispose();
    // Others than rounding to nearest gives, which a plan that has lost them would be.
    const nearest = await both(
      file,
      quantizerPlan('best', 3, description.hierarchy),
      at('nearest'),
    );
    nearest.model.dispose();
    const [calibrated, rounded] = await Promise.all(
      ['calibrated', 'nearest'].map((folder) => readFile(`${at(folder)}/model.bin`)),
    );
    assert.equal(calibrated.length, rounded.length);
    assert.notDeepEqual(calibrated, rounded);
  });

  itCompiles('classes of a classifier', [GCC], async () => {
    const checkpoint = toyCheckpoint({ ...TOY, classes: 3, head: true }, 6);
    const plan: Plan = new Map([['*', createScheme({ bits: 4, granularity: PER_CHANNEL })]]);
    const { model } = await both(checkpoint, plan, at('classes'));
    const steps = walk(at('classes'), GCC, 0, { layers: 2, logits: 3 });
    const last = (await walkHere(model, tokensOf(steps))).at(-1)!;
    assertSame(steps.slice(-1), [last]);
    model.dispose();
    const program = compile(at('classes'), GCC);
    const ids = PROMPT.join(' ');
    const argv = [`${at('classes')}/model.bin`, 'classify'];
    const [best, ...said] = run(program, argv, Buffer.from(ids)).toString().trim().split(' ');
    assert.deepEqual(Float32Array.from(said, Number), last.logits.slice());
    assert.equal(Number(best), last.logits.indexOf(Math.max(...last.logits)));
  });
});
