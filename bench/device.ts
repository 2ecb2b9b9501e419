/**
 * A model as C (`qslm export --c`): sizes of the programs, memory, tokens/s beside this package's own, and where its
 * numbers agree with ours.
 *
 *     npm run bench:c [-- --model spikegpt-mini --bits 4 --quantizer best --steps 1000 --repeats 5 --no-arm]
 *
 * Needs gcc and clang; gcc-arm-linux-gnueabihf and qemu-user for the arm. Peak memory is VmHWM of the running
 * process, all of it, after 200 sampled tokens. Speeds are medians of runs in turns, of processor time.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Arithmetic } from '../src/backend/kernels/wasm-module.js';
import { startBackend } from '../src/backend/start.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { locateCheckpoint, openTokenizer } from '../src/experiment/open/model-file.js';
import { generate } from '../src/model/generate.js';
import type { LoadedModel } from '../src/model/loaded-model.js';
import { describeModel } from '../src/model/structure.js';
import { quantizerPlan, type QuantizerName } from '../src/quant/quantizers.js';
import { onWasm } from '../test/backend/support.js';
import {
  ARM,
  both,
  CLANG,
  compile,
  GCC,
  run,
  stepsOf,
  walkHere,
  type Step,
  type Toolchain,
} from '../test/model/device/support.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'spikegpt-mini' },
    bits: { type: 'string', default: '4' },
    quantizer: { type: 'string', default: 'best' },
    steps: { type: 'string', default: '1000' },
    repeats: { type: 'string', default: '5' },
    'no-arm': { type: 'boolean', default: false },
  },
});
const STEPS = Number(flags.steps);
const PROMPT = [5, 30, 71];
const SEED = 7;
/** Ids of the bundled tokenizer. */
const FORBIDDEN = [1, 2];

const say = (name: string, ...values: readonly string[]): void => {
  console.log(`${name.padEnd(34)} ${values.join('  ')}`);
};
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const count = (value: number): string => Math.round(value).toLocaleString('en');

/** A program without symbols, and its bytes. */
function stripped(program: string): number {
  spawnSync('strip', ['-o', `${program}.stripped`, program]);
  return statSync(`${program}.stripped`).size;
}

/** The tokens of a program, and tokens a second of its own clock. */
function generated(command: readonly string[], weights: string, more: readonly string[]) {
  const [program, ...before] = command;
  const argv = [weights, 'generate', '--stats', '--stop', '-1', '--length', String(STEPS), ...more];
  const { stdout, stderr } = spawnSync(program, [...before, ...argv, ...PROMPT.map(String)], {
    encoding: 'utf8',
  });
  const rate = Number(/([\d.]+) tokens\/s/.exec(stderr)![1]);
  return { tokens: stdout.trim().split('\n').map(Number), rate };
}

/** The largest resident memory of a program while it goes on with a text, in bytes. */
async function peakMemory([program]: readonly string[], weights: string): Promise<number> {
  const argv = [weights, 'generate', '--stop', '-1', '--length', '1000000', ...PROMPT.map(String)];
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  let lines = 0;
  for await (const chunk of child.stdout) {
    lines += String(chunk).split('\n').length - 1;
    if (lines >= 200) break;
  }
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}

/** Tokens of this package, never a forbidden one, and tokens a second of processor time, as C counts. */
async function ours(model: LoadedModel, temperature: number, topP: number, steps: number) {
  const tokens: number[] = [];
  const start = process.cpuUsage();
  const options = { length: steps, temperature, topP, seed: SEED, forbidden: FORBIDDEN };
  for await (const token of generate(model, Int32Array.from(PROMPT), options)) tokens.push(token);
  const { user, system } = process.cpuUsage(start);
  return { tokens, rate: (1e6 * steps) / (user + system) };
}

/** Agreement of two walks over the same tokens. */
function agreement(got: readonly Step[], expected: readonly Step[]): string[] {
  let [spikes, flips, worst, likeliest] = [0, 0, 0, 0];
  got.forEach((step, i) => {
    step.spikes.forEach((fired, layer) => {
      spikes += fired;
      flips += Math.abs(fired - expected[i].spikes[layer]);
    });
    let best = 0;
    expected[i].logits.forEach((value, at, all) => {
      worst = Math.max(worst, Math.abs(value - step.logits[at]));
      if (value > all[best]) best = at;
    });
    if (i + 1 === got.length || i + 1 < PROMPT.length || best === got[i + 1].token) likeliest++;
  });
  return [
    `${likeliest} of ${got.length} next tokens`,
    `spike counts differ by ${flips} of ${count(spikes)}`,
    `largest logit difference ${worst.toPrecision(3)}`,
  ];
}

async function main(folder: string): Promise<void> {
  const { path } = await locateCheckpoint(flags.model);
  const checkpoint = await openCheckpoint(path);
  const description = await describeModel(checkpoint, {});
  const { hierarchy, config } = description;
  const tokenizer = await openTokenizer(path, description, undefined);
  const { layers } = config as unknown as { readonly layers: number };
  const plan = quantizerPlan(flags.quantizer as QuantizerName, Number(flags.bits), hierarchy);
  await onWasm('separate')();
  const { model, exported } = await both(checkpoint, plan, folder, tokenizer);
  const { weights } = exported;
  say('machine', cpus()[0].model, `${cpus().length} cores`, `Node ${process.version}`);
  say('model', path, `${flags.quantizer}, ${flags.bits} bits`);
  say('weights file', `${count(exported.weightsBytes)} bytes`);
  say('of it by the plan', `${count(exported.footprintBytes)} bytes`);
  say('of it the vocabulary', `${count(exported.vocabularyBytes)} bytes`);
  say('arena', `${count(exported.arenaBytes)} bytes`);

  const STATIC: Toolchain = { ...GCC, flags: ['-static'] };
  const programs = new Map<string, readonly string[]>([
    ['gcc -O2', compile(folder, GCC, ['-O2'])],
    ['gcc -O3', compile(folder, GCC, ['-O3'])],
    ['clang -O2', compile(folder, CLANG, ['-O2'])],
    [
      'gcc -O3 -march=native, fused',
      compile(folder, GCC, ['-O3', '-march=native', '-DQSLM_FUSED']),
    ],
  ]);
  for (const [name, [program]] of programs)
    say(`program, ${name}`, `${count(stripped(program))} bytes, stripped`);
  const alone = compile(folder, STATIC, ['-O2', '-DQSLM_STATIC']);
  say('program, gcc -O2 -static', `${count(stripped(alone[0]))} bytes, stripped`);
  say(
    'peak memory, gcc -O2',
    `${count(await peakMemory(programs.get('gcc -O2')!, weights))} bytes`,
  );
  say('peak memory, gcc -O2 -static', `${count(await peakMemory(alone, weights))} bytes`);

  const sampled = ['--temperature', '0.8', '--top-p', '0.9', '--seed', String(SEED)];
  const rates = new Map<string, number[]>();
  const note = (name: string, rate: number): void => {
    rates.set(name, [...(rates.get(name) ?? []), rate]);
  };
  for (let repeat = 0; repeat < Number(flags.repeats); repeat++) {
    for (const [name, program] of programs) note(name, generated(program, weights, sampled).rate);
    await onWasm('separate')();
    note('wasm, separate', (await ours(model, 0.8, 0.9, 200)).rate);
    await onWasm('fused')();
    note('wasm, fused', (await ours(model, 0.8, 0.9, 200)).rate);
  }
  const base = median(rates.get('wasm, fused') ?? [NaN]);
  for (const [name, all] of rates)
    say(
      `tokens/s, ${name}`,
      `${count(median(all))} (${count(Math.min(...all))} to ${count(Math.max(...all))})`,
      `${(median(all) / base).toFixed(2)} × float32 on wasm, fused`,
    );

  const greedy = new Map<Arithmetic, readonly number[]>();
  const drawn = new Map<Arithmetic, readonly number[]>();
  for (const arithmetic of ['separate', 'fused'] as const) {
    await onWasm(arithmetic)();
    greedy.set(arithmetic, (await ours(model, 0, 1, STEPS)).tokens);
    drawn.set(arithmetic, (await ours(model, 0.8, 0.9, STEPS)).tokens);
  }
  const equal = (got: readonly number[], expected: readonly number[]): string => {
    const first = got.findIndex((token, i) => token !== expected[i]);
    return first < 0 ? `all ${got.length} tokens equal` : `token ${first} differs`;
  };
  const shown = new Map<string, readonly string[]>([
    ...programs,
    ...(flags['no-arm'] ? [] : [['arm, emulated', compile(folder, ARM, ['-O2'])] as const]),
  ]);
  for (const [name, program] of shown) {
    // Each beside the arithmetic that it has.
    const arithmetic = name.endsWith('fused') ? 'fused' : 'separate';
    const likeliest = generated(program, weights, ['--temperature', '0']).tokens;
    say(`greedy, ${name}`, equal(likeliest, greedy.get(arithmetic)!));
    say(
      `sampled, ${name}`,
      equal(generated(program, weights, sampled).tokens, drawn.get(arithmetic)!),
    );
  }

  const walk = (more: readonly string[]): Step[] => {
    const program = compile(folder, GCC, more, 'harness.c');
    const argv = ['walk', weights, String(STEPS), ...PROMPT.map(String)];
    return stepsOf(run(program, argv), layers, config.vocabSize);
  };
  await onWasm('separate')();
  const separate = walk(['-O2']);
  const tokens = separate.map(({ token }) => token);
  say('greedy against wasm, separate', ...agreement(separate, await walkHere(model, tokens)));
  await onWasm('fused')();
  say('greedy against wasm, fused', ...agreement(separate, await walkHere(model, tokens)));
  const fused = walk(['-O2', '-DQSLM_FUSED', '-mfma']);
  const fusedTokens = fused.map(({ token }) => token);
  say('fused against wasm, fused', ...agreement(fused, await walkHere(model, fusedTokens)));
  model.dispose();
  await startBackend('cpu');
  const cpu = await both(checkpoint, plan, folder);
  say('greedy against cpu', ...agreement(separate, await walkHere(cpu.model, tokens)));
  cpu.model.dispose();
  await checkpoint.close();
}

void (async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-device-'));
  try {
    await main(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
})();
