import type { Command } from 'commander';
import {
  DEFAULT_FINE_TUNE,
  fineTune,
  TRAINING_BATCH_TOKENS,
  type FineTuned,
} from '../../../experiment/training/train-run.js';
import {
  DEFAULT_DISTILLATION,
  type Distillation,
} from '../../../experiment/training/under-plan.js';
import type { Pooling } from '../../../model/types.js';
import type { TaskName } from '../../../tasks/kinds.js';
import { formatMetric } from '../../../tasks/metrics/metrics.js';
import { UsageError } from '../../../util/errors.js';
import { formatCount, formatDuration } from '../../../util/format.js';
import { formatFacts } from '../../format/table.js';
import type { Host } from '../../host.js';
import { duration } from '../../options/amounts.js';
import {
  dataOptions,
  integerFrom,
  modelOptionsOf,
  numberWhere,
  positiveInteger,
  withModelOptions,
  type BackendFlags,
  type ModelFlags,
} from '../../options/common.js';
import { requireFree } from '../../options/model-output.js';
import { Session, type CommonFlags } from '../../session.js';

/** RWKV's factor of L2Wrap. */
const L2WRAP = 1e-4;

interface FineTuneFlags extends ModelFlags, BackendFlags, CommonFlags {
  readonly task?: TaskName;
  readonly data: string;
  readonly search: string;
  readonly out: string;
  readonly force?: boolean;
  readonly pooling?: Pooling;
  readonly context?: number;
  readonly limit?: number;
  readonly searchLimit?: number;
  readonly epochs: number;
  readonly batchTokens: number;
  readonly rate: number;
  readonly warmup: number;
  readonly decay: number;
  readonly clip: number;
  readonly dropout: number;
  readonly l2wrap?: boolean;
  readonly plan?: string;
  /** True for the share that is the default. */
  readonly distill?: number | true;
  readonly temperature?: number;
  readonly seed: number;
  readonly measureEvery: number;
  readonly shares: number;
  readonly workers?: number;
  readonly time?: number;
  readonly saveEvery: number;
}

const atLeast0 = numberWhere((value) => value >= 0, 'a number, 0 or more');

export function addFineTune(program: Command, host: Host): void {
  const { task, context, limit, pooling } = dataOptions();
  const defaults = DEFAULT_FINE_TUNE;
  const command = program
    .command('finetune')
    .description('train a SpikeGPT on sentences with labels, or on text')
    .addOption(task)
    .requiredOption(
      '--data <file>',
      'what to train on: a .tsv (sst2), a text (wikitext2), .parquet',
    )
    .requiredOption('--search <file>', 'what the best step is chosen by')
    .requiredOption('--out <file>', 'the model that comes out, .safetensors')
    .option('--force', 'replace a file of that name')
    .addOption(context)
    .addOption(limit)
    .option('--search-limit <count>', 'the same of the data that chooses', positiveInteger)
    .addOption(pooling)
    .option('--epochs <count>', 'passes over the data', positiveInteger, defaults.epochs)
    .option('--batch-tokens <count>', 'tokens a step', positiveInteger, TRAINING_BATCH_TOKENS)
    .option(
      '--rate <number>',
      'highest learning rate',
      numberWhere((value) => value > 0 && value < 1, 'a number above 0 and below 1'),
      defaults.learningRate,
    )
    .option('--warmup <steps>', 'steps up to that rate', integerFrom(0), defaults.warmup)
    .option('--decay <number>', 'weight decay of matrices', atLeast0, defaults.weightDecay)
    .option('--clip <length>', 'longest gradient; 0: any', atLeast0, defaults.clip)
    .option(
      '--dropout <share>',
      'share dropped behind each block',
      numberWhere((value) => value >= 0 && value < 1, 'a number, 0 or more and below 1'),
      defaults.dropout,
    )
    .option('--l2wrap', "RWKV's pull on the largest logit, for text")
    .option('--plan <file>', 'train for a plan: the weights are seen as it rounds them')
    .option(
      '--distill [share]',
      `learn from the unquantized model's outputs too, with this share of the loss; default ${DEFAULT_DISTILLATION.weight}`,
      numberWhere((value) => value > 0 && value <= 1, 'a number above 0, up to 1'),
    )
    .option(
      '--temperature <number>',
      `what logits are divided by for --distill; default ${DEFAULT_DISTILLATION.temperature}`,
      numberWhere((value) => value > 0, 'a number above 0'),
    )
    .option('--seed <number>', 'of order and dropout', integerFrom(0), defaults.seed)
    .option(
      '--measure-every <steps>',
      'steps between two measurements',
      positiveInteger,
      defaults.measureEvery,
    )
    .option(
      '--shares <count>',
      'parts of a batch that threads can divide among them; the result depends on it',
      positiveInteger,
      defaults.shares,
    )
    .option('--workers <count>', 'threads; default: by backend and processor', integerFrom(0))
    .option('--time <duration>', 'end after it with the best step so far ("15min")', duration)
    .option('--save-every <duration>', 'from one keeping of the state to the next', duration, 300);
  withModelOptions(command)
    .option('--json', 'the result as JSON on the standard output')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
While it runs its state lies in <out>.training; interrupted (Ctrl-C, exit code 130) or killed, the same
command goes on from there, bit for bit on the same backend.

With --plan the model that comes out is a float32 one: quantized under the plan (eval --plan, export --plan) it
has the metric that is told here, bit for bit.

Examples:
  $ qslm finetune spikegpt-mini --task sst2 --data train.tsv --search search.tsv --out sst2.safetensors
  $ qslm finetune spikegpt-mini --data train.txt --search valid.txt --out wiki.safetensors --l2wrap
  $ qslm finetune spikegpt-mini --data train.txt --search valid.txt --out wiki-4bit.safetensors \\
      --plan plan.json --distill --dropout 0 --time 15min`,
    )
    .action((model: string, flags: FineTuneFlags) =>
      Session.run(host, flags, (session) => run(session, model, flags)),
    );
}

async function run(session: Session, model: string, flags: FineTuneFlags): Promise<void> {
  const { rate, warmup, decay, clip, epochs, dropout, seed, measureEvery, shares, l2wrap } = flags;
  const distill = distillationOf(flags);
  await requireFree(flags.out, model, flags.force);
  const { task, pooling, context, limit, data, search, searchLimit, out } = flags;
  const result = await fineTune(model, {
    ...{ task, pooling, context, limit, data, search, searchLimit, out, distill },
    plan: flags.plan,
    ...session.run,
    model: modelOptionsOf(flags),
    backend: flags.backend,
    batchTokens: flags.batchTokens,
    seconds: flags.time,
    workers: flags.workers,
    saveSeconds: flags.saveEvery,
    settings: {
      ...{ learningRate: rate, warmup, weightDecay: decay, clip },
      ...{ epochs, dropout, seed, measureEvery, shares, pull: l2wrap === true ? L2WRAP : 0 },
    },
    onMark: ({ step, metric, loss }) => {
      const trained =
        step === 0 ? 'untrained, under the plan' : `step ${step}: loss ${loss.toFixed(4)}`;
      session.note(`${trained}, on the search split ${metric.toFixed(4)}`);
    },
  });
  await session.result({ ...result }, textOf(result));
}

/** @throws {UsageError} for a temperature that nothing is compared at. */
function distillationOf({ distill, temperature }: FineTuneFlags): Distillation | undefined {
  if (distill !== undefined) return { weight: distill === true ? undefined : distill, temperature };
  if (temperature === undefined) return undefined;
  throw new UsageError({
    what: 'the option does not apply',
    where: 'temperature',
    got: String(temperature),
    expected: '`distill` with it',
  });
}

function textOf({ out, steps, best, metric, resumed, seconds }: FineTuned): string {
  return formatFacts([
    ['steps', `${formatCount(steps)} in ${formatDuration(seconds)}${resumed ? ', taken up' : ''}`],
    [
      'best',
      `step ${formatCount(best.step)}: ${formatMetric(metric, best.metric)} on the search split`,
    ],
    ['model', out],
  ]);
}
