/**
 * Quantization-aware training against post-training quantization: the same plan on the model as it came, on the
 * model trained under it, and with `--control` on the model trained as long without it; on data that neither
 * training nor the choice of its best step has seen.
 *
 *     npm run bench:qat -- --model model.pth --tokenizer tokenizer.json --train train.txt --search valid.txt \
 *       --held-out test.txt --bits 4,3 [--plan plan.json] [--time 15min] [--control] [--distill 0.5]
 *
 * With `--limit` and `--time` the training is as long as fits; the learning rate falls over all of the data that
 * `--limit` leaves. Losses are against the unquantized model as it came; "won back" is the difference to post-training quantization,
 * with its interval from paired items.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBackend } from '../src/backend/start.js';
import { duration } from '../src/cli/options/amounts.js';
import { buildTask } from '../src/experiment/open/build-task.js';
import { openModel } from '../src/experiment/open/model-file.js';
import { inThisThread } from '../src/experiment/runs/measure-plans.js';
import { fineTune } from '../src/experiment/training/train-run.js';
import { footprintOf } from '../src/quant/footprint.js';
import { parsePlan } from '../src/quant/plan-json.js';
import { resolvePlan, uniformPlan, type Plan } from '../src/quant/plan.js';
import type { TaskName } from '../src/tasks/kinds.js';
import { formatMeasurement, metricOf, type Measurement } from '../src/tasks/metrics/metrics.js';
import { pairedLoss } from '../src/tasks/metrics/paired.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'spikegpt-mini' },
    tokenizer: { type: 'string' },
    task: { type: 'string' },
    train: { type: 'string' },
    search: { type: 'string' },
    'held-out': { type: 'string' },
    bits: { type: 'string', default: '4,3' },
    plan: { type: 'string' },
    /** Sentences or tokens. */
    limit: { type: 'string' },
    'search-limit': { type: 'string' },
    'held-out-limit': { type: 'string' },
    time: { type: 'string', default: '15min' },
    rate: { type: 'string', default: '2e-4' },
    dropout: { type: 'string', default: '0' },
    distill: { type: 'string' },
    temperature: { type: 'string' },
    control: { type: 'boolean', default: false },
    /** Trained before, under the one plan: nothing is trained. */
    trained: { type: 'string' },
  },
});

/** By title. */
type Named = readonly [string, Plan];

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);
const task = flags.task as TaskName | undefined;
const model = { tokenizer: flags.tokenizer };

/** A model on the held-out data under some plans, and unquantized. */
async function measure(path: string, plans: readonly Plan[]): Promise<Measurement[]> {
  const open = await openModel(path, model);
  try {
    const request = { task, data: flags['held-out'], limit: numberOf(flags['held-out-limit']) };
    const heldOut = await buildTask(request, open.tokenizer, open);
    return await inThisThread(open, heldOut, async (subject) => {
      const found: Measurement[] = [];
      for (const plan of plans) {
        const resolved = resolvePlan(plan, subject.hierarchy);
        const bytes = footprintOf(subject.hierarchy, resolved).total;
        found.push(await subject.measure(resolved, bytes));
      }
      return found;
    });
  } finally {
    await open.close();
  }
}

/** Trains, under a plan or without, and tells what it took. */
async function train(out: string, plan: Plan | undefined): Promise<void> {
  const distill =
    flags.distill === undefined || plan === undefined
      ? undefined
      : { weight: Number(flags.distill), temperature: numberOf(flags.temperature) };
  const { steps, best, marks, seconds } = await fineTune(flags.model, {
    ...{ task, model, out, plan, distill },
    ...{ data: flags.train ?? '', search: flags.search ?? '' },
    ...{ limit: numberOf(flags.limit), searchLimit: numberOf(flags['search-limit']) },
    seconds: duration(flags.time),
    settings: {
      ...{ epochs: 1, warmup: 10, measureEvery: 50 },
      ...{ learningRate: Number(flags.rate), dropout: Number(flags.dropout) },
    },
  });
  const curve = marks.map(({ step, metric }) => `${step}: ${metric.toFixed(3)}`).join(', ');
  console.log(`  ${steps} steps in ${seconds.toFixed(0)} s, best at ${best.step}; search ${curve}`);
}

function against(baseline: Measurement, other: Measurement): string {
  const paired = pairedLoss(baseline, other);
  const metric = metricOf(baseline.metric);
  const interval = metric.lossInterval(baseline, other, paired);
  const { unit, name } = metric.loss;
  const [low, high] = interval ? [interval.low, interval.high] : [NaN, NaN];
  const [value, ...ends] = [paired.loss, low, high].map((each) => (each / unit).toFixed(2));
  return `${value} ${name} (${ends.join(' to ')})`;
}

interface Untrained {
  readonly unquantized: Measurement;
  /** Under the plan. */
  readonly post: Measurement;
}

async function compare(
  [name, plan]: Named,
  { unquantized, post }: Untrained,
  folder: string,
): Promise<void> {
  console.log(`${name}\n  post-training ${formatMeasurement(post)}`);
  console.log(`    loss     ${against(unquantized, post)}`);
  const rows: Named[] = [['trained under it', plan]];
  if (flags.control) rows.push(['trained without a plan', new Map()]);
  for (const [title, trainedFor] of rows) {
    const out =
      flags.trained ??
      join(folder, `${name.replaceAll(/\W/g, '-')}-${trainedFor.size}.safetensors`);
    if (flags.trained === undefined)
      await train(out, trainedFor.size === 0 ? undefined : trainedFor);
    const [own, quantized] = await measure(out, [new Map(), plan]);
    console.log(`  ${title} ${formatMeasurement(quantized)}`);
    console.log(`    loss     ${against(unquantized, quantized)}`);
    console.log(`    won back ${against(quantized, post)}`);
    console.log(`    itself unquantized ${formatMeasurement(own)}`);
  }
}

async function main(): Promise<void> {
  const widths = flags.bits === '' ? [] : flags.bits.split(',').map(Number);
  const named = widths.map((bits): Named => [`${bits} bits, uniform, min-max`, uniformPlan(bits)]);
  if (flags.plan !== undefined) {
    const plan = parsePlan(await readFile(flags.plan, 'utf8'), flags.plan);
    named.push([basename(flags.plan), plan]);
  }
  const { name: backend } = await startBackend('auto');
  const folder = await mkdtemp(join(tmpdir(), 'qslm-qat-'));
  try {
    const plans = [new Map(), ...named.map(([, plan]) => plan)];
    const [unquantized, ...posts] = await measure(flags.model, plans);
    console.log(`${flags.model} on ${backend}, unquantized: ${formatMeasurement(unquantized)}`);
    for (const [at, each] of named.entries())
      await compare(each, { unquantized, post: posts[at] }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
