/**
 * Low bits on real data: round to nearest, range of least error, groups of 64, GPTQ and its spike-preserving form,
 * all matrices alike, an embedding that spikes by its sign.
 *
 *     npm run bench:low-bits -- --model m.pth --tokenizer t.json --data valid.txt --limit 16384 --context 256 \
 *       --calibration train.txt [--held-out test.txt --held-out-limit 65536] [--bits 4,3,2] [--store s.sqlite]
 *
 * Without --data on the bundled samples. Rows come as they are measured, on the search data and then once on the
 * held-out data. All but the groups are per channel and so of equal bytes, the first per tensor. "beside fp32" and
 * "beside gptq" are paired: of the NLL of windows (z, two-sided p), of sentences McNemar's.
 */
import { parseArgs } from 'node:util';
import { Observer } from '../src/experiment/observe/observables.js';
import { observedItems } from '../src/experiment/observe/observed-items.js';
import { openStudy } from '../src/experiment/open/open-study.js';
import type { Study, StudyTask } from '../src/experiment/open/study.js';
import { isSignUnit } from '../src/layout/hierarchy.js';
import { footprintOf } from '../src/quant/footprint.js';
import { resolvePlan, uniformPlan, withUnit, type ResolvedPlan } from '../src/quant/plan.js';
import { PER_CHANNEL, perGroup } from '../src/quant/scheme/granularity.js';
import { createScheme, SIGN, type Scheme } from '../src/quant/scheme/scheme.js';
import { describeMachine } from '../src/store/machine.js';
import { comparePaired, type Measurement } from '../src/tasks/metrics/metrics.js';
import { errorFunction } from '../src/tasks/metrics/simple-statistics.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'spikegpt-mini' },
    tokenizer: { type: 'string' },
    data: { type: 'string' },
    'held-out': { type: 'string' },
    calibration: { type: 'string', default: 'bundled' },
    'held-out-limit': { type: 'string' },
    limit: { type: 'string' },
    context: { type: 'string' },
    bits: { type: 'string', default: '4,3,2' },
    store: { type: 'string' },
  },
});

const QUANTIZERS: Readonly<Record<string, (bits: number) => Scheme>> = {
  'nearest, per tensor': (bits) => createScheme({ bits }),
  nearest: (bits) => createScheme({ bits, granularity: PER_CHANNEL }),
  'least error': (bits) => createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'mse' } }),
  'least error, groups of 64': (bits) =>
    createScheme({ bits, granularity: perGroup(64), range: { kind: 'mse' } }),
  gptq: (bits) => createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'gptq' } }),
  'spike-preserving': (bits) =>
    createScheme({ bits, granularity: PER_CHANNEL, range: { kind: 'spike-preserving' } }),
};

function planOf(study: Study, scheme: Scheme): ResolvedPlan {
  const { hierarchy } = study.options.file;
  const plan = uniformPlan(scheme.bits, () => scheme);
  const bySign = isSignUnit(hierarchy, 'input');
  return resolvePlan(bySign ? withUnit(plan, 'input', SIGN) : plan, hierarchy);
}

function beside(baseline: Measurement | undefined, other: Measurement): string {
  if (baseline === undefined) return '';
  const found = comparePaired(baseline, other);
  if (found.metric === 'accuracy')
    return `${(100 * found.difference).toFixed(1)} points, p ${found.pValue.toPrecision(2)}`;
  if (found.metric !== 'perplexity' || found.standardError === undefined)
    return found.difference.toFixed(4);
  const z = found.difference / found.standardError;
  const p = 1 - errorFunction(Math.abs(z) / Math.SQRT2);
  return `${found.difference.toFixed(4)} ± ${(1.96 * found.standardError).toFixed(4)} nats, z ${z.toFixed(1)}, p ${p < 1e-4 ? '< 0.0001' : p.toPrecision(2)}`;
}

function valueOf({ value, interval: { low, high } }: Measurement): string {
  return `${value.toFixed(4)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

async function table(study: Study, part: StudyTask, title: string): Promise<void> {
  const { file } = study.options;
  const { task } = part;
  console.log(`\n${title}: ${task.source}, ${task.tokens} tokens, ${task.items} items`);
  const evaluator = study.on(part);
  const items = observedItems(task, file.config.vocabSize);
  const { checkpoint } = file;
  const observer = await Observer.open({ checkpoint, description: file, task, items });
  const none = resolvePlan(new Map(), file.hierarchy);
  const baseline = await evaluator.measure(none, file.hierarchy.fp32Bytes);
  console.log(`fp32 ${valueOf(baseline)}; flips of ${items.description}`);
  console.log('bits | quantizer | MB | metric | beside fp32 | beside gptq | spike flips | seconds');
  for (const bits of flags.bits.split(',').map(Number)) {
    let gptq: Measurement | undefined;
    for (const [name, scheme] of Object.entries(QUANTIZERS)) {
      const started = performance.now();
      const plan = planOf(study, scheme(bits));
      const bytes = footprintOf(file.hierarchy, plan).total;
      const measured = await evaluator.measure(plan, bytes);
      if (name === 'gptq') gptq = measured;
      const { flipRate } = await observer.measure(plan);
      const cells = [
        ...[String(bits), name, (bytes / 1e6).toFixed(3), valueOf(measured)],
        beside(baseline, measured),
        name === 'spike-preserving' ? beside(gptq, measured) : '',
        `${(100 * flipRate).toFixed(3)} %`,
        ((performance.now() - started) / 1000).toFixed(1),
      ];
      console.log(cells.join(' | '));
    }
  }
  observer.close();
}

/** The rows on some data. */
async function rowsOn(
  data: string | undefined,
  limit: string | undefined,
  title: string,
): Promise<void> {
  const { model, tokenizer, calibration, context, store } = flags;
  const study = await openStudy(model, {
    ...{ backend: 'wasm', data, calibration },
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(context !== undefined && { context: Number(context) }),
    ...(store !== undefined && { store }),
    model: { tokenizer },
  });
  try {
    const { search, calibration: sample, file } = study.options;
    console.log(`${describeMachine()}; ${file.name}, calibrated on ${sample!.source}`);
    await table(study, search, title);
  } finally {
    await study.close();
  }
}

async function main(): Promise<void> {
  const heldOut = flags['held-out'];
  await rowsOn(flags.data, flags.limit, 'search');
  if (heldOut !== undefined) await rowsOn(heldOut, flags['held-out-limit'], 'held out, once');
}

void main();
