import { Option, type Command } from 'commander';
import { startBackend } from '../../backend/start.js';
import {
  inThisThread,
  measurePlans,
  type NamedPlan,
  type PlanPoint,
} from '../../experiment/runs/measure-plans.js';
import { openModel, type OpenModel } from '../../experiment/open/model-file.js';
import { buildTask, type TaskRequest } from '../../experiment/open/build-task.js';
import { bitsName } from '../../experiment/runs/uniform.js';
import { parsePlan } from '../../quant/plan-json.js';
import { readTextFile } from '../../tasks/data/text.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import { metricOf } from '../../tasks/metrics/metrics.js';
import type { Task } from '../../tasks/task.js';
import { backendFact, configFacts, configJson } from '../format/facts.js';
import type { Host } from '../host.js';
import { measurementJson, pointJson, taskJson } from '../format/json.js';
import { formatMeasurement } from '../../tasks/metrics/metrics.js';
import { formatCount, formatDuration, formatRate } from '../../util/format.js';
import {
  bitWidth,
  modelOptionsOf,
  positiveInteger,
  quantizerOption,
  withBackendOption,
  withCommonOptions,
  withConfigOptions,
  withResultFile,
  withTokenizerOption,
  type BackendFlags,
  type ModelFlags,
} from '../options/common.js';
import { packedFacts, packedJson } from '../format/packed.js';
import { pointCells, pointColumns } from '../format/points.js';
import { Session } from '../session.js';
import { formatFacts, formatTable, type Fact } from '../format/table.js';
import { type QuantizerName, quantizerPlan } from '../../quant/quantizers.js';
import { TASK_NAMES } from '../../tasks/kinds.js';
import { requireUnpacked } from '../../quant/packed/read.js';

interface EvalFlags extends ModelFlags, BackendFlags, TaskRequest {
  readonly bits?: number;
  readonly quantizer: QuantizerName;
  readonly plan?: string;
}

export function addEval(program: Command, host: Host): void {
  const command = program
    .command('eval')
    .description('measure a model on a task, with --bits or --plan also quantized')
    .argument('<model>', 'checkpoint file, folder, or name of a bundled model')
    .addOption(
      new Option(
        '--task <task>',
        'sst2: accuracy; wikitext2: perplexity; default: by data and model',
      ).choices(TASK_NAMES),
    )
    .option('--data <file>', 'a .tsv (sst2) or a text (wikitext2); default: the bundled samples')
    .option('--natural', "the data is ordinary text: bring it into the task's style first")
    .option(
      '--context <tokens>',
      "inputs of a window; default: the model's context",
      positiveInteger,
    )
    .option(
      '--stride <tokens>',
      'from one window to the next; default: the window',
      positiveInteger,
    )
    .option('--limit <count>', 'first sentences, or tokens to predict, at most', positiveInteger)
    .addOption(
      new Option(
        '--pooling <kind>',
        'what a sentence is averaged over; all-positions includes padding, as the prototype does',
      ).choices(['real-tokens', 'all-positions']),
    )
    .addOption(
      new Option('--bits <width>', 'every matrix at this bit width, 1 to 16')
        .argParser(bitWidth)
        .conflicts('plan'),
    )
    .addOption(quantizerOption())
    .option('--plan <file>', 'a plan in JSON: which unit gets which scheme');
  withTokenizerOption(command);
  withConfigOptions(command);
  withCommonOptions(withResultFile(withBackendOption(command)))
    .addHelpText(
      'after',
      `
Examples:
  $ qslm eval spikegpt-mini-sst2
  $ qslm eval spikegpt-mini --bits 8
  $ qslm eval SpikeGPT-216M.pth --tokenizer 20B_tokenizer.json --data wiki.test.tokens --limit 10240`,
    )
    .action((model: string, flags: EvalFlags) =>
      Session.run(host, flags, (session) => evaluate(session, model, flags)),
    );
}

async function evaluate(session: Session, name: string, flags: EvalFlags): Promise<void> {
  const backend = await startBackend(flags.backend);
  const open = await openModel(name, modelOptionsOf(flags), session.run);
  try {
    const task = await buildTask(flags, open.tokenizer, open);
    const plan = await wantedPlan(flags, open);
    const plans = plan === undefined ? [] : [plan];
    const [baseline, quantized] = await inThisThread(open, task, (subject) =>
      measurePlans(subject, plans, session.run),
    );
    warnBeyondContext(session, baseline.measurement!, open);
    const sha256 = await open.checkpoint.sha256();
    const facts: Fact[] = [
      ['model', open.name],
      ['sha256', sha256],
      ...packedFacts(open.checkpoint, open.hierarchy),
      ...configFacts(open),
      backendFact(backend),
      ...task.describe(),
    ];
    const text = [
      formatFacts([...facts, ...resultFacts(baseline.measurement!, task)]),
      ...(plan === undefined ? [] : ['', comparisonTable(task, [baseline, quantized])]),
    ].join('\n');
    const value = {
      model: {
        name: open.name,
        sha256,
        ...configJson(open),
        ...packedJson(open.checkpoint, open.hierarchy),
      },
      backend,
      task: taskJson(task),
      ...measurementJson(baseline.measurement!),
      ...(plan !== undefined && { quantized: pointJson(quantized) }),
    };
    await session.result(value, text, flags.out);
  } finally {
    await open.close();
  }
}

async function wantedPlan(
  { bits, quantizer, plan }: EvalFlags,
  { checkpoint, hierarchy }: OpenModel,
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
  ];
}

function comparisonTable(task: Task, points: readonly PlanPoint[]): string {
  return formatTable(
    pointColumns('plan', task.metric),
    points.map((point) => pointCells({ label: point.name, point })),
  );
}

function warnBeyondContext(
  session: Session,
  { beyondContext = 0, items, metric }: Measurement,
  { model }: OpenModel,
): void {
  if (beyondContext === 0) return;
  const what = metricOf(metric).item.many;
  session.warn(
    `${formatCount(beyondContext)} of ${formatCount(items)} ${what} are longer than the model's context; ` +
      `expected at most ${formatCount(model.config.contextLength)} tokens, which it was trained on`,
  );
}
