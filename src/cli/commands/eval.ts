import type { Command } from 'commander';
import { startBackend, type BackendName } from '../../backend/start.js';
import { buildTask, type TaskRequest } from '../../experiment/open/build-task.js';
import { openSample } from '../../experiment/open/calibration-sample.js';
import {
  openModel,
  openModelFile,
  type ModelFile,
  type OpenModel,
} from '../../experiment/open/model-file.js';
import {
  inThisThread,
  measurePlans,
  type Measurable,
  type NamedPlan,
  type PlanPoint,
} from '../../experiment/runs/measure-plans.js';
import {
  DITHERS,
  measureNoise,
  noiseStore,
  type NoisePlace,
} from '../../experiment/runs/noise-floor.js';
import { bitsName } from '../../experiment/runs/uniform.js';
import { Evaluator } from '../../experiment/scoring/evaluator.js';
import { requireUnpacked } from '../../quant/packed/read.js';
import { parsePlan } from '../../quant/plan-json.js';
import { type QuantizerName, quantizerPlan } from '../../quant/quantizers.js';
import type { ScoringQueue } from '../../queue/open-queue.js';
import { describeMachine } from '../../store/machine.js';
import { readTextFile } from '../../tasks/data/text.js';
import { formatMeasurement, metricOf, type Measurement } from '../../tasks/metrics/metrics.js';
import { isBelowFloor, type NoiseFloor } from '../../tasks/metrics/noise.js';
import type { Task } from '../../tasks/task.js';
import { UsageError } from '../../util/errors.js';
import { formatCount, formatCounted, formatDuration, formatRate } from '../../util/format.js';
import { backendFact, configFacts, configJson } from '../format/facts.js';
import { measurementJson, pointJson, taskJson } from '../format/json.js';
import { openPackedOr, packedFacts, packedJson } from '../format/packed.js';
import { pointCells, pointColumns } from '../format/points.js';
import { formatFacts, formatTable, numberColumns, type Fact } from '../format/table.js';
import type { Host } from '../host.js';
import { calibrationOf, calibrationOption } from '../options/calibration.js';
import {
  bitsOption,
  dataOptions,
  modelOptionsOf,
  positiveInteger,
  quantizerOption,
  withModelOptions,
  withResultOptions,
  type ModelFlags,
} from '../options/common.js';
import { backendFor, packedOption, type PackedFlags } from '../options/packed.js';
import { queueOf, withQueueOptions, type QueueFlags } from '../options/queue.js';
import { withStore, withStoreOption, type StoreFlags } from '../options/study.js';
import { Session } from '../session.js';

interface EvalFlags extends ModelFlags, PackedFlags, TaskRequest, StoreFlags, QueueFlags {
  readonly bits?: number;
  readonly quantizer: QuantizerName;
  readonly calibration?: string;
  readonly plan?: string;
  /** True for the number that is the default. */
  readonly noiseFloor?: number | true;
}

export function addEval(program: Command, host: Host): void {
  const { task, natural, context, limit, pooling } = dataOptions();
  const command = program
    .command('eval')
    .description('measure a model on a task, with --bits or --plan also quantized')
    .addOption(task)
    .option(
      '--data <file>',
      'a .tsv (sst2), a text (wikitext2), .parquet, or fetched data as sst2:validation; default: the bundled samples',
    )
    .addOption(natural)
    .addOption(context)
    .option(
      '--stride <tokens>',
      'from one window to the next; default: the window',
      positiveInteger,
    )
    .addOption(limit)
    .addOption(pooling)
    .addOption(bitsOption())
    .addOption(quantizerOption())
    .addOption(calibrationOption())
    .option(
      '--noise-floor [count]',
      'how much the metric moves when nothing matters: so many times with the last bits of the weights at random, kept in the store',
      positiveInteger,
    )
    .option('--plan <file>', 'a plan in JSON: which unit gets which scheme')
    .addOption(packedOption());
  withResultOptions(withQueueOptions(withModelOptions(withStoreOption(command))))
    .addHelpText(
      'after',
      `
Examples:
  $ qslm eval spikegpt-mini-sst2
  $ qslm eval spikegpt-mini --bits 8
  $ qslm eval packed/ --packed
  $ qslm eval SpikeGPT-216M.pth --tokenizer 20B_tokenizer.json --data wiki.test.tokens --limit 10240`,
    )
    .action((model: string, flags: EvalFlags) =>
      Session.run(host, flags, (session) => evaluate(session, model, flags)),
    );
}

async function evaluate(session: Session, name: string, flags: EvalFlags): Promise<void> {
  const queue = queueOf(session, flags);
  if (queue !== undefined && flags.noiseFloor !== undefined)
    throw new UsageError({
      what: 'the noise floor is measured in this process alone',
      where: 'noiseFloor',
      got: 'with `queue`',
      expected: 'one of the two',
    });
  const { packed } = flags;
  const backend = await startBackend(backendFor(flags));
  // With a queue this process needs no weights.
  const { open, execution } = await openPackedOr<ModelFile | OpenModel>(packed, () =>
    queue === undefined
      ? openModel(name, { ...modelOptionsOf(flags), packed }, session.run)
      : openModelFile(name, modelOptionsOf(flags)),
  );
  try {
    const task = await buildTask({ ...flags, onRemark: session.remark }, open.tokenizer, open);
    const plan = await wantedPlan(flags, open);
    const { checkpoint: weights } = await calibratedFor(flags, open, task, backend.name);
    const plans = plan === undefined ? [] : [plan];
    const measure = (subject: Measurable): Promise<PlanPoint[]> =>
      measurePlans(subject, plans, session.run);
    const [baseline, quantized] = isLoaded(open)
      ? await inThisThread({ ...open, checkpoint: weights }, task, measure)
      : await onMachines(open, { task, backend: backend.name, queue: queue! }, measure);
    const { measurement } = baseline;
    warnBeyondContext(session, measurement!, open);
    const sha256 = await open.checkpoint.sha256();
    const { checkpoint, hierarchy } = open;
    const place = { checkpoint: sha256, task, backend: backend.name };
    const noise = isLoaded(open)
      ? await noiseOf(session, flags, open, task, measurement!, place)
      : undefined;
    const facts = formatFacts([
      ['model', open.name],
      ['sha256', sha256],
      ...packedFacts(checkpoint, hierarchy, execution),
      ...configFacts(open),
      backendFact(backend),
      ...task.describe(),
      ...resultFacts(measurement!, task),
      ...noiseFacts(noise, task),
    ]);
    const below = plan && quantized.comparison && isBelowFloor(quantized.comparison, noise);
    const remark = below
      ? `\n${plan.name}: the change is noise, no more than the noise floor.`
      : '';
    const table =
      plan === undefined ? '' : `\n\n${comparisonTable(task, [baseline, quantized])}${remark}`;
    const asPacked = packedJson(checkpoint, hierarchy, execution);
    const value = {
      model: { name: open.name, sha256, ...configJson(open), ...asPacked },
      backend,
      task: taskJson(task),
      ...measurementJson(measurement!),
      ...(noise && { noise }),
      ...(plan !== undefined && { quantized: pointJson(quantized) }),
    };
    await session.result(value, facts + table, flags.out);
  } finally {
    await open.close();
  }
}

/** The model's checkpoint, with the integers of a calibration sample where the flags ask for one. */
async function calibratedFor(
  flags: EvalFlags,
  open: ModelFile,
  search: Task,
  backend: BackendName,
): Promise<Pick<ModelFile, 'checkpoint'>> {
  const calibration = flags.bits === undefined ? flags.calibration : calibrationOf(flags);
  if (calibration === undefined) return open;
  return openSample(open, { calibration, search, backend });
}

const isLoaded = (open: ModelFile | OpenModel): open is OpenModel => 'model' in open;

/** Measures over a queue; nothing is remembered, as in this thread. */
async function onMachines<T>(
  file: ModelFile,
  { task, backend, queue }: { task: Task; backend: string; queue: ScoringQueue },
  work: (subject: Measurable) => Promise<T>,
): Promise<T> {
  const { name, checkpoint, hierarchy } = file;
  const evaluator = Evaluator.open({
    checkpoint: checkpoint.path,
    checkpointHash: await checkpoint.sha256(),
    content: await checkpoint.content?.(),
    ...{ model: file, backend, task, split: 'eval', openPool: queue.openPool },
  });
  try {
    return await work({
      ...{ name, hierarchy },
      inFlight: () => evaluator.inFlight,
      measure: (plan, bytes, options) => evaluator.measure(plan, bytes, options),
    });
  } finally {
    await evaluator.close();
  }
}

/** Measured where it is asked for; nothing is looked up else. */
async function noiseOf(
  session: Session,
  { noiseFloor, store: path }: EvalFlags,
  open: OpenModel,
  task: Task,
  baseline: Measurement,
  place: NoisePlace,
): Promise<NoiseFloor | undefined> {
  if (noiseFloor === undefined) return undefined;
  const dithers = noiseFloor === true ? DITHERS : noiseFloor;
  return withStore(session, path, (store) =>
    measureNoise(open, task, baseline, {
      dithers,
      store: noiseStore(store, place),
      ...session.run,
    }),
  );
}

function noiseFacts(noise: NoiseFloor | undefined, { metric }: Task): Fact[] {
  if (noise === undefined) return [];
  const { loss } = metricOf(metric);
  const moved = `${Number((noise.metric / loss.unit).toPrecision(2))} ${loss.name}`;
  const times = formatCounted(noise.dithers, 'time');
  return [['noise floor', `${moved} at most, the last bits of the weights at random ${times}`]];
}

async function wantedPlan(
  { bits, quantizer, plan }: EvalFlags,
  { checkpoint, hierarchy }: ModelFile,
): Promise<NamedPlan | undefined> {
  if (plan !== undefined || bits !== undefined) requireUnpacked(checkpoint);
  if (plan !== undefined)
    return { name: plan, plan: parsePlan(await readTextFile(plan), plan, hierarchy) };
  if (bits === undefined) return undefined;
  return { name: bitsName(bits), plan: quantizerPlan(quantizer, bits, hierarchy) };
}

function resultFacts(measurement: Measurement, task: Task): Fact[] {
  const { metric, tokens, seconds } = measurement;
  const speed = `${formatRate(tokens / seconds)} tokens/s (${formatDuration(seconds)})`;
  return [
    [metric, formatMeasurement(measurement)],
    ...(measurement.metric === 'perplexity'
      ? [['bits per byte', measurement.bitsPerByte.toFixed(4)] as const]
      : []),
    ['tokens', formatCount(task.tokens)],
    ['speed', speed],
    ['machine', describeMachine()],
  ];
}

function comparisonTable(task: Task, points: readonly PlanPoint[]): string {
  const speedOf = ({ measurement }: PlanPoint): string =>
    measurement === undefined ? '' : formatRate(measurement.tokens / measurement.seconds);
  return formatTable(
    [...pointColumns('plan', task.metric), ...numberColumns('tokens/s')],
    points.map((point) => [
      ...pointCells({ label: point.name, point }, task.metric),
      speedOf(point),
    ]),
  );
}

function warnBeyondContext(
  session: Session,
  found: Measurement,
  { config }: Pick<ModelFile, 'config'>,
): void {
  const { beyondContext = 0, items, metric } = found;
  if (beyondContext === 0) return;
  const what = metricOf(metric).item.many;
  session.warn(
    `${formatCount(beyondContext)} of ${formatCount(items)} ${what} are longer than the model's context; ` +
      `expected at most ${formatCount(config.contextLength)} tokens, which it was trained on`,
  );
}
