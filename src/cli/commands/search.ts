import { Option, type Command } from 'commander';
import { ACCOUNTINGS } from '../../experiment/open/model-space.js';
import type { Study } from '../../experiment/open/study.js';
import { runSearch } from '../../experiment/runs/search-run.js';
import {
  casesFor,
  DEFAULT_SEARCH,
  SEARCH_PRESETS,
  type SearchSettings,
} from '../../experiment/runs/search-settings.js';
import { PRECISION_LIST } from '../../experiment/runs/uniform.js';
import { CASES, resolveLimits } from '../../search/constraints.js';
import { DEFAULT_LADDER } from '../../search/ladder/rungs.js';
import { requireReachable, UnmetConstraintsError } from '../../search/nearest.js';
import { Assignment } from '../../search/space.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import { runJson } from '../format/json.js';
import { describeSearch } from '../format/search-text.js';
import { formatFacts } from '../format/table.js';
import type { Host } from '../host.js';
import {
  constraintsOf,
  duration,
  lossAmount,
  memoryAmount,
  weight,
  weights,
} from '../options/amounts.js';
import {
  bitsListOption,
  integerFrom,
  listOption,
  numberWhere,
  positiveInteger,
  quantizerOption,
} from '../options/common.js';
import {
  checkSearchFlags,
  noteMissingLimit,
  requireMetric,
  withPreset,
  type SearchFlags,
} from '../options/search.js';
import { energyOption, scoreOption, tieOption } from '../options/selection.js';
import { studyFacts, withStudy, withStudyOptions } from '../options/study.js';
import { asOneBar } from '../run-progress.js';
import { Session } from '../session.js';

export function addSearch(program: Command, host: Host): void {
  const { yardsticks } = DEFAULT_SEARCH;
  const command = program
    .command('search')
    .description('find the bit widths that keep a loss limit and a memory limit, and judge them')
    .addOption(
      new Option('--case <name>', "limits of the paper's cases, scaled; default: a1 or b1")
        .choices(Object.keys(CASES))
        .conflicts(['maxLoss', 'maxMemory']),
    )
    .option(
      '--max-loss <amount>',
      'accuracy points ("2points"), perplexity ("2ppl"), or a share ("5%")',
      lossAmount,
    )
    .option(
      '--max-memory <amount>',
      'size ("6.82MB"), or a share of float32 ("46.4%")',
      memoryAmount,
    )
    .option(
      '--min-speed <rate>',
      'refused: a search computes in float32, where no plan changes the speed; qslm select has it',
    )
    .addOption(
      new Option(
        '--method <name>',
        'tiered: as in the paper; knapsack: by a table of sensitivities',
      )
        .choices(['tiered', 'knapsack'])
        .default(DEFAULT_SEARCH.method),
    )
    .addOption(bitsListOption('the precision list, 1 to 16', PRECISION_LIST))
    .addOption(
      new Option(
        '--preset <name>',
        'options that go together, where they are not given. paper: --quantizer paper-minmax --accounting all',
      ).choices(Object.keys(SEARCH_PRESETS)),
    )
    .addOption(quantizerOption())
    .addOption(
      new Option(
        '--accounting <name>',
        "what counts as memory: parameters in use, or all in the file, a classifier's unused head too",
      )
        .choices(ACCOUNTINGS)
        .default('used'),
    )
    .addOption(
      new Option('--granularity <level>', 'the finest units: modules, or each matrix')
        .choices(['module', 'matrix'])
        .default(DEFAULT_SEARCH.granularity),
    )
    .addOption(
      new Option('--order <name>', 'tiered: in which order units are taken down')
        .choices(['network', 'least-sensitive-first'])
        .default(DEFAULT_SEARCH.order),
    )
    .addOption(
      new Option(
        '--pace <name>',
        'tiered: every step, or those needed to find where a unit breaks; these two skip candidates, so that λ may select another plan than with exact',
      )
        .choices(['exact', 'bisection', 'bracketing'])
        .default(DEFAULT_SEARCH.pace),
    )
    .option(
      '--slack <amount>',
      'how far the metric may fail to fall with the bits, in its unit (0.01 is a point); see --pace',
      numberWhere((value) => value >= 0, 'a number, 0 or more'),
      DEFAULT_SEARCH.slack,
    )
    .addOption(
      new Option('--objective <name>', 'knapsack: fewest bytes, or best metric within the memory')
        .choices(['footprint', 'quality'])
        .default(DEFAULT_SEARCH.objective),
    )
    .option(
      '--max-evaluations <count>',
      'knapsack: after the table, at most',
      positiveInteger,
      DEFAULT_SEARCH.maxEvaluations,
    )
    .addOption(
      new Option(
        '--predictor <name>',
        'what stands for the cost of a unit, in a knapsack or for --order least-sensitive-first: the metric or kl, measured for each; fisher: from one pass of gradients; rates: from one pass with firing rates for spikes (SpikingBERT). None of them decides',
      )
        .choices(['metric', 'kl', 'rates', 'fisher'])
        .default(DEFAULT_SEARCH.predictor),
    )
    .option(
      '--calibration <file>',
      'data that --quantizer gptq or spike-preserving draw their sample from, and --predictor fisher takes gradients on; default: the searched part of the bundled samples; with --data none for the first, and for fisher the first of the data',
    )
    .option(
      '--time <duration>',
      'tiered: decide from samples, the largest of them as the time allows ("2h", "90min"); what is selected is measured on all data',
      duration,
    )
    .option('--ladder', 'tiered: decide from samples where those are clear; with --time it is on')
    .option('--no-ladder', 'every plan on all data, whatever --time says')
    .option(
      '--level <probability>',
      'samples: of any decision of the search that is called clear being wrong, at most',
      numberWhere((value) => value > 0 && value <= 0.5, 'a probability, above 0 and at most 0.5'),
      DEFAULT_LADDER.level,
    )
    .addOption(
      new Option(
        '--gate <observable>',
        "tiered: refuse plans before they are measured, by the drift of their membranes from the unquantized model's; it can be wrong",
      ).choices(['drift']),
    )
    .option(
      '--gate-threshold <drift>',
      'the largest drift that is measured (0.1 is a tenth of the potentials); default: derived from the uniform plans',
      numberWhere((value) => value > 0, 'a number above 0'),
    )
    .option(
      '--lambda <weight>',
      'trade-off between quality and memory of the selected plan; see --score',
      weight,
      DEFAULT_SEARCH.lambda,
    )
    .addOption(
      listOption('--lambdas <weights>', 'further ones to show', weights, DEFAULT_SEARCH.lambdas),
    )
    .addOption(scoreOption('paper'))
    .addOption(tieOption('none, as in the paper'))
    .addOption(energyOption('0, energy is no objective'))
    .option('--no-uniform', 'no plans of one width to compare with')
    .option(
      '--random <count>',
      'random plans of the selected size to compare with',
      integerFrom(0),
      yardsticks.random,
    )
    .option('--seed <number>', 'of the random plans', integerFrom(0), yardsticks.seed);
  withStudyOptions(command)
    .addHelpText(
      'after',
      `
A search that was interrupted goes on where it was when it is started again. Everything measured is kept
in the store, and every candidate in the run's folder; \`qslm select\` picks another one without measuring.
Exit code 5: no plan keeps the limits; the nearest one is named.

Examples:
  $ qslm search spikegpt-mini-sst2 --case a1
  $ qslm search spikegpt-mini --max-loss 1 --max-memory 46.4% --pace bracketing
  $ qslm search model.pth --tokenizer tokenizer.json --data search.tsv --held-out dev.tsv`,
    )
    .action((model: string, flags: SearchFlags) =>
      Session.run(host, flags, (session) => {
        checkSearchFlags(command, flags);
        noteMissingLimit(session, flags);
        return withStudy(session, model, flags, (study) =>
          search(session, study, withPreset(command, flags), program.args),
        );
      }),
    );
}

async function search(
  session: Session,
  study: Study,
  flags: SearchFlags,
  command: readonly string[],
): Promise<void> {
  const { metric } = study.task;
  const settings = settingsOf(flags, metric);
  session.note(formatFacts(studyFacts(study)));
  const space = study.space(settings);
  const fp32Bytes = space.bytes(Assignment.unquantized);
  const { maxBytes } = resolveLimits(settings.constraints, metric, 1, fp32Bytes);
  requireReachable(space, settings.bits, maxBytes);
  const run = await runSearch(study, settings, {
    runs: flags.runs,
    command,
    onProgress: asOneBar(session.onProgress, metric, (text) => {
      session.note(text);
    }),
    signal: session.signal,
  });
  if (run.resumed) session.note('taken up where it was interrupted');
  await session.result(await runJson(run.folder), describeSearch(run, metric), flags.out);
  const { nearest } = run.outcome;
  // For the exit code: the result has been told by now.
  if (nearest !== undefined) throw new UnmetConstraintsError(nearest);
}

function settingsOf(flags: SearchFlags, metric: MetricName): SearchSettings {
  const { method, bits, quantizer, granularity, order, pace, slack, objective } = flags;
  const { maxEvaluations, predictor, lambda, lambdas, uniform, random, seed } = flags;
  const { calibration, accounting = 'used' } = flags;
  const { maxLoss, maxMemory, score = 'paper', tie = 'none', time, level } = flags;
  const { gate, gateThreshold: threshold, energyWeight = 0 } = flags;
  const ladder = flags.ladder ?? time !== undefined;
  const ownLimits = maxLoss !== undefined || maxMemory !== undefined;
  const name = ownLimits ? undefined : (flags.case ?? casesFor(metric)[0]);
  if (name !== undefined) requireMetric(name, metric);
  return {
    method,
    ...(name !== undefined && { case: name }),
    constraints:
      name === undefined ? constraintsOf(maxLoss, maxMemory, metric) : CASES[name].constraints,
    ...{ bits, quantizer, granularity, order, pace, slack, objective },
    ...{ maxEvaluations, predictor, lambda, lambdas },
    ...(calibration !== undefined && predictor === 'fisher' && { calibration }),
    // Left out where they are as by default: settings tell runs apart.
    ...(accounting !== 'used' && { accounting }),
    ...(score !== 'paper' && { score }),
    ...(tie !== 'none' && { tie }),
    ...(energyWeight > 0 && { energyWeight }),
    ...(ladder && { ladder: { ...DEFAULT_LADDER, level, ...(time !== undefined && { time }) } }),
    ...(gate && { gate: { observable: gate, ...(threshold !== undefined && { threshold }) } }),
    yardsticks: { uniform, random, seed },
  };
}
