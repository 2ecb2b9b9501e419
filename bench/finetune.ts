/**
 * Seconds and processor seconds of a fine-tuning step, ours on a backend beside PyTorch's, in turns within one run:
 * spikegpt-mini on SST-2, the recipe of `qslm finetune`, the same batches in the same order, the same new classifier;
 * dropout drops other values. Processor seconds are of all threads, which other work on the machine lengthens less.
 *
 *     npm run bench:finetune [-- --rounds 3 --steps 12 --threads 2 --shares 2 --backend tensorflow]
 *
 * TensorFlow has threads of its own: it is called from one of ours (`--threads` is then PyTorch's alone), and a batch is
 * one share.
 * Needs the developers' shared folder and a Python with torch, which QSLM_PYTHON names.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backendIdentity, backendThreads, startBackend } from '../src/backend/start.js';
import { buildTask } from '../src/experiment/open/build-task.js';
import { openModelFile } from '../src/experiment/open/model-file.js';
import { inSharedMemory, StepPool } from '../src/experiment/training/step-pool.js';
import { DEFAULT_FINE_TUNE, TRAINING_BATCH_TOKENS } from '../src/experiment/training/train-run.js';
import { describeModel, statedConfig } from '../src/model/structure.js';
import { rateAt } from '../src/training/adamw.js';
import { withNewLayer } from '../src/training/classifier.js';
import { decaysIn, startOfTraining } from '../src/training/fine-tune.js';
import { sharesOf } from '../src/training/shares.js';
import { seededRandom } from '../src/util/random.js';
import { sharedPath } from '../test/support/shared.js';
import { median, runReference } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '12' },
    threads: { type: 'string', default: '2' },
    shares: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
  },
});
/** Steps of the whole training, which the rates follow. */
const STEPS = 1686;
/** The first steps of a round warm up, and are not counted. */
const WARM = 2;

interface Times {
  readonly seconds: readonly number[];
  readonly processor: readonly number[];
  readonly losses: readonly number[];
}

const counted = (values: readonly number[]): readonly number[] => values.slice(WARM);
const text = (values: readonly number[]): string =>
  `${median(values).toFixed(3)} (${Math.min(...values).toFixed(3)}–${Math.max(...values).toFixed(3)})`;

async function main(): Promise<void> {
  const [model, data, tools] = ['models/spikegpt-mini.pth', 'data/sst2/train.tsv', 'tools'].map(
    sharedPath,
  );
  if (!model || !data || !tools) {
    console.log('skipped: the shared folder is not there');
    return;
  }
  const { backend } = flags;
  const [rounds, steps, threads] = [flags.rounds, flags.steps, flags.threads].map(Number);
  const workers = Math.max(1, Math.min(threads, backendThreads(backend)));
  const shares = Number(flags.shares ?? (backend === 'wasm' ? 2 : 1));
  const settings = { ...DEFAULT_FINE_TUNE, shares };
  await startBackend(backend);
  const file = await openModelFile(model);
  const size = { batchTokens: TRAINING_BATCH_TOKENS };
  const task = await buildTask({ task: 'sst2', data, ...size }, file.tokenizer, file);
  const newLayer = { ...file.family.newClassifier!(file.config, 2), seed: settings.seed };
  const checkpoint = withNewLayer(file.checkpoint, newLayer);
  const description = await describeModel(checkpoint, statedConfig(file));
  const values = new Map<string, Float32Array>();
  for (const { name, unused } of description.layout.parameters)
    if (unused !== true) values.set(name, await checkpoint.readFloat32(name));
  const order = seededRandom(settings.seed)
    .shuffled([...task.batches.keys()])
    .slice(0, steps);

  const ours = async (): Promise<Times> => {
    const state = startOfTraining(values, settings);
    inSharedMemory(state);
    const pool = await StepPool.open(state, {
      ...{ workers, shares, decays: decaysIn(description.layout), newLayer },
      ...{ checkpoint: model, stated: statedConfig(file), backend },
      ...{ identity: backendIdentity(backend), plan: undefined, distill: undefined },
    });
    const times = { seconds: [] as number[], processor: [] as number[], losses: [] as number[] };
    try {
      for (const [at, index] of order.entries()) {
        const loss = task.lossOf!(index);
        const weights = loss.weights.map(() => 1 / loss.weights.length);
        const [started, worked] = [performance.now(), process.cpuUsage()];
        const dropout = { rate: settings.dropout, seed: at };
        const parts = sharesOf(task.batches[index].inputs, { ...loss, weights }, shares, dropout);
        const { nll, length } = await pool.gradient(parts);
        const rate = rateAt(at + 1, STEPS, settings);
        await pool.update(state.optimizer.numbersOf(at + 1, rate, length));
        const { user, system } = process.cpuUsage(worked);
        times.seconds.push((performance.now() - started) / 1e3);
        times.processor.push((user + system) / 1e6);
        const sum = nll.reduce((all, some) => all + some.reduce((a, b) => a + b, 0), 0);
        times.losses.push(sum / loss.weights.length);
      }
    } finally {
      await pool.close();
    }
    return times;
  };

  const folder = await mkdtemp(join(tmpdir(), 'qslm-bench-'));
  const recipe = join(folder, 'recipe.json');
  const batches = order.map((index) => {
    const { inputs, lengths } = task.batches[index];
    const loss = task.lossOf!(index);
    const labels = loss.kind === 'classes' ? [...loss.labels] : [];
    return { rows: inputs.batch, ids: [...inputs.ids], lengths: [...lengths], labels };
  });
  const { learningRate, warmup, weightDecay, clip, dropout } = settings;
  await writeFile(
    recipe,
    JSON.stringify({
      ...{ threads, dropout, rate: learningRate, warmup, decay: weightDecay, clip, steps: STEPS },
      ...{ classifier: [...values.get(newLayer.name)!], batches },
    }),
  );
  const script = join(__dirname, 'finetune_torch.py');
  const theirs = async (): Promise<Times> =>
    JSON.parse(await runReference(script, undefined, [tools, model, recipe])) as Times;

  console.log(
    `${cpus()[0].model}, ${threads} threads, ${shares} shares, batches of at most ${TRAINING_BATCH_TOKENS} tokens, ${steps} steps a round`,
  );
  const all = { ours: [] as Times[], theirs: [] as Times[] };
  try {
    for (let round = 0; round < rounds; round++) {
      all.ours.push(await ours());
      all.theirs.push(await theirs());
      const [mine, their] = [all.ours[round], all.theirs[round]];
      console.log(
        `round ${round + 1}: first losses ${mine.losses[0].toFixed(3)} and ${their.losses[0].toFixed(3)}; ` +
          `ratio ${(median(counted(mine.seconds)) / median(counted(their.seconds))).toFixed(2)} in seconds, ` +
          `${(median(counted(mine.processor)) / median(counted(their.processor))).toFixed(2)} in processor seconds`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    await file.close();
  }
  for (const [name, times] of Object.entries({
    [`qslm, ${backend}`]: all.ours,
    PyTorch: all.theirs,
  }))
    console.log(
      `${name}: ${text(times.flatMap(({ seconds }) => counted(seconds)))} seconds a step, ` +
        `${text(times.flatMap(({ processor }) => counted(processor)))} processor seconds`,
    );
}

void main();
