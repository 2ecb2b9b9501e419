/**
 * Packed execution on wasm beside the same values in float32: resident memory of a process less that of an idle one,
 * against the prediction; tokens a second of processor time, decoding and prefilling, in turns within one process;
 * likelihoods that differ, and spikes. By the clock a busy machine would decide.
 *
 *     npm run bench:packed [-- --models mini,216m --bits 4 --rounds 5 --decode 24]
 *
 * The 216M's shape is made with random weights, once, by the developers' shared folder and a Python with torch, which
 * QSLM_PYTHON names. Writes out/bench/packed.json.
 */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import type { Tensor } from '@tensorflow/tfjs-core';
import { memoryUse } from '../src/backend/memory.js';
import { startBackend } from '../src/backend/start.js';
import { locateCheckpoint } from '../src/experiment/open/model-file.js';
import { generate } from '../src/model/generate.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import { openDescribed } from '../src/model/structure.js';
import { footprintOf } from '../src/quant/footprint.js';
import { exportPlan } from '../src/quant/packed/export.js';
import { isPackedCheckpoint } from '../src/quant/packed/read.js';
import { resolvePlan } from '../src/quant/plan.js';
import { quantizerPlan, type QuantizerName } from '../src/quant/quantizers.js';
import { packagePath } from '../src/util/paths.js';
import { sharedPath } from '../test/support/shared.js';
import { median, runReference } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    models: { type: 'string', default: 'mini,216m' },
    bits: { type: 'string', default: '4' },
    quantizer: { type: 'string', default: 'min-max' },
    rounds: { type: 'string', default: '5' },
    decode: { type: 'string', default: '24' },
    prefill: { type: 'string', default: '256' },
    role: { type: 'string' },
    file: { type: 'string' },
  },
});
const RESULTS = packagePath('out', 'bench', 'packed.json');
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Process memory in bytes. */
interface Resident {
  readonly loaded: number;
  readonly used: number;
  readonly peak: number;
}

/** Of one round, tokens a second of processor time. */
interface Speeds {
  readonly decode: number;
  readonly prefill: number;
}

interface Compared {
  readonly rounds: readonly { readonly packed: Speeds; readonly float32: Speeds }[];
  readonly likelihoods: number;
  readonly differing: number;
  readonly spikes: number;
  readonly flips: number;
}

async function loaded(file: string, packed: boolean): Promise<LoadedModel> {
  const { checkpoint, description } = await openDescribed(file);
  try {
    return await LoadedModel.load(checkpoint, { description }, { packed });
  } finally {
    await checkpoint.close();
  }
}

/** Seconds of processor time since the process began. */
const seconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const idsOf = (count: number, vocab: number): Int32Array =>
  Int32Array.from({ length: count }, (_, at) => 3 + ((7919 * at) % (vocab - 3)));

async function decodeSpeed(model: LoadedModel, length: number): Promise<number> {
  const prompt = idsOf(1, model.vocabSize);
  let started = 0;
  let count = 0;
  for await (const token of generate(model, prompt, { length: length + 1, temperature: 0 })) {
    // The first token pays for what the ones after it have.
    if (count++ === 0) started = seconds();
    else if (token < 0) break;
  }
  return (count - 1) / (seconds() - started);
}

async function prefillSpeed(model: LoadedModel, time: number): Promise<number> {
  const ids = idsOf(time, model.vocabSize);
  const started = seconds();
  await model.tokenNll({ ids, batch: 1, time }, ids);
  return time / (seconds() - started);
}

async function speedsOf(model: LoadedModel): Promise<Speeds> {
  return {
    decode: await decodeSpeed(model, Number(flags.decode)),
    prefill: await prefillSpeed(model, Number(flags.prefill)),
  };
}

/** Every spike of a sequence, layer by layer. */
function spikesOf({ network, description }: LoadedModel, ids: Int32Array): Float32Array[] {
  const found: Float32Array[] = [];
  const onSpikes = (_: number, spikes: Tensor): void => {
    found.push(spikes.dataSync<'float32'>().slice());
  };
  const tokens = { ids, batch: 1, time: ids.length };
  const stream = network.embed(tokens, { onSpikes });
  const stages = description.layout.stages.length;
  const end = network.runStages(stream, 0, stages, tokens, { onSpikes });
  stream.dispose();
  end.dispose();
  return found;
}

function differing(a: Float32Array, b: Float32Array): number {
  return a.reduce((count, value, at) => count + Number(value !== b[at]), 0);
}

async function compare(file: string): Promise<Compared> {
  await startBackend('wasm');
  const [packed, float32] = [await loaded(file, true), await loaded(file, false)];
  const ids = idsOf(Number(flags.prefill), packed.vocabSize);
  const tokens = { ids, batch: 1, time: ids.length };
  const [own, simulated] = [packed, float32].map((model) => spikesOf(model, ids));
  const likelihoods = differing(
    await packed.tokenNll(tokens, ids),
    await float32.tokenNll(tokens, ids),
  );
  const rounds: { packed: Speeds; float32: Speeds }[] = [];
  await speedsOf(packed);
  await speedsOf(float32);
  for (let round = 0; round < Number(flags.rounds); round++)
    rounds.push({ packed: await speedsOf(packed), float32: await speedsOf(float32) });
  return {
    rounds,
    likelihoods: ids.length,
    differing: likelihoods,
    spikes: own.reduce((sum, layer) => sum + layer.length, 0),
    flips: own.reduce((sum, layer, at) => sum + differing(layer, simulated[at]), 0),
  };
}

/** Memory of this process, with a model or idle: as it is, no garbage collection asked for. */
async function residentWith(file: string | undefined): Promise<Resident> {
  await startBackend('wasm');
  const model = file === undefined ? undefined : await loaded(file, true);
  const { resident } = memoryUse();
  if (model !== undefined) {
    await decodeSpeed(model, 16);
    await prefillSpeed(model, 64);
  }
  const { resident: used, peak } = memoryUse();
  return { loaded: resident, used, peak };
}

/** Runs a role of this script in a process of its own. */
function inProcess<T>(role: string, file?: string): Promise<T> {
  const own = file === undefined ? [] : ['--file', file];
  const child = fork(__filename, [...process.argv.slice(2), '--role', role, ...own]);
  return new Promise((resolve, reject) => {
    child.once('message', (message) => {
      resolve(message as T);
    });
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`${role} ended with code ${code}`));
    });
  });
}

async function largeModel(): Promise<string | undefined> {
  const path = packagePath('out', 'bench', 'shape-216m.pth');
  if (existsSync(path)) return path;
  const maker = sharedPath('tools/make_checkpoint.py');
  if (maker === undefined) return undefined;
  await mkdir(dirname(path), { recursive: true });
  await runReference(maker, undefined, [path]);
  return path;
}

/** The packed file of a model, exported once. */
async function packedFile(model: string, name: string, bits: number): Promise<string> {
  const path = packagePath('out', 'bench', `packed-${name}-${flags.quantizer}-${bits}.safetensors`);
  if (existsSync(path)) return path;
  const { checkpoint, description } = await openDescribed(model);
  const { hierarchy } = description;
  const plan = quantizerPlan(flags.quantizer as QuantizerName, bits, hierarchy);
  await exportPlan(checkpoint, hierarchy, resolvePlan(plan, hierarchy), path);
  await checkpoint.close();
  return path;
}

async function predictedBytes(file: string): Promise<number> {
  const { checkpoint, description } = await openDescribed(file);
  await checkpoint.close();
  if (!isPackedCheckpoint(checkpoint)) throw new Error(`${file} is not packed`);
  return footprintOf(description.hierarchy, checkpoint.resolvedPlan).total;
}

function speedText(title: string, rounds: Compared['rounds'], of: keyof Speeds): string {
  const [packed, float32] = [
    rounds.map((one) => one.packed[of]),
    rounds.map((one) => one.float32[of]),
  ];
  const ratios = packed.map((speed, round) => speed / float32[round]);
  const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  return `  ${title.padEnd(8)} ${median(packed).toFixed(1)} tokens/s packed, ${median(float32).toFixed(1)} in float32: ${median(ratios).toFixed(2)} times (${spread})`;
}

async function measure(name: string, model: string, bits: number): Promise<object> {
  const file = await packedFile(model, name, bits);
  const predicted = await predictedBytes(file);
  const idle = await inProcess<Resident>('idle');
  const packed = await inProcess<Resident>('resident', file);
  const compared = await inProcess<Compared>('compare', file);
  const aim = 1.15 * predicted + 30e6;
  const { size } = await stat(file);
  console.log(`\n${name}, ${bits} bits (${flags.quantizer}): file ${megabytes(size)}`);
  console.log(`  predicted ${megabytes(predicted)}, aim ${megabytes(aim)} above an idle process`);
  for (const [title, at] of [
    ['loaded', 'loaded'],
    ['after use', 'used'],
    ['peak', 'peak'],
  ] as const)
    console.log(
      `  ${title.padEnd(9)} ${megabytes(packed[at] - idle[at])} above idle (${megabytes(packed[at])} less ${megabytes(idle[at])})`,
    );
  console.log(speedText('decode', compared.rounds, 'decode'));
  console.log(speedText('prefill', compared.rounds, 'prefill'));
  const { differing: differ, likelihoods, flips, spikes } = compared;
  console.log(`  ${differ} of ${likelihoods} likelihoods differ, ${flips} of ${spikes} spikes`);
  return {
    name,
    bits,
    quantizer: flags.quantizer,
    file: size,
    predicted,
    aim,
    idle,
    packed,
    ...compared,
  };
}

async function main(): Promise<void> {
  if (flags.role !== undefined) {
    const { role, file } = flags;
    const result = role === 'compare' ? await compare(file!) : await residentWith(file);
    process.send!(result);
    process.disconnect();
    return;
  }
  const machine = `${cpus()[0].model} × ${cpus().length}, Node ${process.version}`;
  console.log(`${machine}, load ${loadavg()[0].toFixed(1)}`);
  const results: object[] = [];
  for (const name of flags.models.split(',')) {
    const model =
      name === '216m' ? await largeModel() : (await locateCheckpoint('spikegpt-mini')).path;
    if (model === undefined)
      console.log('skipped: the shared folder that makes the 216M shape is not here');
    else
      for (const bits of flags.bits.split(',').map(Number))
        results.push(await measure(name, model, bits));
  }
  const record = { machine, load: loadavg()[0], flags, results };
  await mkdir(dirname(RESULTS), { recursive: true });
  await writeFile(RESULTS, JSON.stringify(record, undefined, 2));
  console.log(`\nwritten to ${RESULTS}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
