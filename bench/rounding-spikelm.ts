/**
 * Where two arithmetics part in a SpikeLM: random weights at the published size (BERT base, 4 steps), one sentence.
 *
 *     npm run bench:rounding-spikelm [-- --other fused|cpu --layers 12 --time 128 --sentence 1]
 *
 * The sentence goes through wasm (each multiply–add rounded twice), then through another arithmetic twice: left alone,
 * and with the spikes of every layer replaced by those of the first run. Of the run left alone it prints the class
 * logits and the first layer whose spikes differ; of the other the logits, and each spike that would have differed
 * although all before it are equal: how far its potential is from the threshold α/2, as a share of it, and how far
 * apart the potentials of the two arithmetics are at all. Fails where the logits differ with all spikes equal.
 *
 * Potentials are worked out here, in double precision, from the currents that the kernels were given.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { TERNARY_DECAY, TERNARY_STEPS } from '../src/backend/kernels/steps/names.js';
import { registerWasmKernels } from '../src/backend/kernels/wasm.js';
import { startBackend } from '../src/backend/start.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { writeRandomModel } from '../src/experiment/open/toy-study.js';
import { familyById } from '../src/model/families.js';
import { LoadedModel } from '../src/model/loaded-model.js';
import { structureOf } from '../src/model/structure.js';
import { seededRandom } from '../src/util/random.js';

const { values: flags } = parseArgs({
  options: {
    other: { type: 'string', default: 'fused' },
    layers: { type: 'string', default: '12' },
    time: { type: 'string', default: '128' },
    sentence: { type: 'string', default: '1' },
  },
});

/** BERT base; see families-published.ts. */
const CONFIG = {
  ...{ width: 768, hiddenWidth: 3072, heads: 12, vocabSize: 30522, contextLength: 512 },
  ...{ layers: Number(flags.layers), timeSteps: 4, types: 2, classes: 2, head: false },
};
/** Of the logits, with all spikes equal. */
const TOLERANCE = 1e-4;

/** What a layer's neurons were given and fired. */
interface Layer {
  /** Before the bias: [S, L, C], or [1, L, C] where all steps are alike. */
  readonly currents: Float32Array;
  /** [C] */
  readonly bias: Float32Array | undefined;
  /** −α, 0 or α: [S, L, C] */
  readonly spikes: Float32Array;
  /** α, [S] */
  readonly amplitudes: Float32Array;
  readonly remembers: boolean;
  readonly channels: number;
}

/** Told of each layer in order; what it returns is fired instead. */
type Watch = (layer: Layer, index: number) => Float32Array | undefined;

/** Puts a watch between the running backend's ternary neurons and the network. */
function watchNeurons(watch: Watch): void {
  const name = tf.getBackend();
  const own = tf.getKernel(TERNARY_STEPS, name);
  let index = 0;
  tf.unregisterKernel(TERNARY_STEPS, name);
  tf.registerKernel({
    ...own,
    kernelFunc: (params) => {
      // TensorFlow.js leaves the backend of a kernel untyped.
      const backend = params.backend as tf.KernelBackend;
      const read = ({ dataId }: tf.TensorInfo): Float32Array =>
        Float32Array.from(backend.readSync(dataId) as Float32Array);
      const { x, bias, amplitudes } = params.inputs as Record<string, tf.TensorInfo | undefined>;
      const [out] = [own.kernelFunc(params)].flat();
      const replaced = watch(
        {
          ...{ currents: read(x!), bias: bias && read(bias), spikes: read(out) },
          ...{ amplitudes: read(amplitudes!), channels: out.shape[3] },
          remembers: (params.attrs as { readonly remembers: boolean }).remembers,
        },
        index++,
      );
      if (replaced === undefined) return [out];
      backend.disposeData(out.dataId);
      const dataId = backend.write(replaced, out.shape, 'float32');
      return [{ ...out, dataId }];
    },
  });
}

/** Potentials before the neurons fire, [S, L, C], from the layer's currents and the spikes of one run. */
function potentials(layer: Layer, spikes: Float32Array): Float64Array {
  const { currents, bias, amplitudes, remembers, channels } = layer;
  const plane = spikes.length / amplitudes.length;
  const found = new Float64Array(spikes.length);
  for (let at = 0; at < spikes.length; at++) {
    const step = Math.floor(at / plane);
    const before = at - plane;
    const rest =
      remembers && step > 0
        ? TERNARY_DECAY * found[before] * (amplitudes[step - 1] - spikes[before])
        : 0;
    const current = currents[currents.length === spikes.length ? at : at % plane];
    found[at] = rest + current + (bias ? bias[at % channels] : 0);
  }
  return found;
}

/** Distances of two runs of a layer in which all that was fired before is equal, as shares of α/2. */
interface Apart {
  /** Of potentials, the largest. */
  readonly most: number;
  /** Spikes that differ at the first step at which any of their neuron does. */
  readonly flips: readonly { readonly step: number; readonly margins: readonly [number, number] }[];
}

function apartOf(one: Layer, other: Layer): Apart {
  const { spikes, amplitudes } = one;
  const plane = spikes.length / amplitudes.length;
  const [ours, theirs] = [potentials(one, spikes), potentials(other, spikes)];
  let most = 0;
  const flips: { step: number; margins: [number, number] }[] = [];
  for (let neuron = 0; neuron < plane; neuron++) {
    let differs = false;
    for (let step = 0, at = neuron; at < spikes.length; step++, at += plane) {
      const threshold = amplitudes[step] / 2;
      most = Math.max(most, Math.abs(ours[at] - theirs[at]) / threshold);
      if (differs || spikes[at] === other.spikes[at]) continue;
      differs = true;
      const margin = (potential: number): number =>
        Math.abs(Math.abs(potential) - threshold) / threshold;
      flips.push({ step, margins: [margin(ours[at]), margin(theirs[at])] });
    }
  }
  return { most, flips };
}

const start: Readonly<Record<string, () => Promise<unknown>>> = {
  cpu: () => startBackend('cpu'),
  separate: () => onWasm('separate'),
  fused: () => onWasm('fused'),
};

async function onWasm(arithmetic: 'separate' | 'fused'): Promise<void> {
  await startBackend('wasm');
  // `startBackend` gives nothing of the backend's own kind.
  registerWasmKernels(tf.backend() as BackendWasm, arithmetic);
}

async function logitsOf(arithmetic: string, path: string, watch: Watch): Promise<Float32Array> {
  await start[arithmetic]();
  watchNeurons(watch);
  const checkpoint = await openCheckpoint(path);
  const model = await LoadedModel.load(checkpoint);
  await checkpoint.close();
  const time = Number(flags.time);
  const ids = sentenceOf(time);
  const logits = await model.classLogits(
    { batch: 1, time, ids },
    Int32Array.of(time),
    'first-token',
  );
  model.dispose();
  return logits;
}

/** The tokens of a sentence of bench:families -- --published, whose batch has one behind the other. */
function sentenceOf(time: number): Int32Array {
  const random = seededRandom(2);
  // Past the special tokens, padding among them.
  const drawn = (): number => random.integer(1000, CONFIG.vocabSize - 1);
  const all = Int32Array.from({ length: Number(flags.sentence) * time }, drawn);
  return all.slice(-time);
}

const distance = (one: Float32Array, other: Float32Array): string =>
  Math.max(...one.map((value, at) => Math.abs(value - other[at]))).toExponential(1);

function sayFirst(first: { path: string; layer: Layer; spikes: Float32Array }): void {
  const { flips } = apartOf({ ...first.layer, spikes: first.spikes }, first.layer);
  const [flip] = flips;
  console.log(
    `  first layer to differ: ${first.path}, ${flips.length} of ${first.spikes.length} spikes, ` +
      `step ${flip.step + 1} of ${first.layer.amplitudes.length}`,
  );
}

async function main(): Promise<void> {
  const { other } = flags;
  const folder = await mkdtemp(join(tmpdir(), 'qslm-rounding-'));
  const path = join(folder, 'model.safetensors');
  const structure = structureOf(familyById('spikelm'), CONFIG);
  const paths = structure.layout.spiking.map((layer) => layer.path);
  try {
    await writeRandomModel(path, structure, 1);
    const layers: Layer[] = [];
    const ours = await logitsOf('separate', path, (layer) => {
      layers.push(layer);
      return undefined;
    });
    assert.equal(layers.length, paths.length);
    console.log(
      `SpikeLM, ${CONFIG.layers} × ${CONFIG.width}, ${flags.time} tokens, sentence ${flags.sentence}: wasm and ${other}`,
    );

    let first: { path: string; layer: Layer; spikes: Float32Array } | undefined;
    const alone = await logitsOf(other, path, (layer, index) => {
      const { spikes } = layers[index];
      if (first === undefined && spikes.some((spike, at) => spike !== layer.spikes[at]))
        first = { path: paths[index], layer, spikes };
      return undefined;
    });
    console.log(`  left alone, logits within ${distance(ours, alone)}`);
    if (first) sayFirst(first);

    let [most, values] = [0, 0];
    const flips: { readonly path: string; readonly margin: number }[] = [];
    const replaced = await logitsOf(other, path, (layer, index) => {
      const apart = apartOf(layers[index], layer);
      most = Math.max(most, apart.most);
      values += layer.spikes.length;
      for (const { margins } of apart.flips)
        flips.push({ path: paths[index], margin: Math.max(...margins) });
      return layers[index].spikes;
    });
    const margins = flips.map(({ margin }) => margin).sort((a, b) => a - b);
    console.log(
      `  spikes replaced, logits within ${distance(ours, replaced)}; ${flips.length} of ${values} spikes would ` +
        `have differed, in ${new Set(flips.map((flip) => flip.path)).size} of ${paths.length} layers`,
    );
    if (margins.length > 0)
      console.log(
        `  their potentials lie within ${margins.at(-1)!.toExponential(1)} of the threshold ` +
          `(median ${margins[Math.floor(margins.length / 2)].toExponential(1)})`,
      );
    console.log(`  potentials of the two lie within ${most.toExponential(1)} of each other`);
    for (const [at, value] of ours.entries())
      assert.ok(Math.abs(value - replaced[at]) < TOLERANCE, 'logits differ with all spikes equal');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
