import type { Command } from 'commander';
import { checked, locateRun, readCandidates, readRun } from '../../../experiment/record/folder.js';
import { savedStudy } from '../../../experiment/record/saved-study.js';
import { SEARCH_SETTINGS, type CandidatesJson } from '../../../experiment/record/search-schema.js';
import {
  savedScored,
  savedTies,
  selectSaved,
  type SavedSelection,
} from '../../../experiment/record/select-saved.js';
import { ENERGY_SETTING } from '../../../experiment/selection/energy-objective.js';
import { planRows, plansOnce } from '../../../experiment/selection/plan-table.js';
import { formatPlan } from '../../../quant/plan-json.js';
import { lambdaIntervals } from '../../../search/score.js';
import { formatInterval, formatMetric } from '../../../tasks/metrics/metrics.js';
import { DataError, UsageError } from '../../../util/errors.js';
import { saveFile } from '../../../util/files.js';
import { formatBytes, formatPercent } from '../../../util/format.js';
import { planText } from '../../format/plan-text.js';
import {
  energyFacts,
  energyText,
  lambdaText,
  MODELLED_COLUMN,
  noiseTexts,
  paceFacts,
  scoreText,
  TIE_FACT,
} from '../../format/selection-text.js';
import { formatFacts, formatTable, numberColumns } from '../../format/table.js';
import type { Host } from '../../host.js';
import { weights } from '../../options/amounts.js';
import { listOption, withResultOptions } from '../../options/common.js';
import {
  energyOption,
  scoreOption,
  tieOption,
  type SelectionFlags,
} from '../../options/selection.js';
import { withRunsOption, type RunsFlags } from '../../options/study.js';
import { Session, type CommonFlags } from '../../session.js';
import {
  checkSpeedFlags,
  minSpeedOption,
  repeatOption,
  requireFast,
  selectFast,
  speedFacts,
  speedJson,
  speedTable,
  type SpeedFlags,
} from './speed.js';

interface SelectFlags extends CommonFlags, RunsFlags, SelectionFlags, SpeedFlags {
  readonly lambda: readonly number[];
  readonly plan?: string;
}

export function addSelect(program: Command, host: Host): void {
  const command = program
    .command('select')
    .description(
      'pick a plan of a finished search by its trade-off score; measures nothing, but for --min-speed',
    )
    .argument('<run>', 'id or folder of a search')
    .addOption(
      listOption('--lambda <weights>', 'weights of memory in the score', weights, [0, 0.5, 1]),
    )
    .addOption(scoreOption("the run's own"))
    .addOption(tieOption("the run's own"))
    .addOption(energyOption("the run's own"))
    .addOption(minSpeedOption())
    .addOption(repeatOption())
    .option('--plan <file>', 'write the plan that a single weight selects');
  withResultOptions(withRunsOption(command))
    .addHelpText(
      'after',
      `
Example:
  $ qslm select 20260131-174502-9f3a1c --lambda 0.3 --plan plan.json
  $ qslm select 20260131-174502-9f3a1c --score balanced --tie one-se --lambda 0,0.5,1
  $ qslm select 20260131-174502-9f3a1c --lambda 0.5 --min-speed 1.2x`,
    )
    .action((run: string, flags: SelectFlags) =>
      Session.run(host, flags, (session) => select(session, run, flags)),
    );
}

async function select(session: Session, run: string, flags: SelectFlags): Promise<void> {
  const { lambda: lambdas, plan: planFile } = flags;
  if (planFile !== undefined && lambdas.length !== 1)
    throw new UsageError({
      what: 'which plan to write is not clear',
      where: '--plan',
      got: `${lambdas.length} weights`,
      expected: 'one weight with --lambda',
    });
  checkSpeedFlags(flags);
  const folder = await locateRun(run, flags.runs);
  const kept = await readCandidates(folder);
  const json = await readRun(folder);
  const { file } = savedStudy(json).options;
  const settings = checked(json.config.settings, SEARCH_SETTINGS, 'run.json: config.settings');
  const { score = settings.score ?? 'paper', tie = settings.tie ?? 'none' } = flags;
  const { energyWeight = settings.energyWeight ?? 0 } = flags;
  const by = { score, tie, energyWeight };
  const pick = (from: CandidatesJson, lambda: number): SavedSelection | undefined =>
    selectSaved(from, lambda, file, by);
  const unlimited = lambdas.map((lambda) => requireCandidate(pick(kept, lambda), folder));
  const fast =
    flags.minSpeed &&
    (await selectFast(session, json, kept, { lambdas, ...flags, limit: flags.minSpeed }, pick));
  if (fast?.selections.includes(undefined)) session.note(speedTable(fast));
  const selections = fast === undefined ? unlimited : requireFast(fast, folder);
  if (planFile !== undefined) await saveFile(planFile, formatPlan(selections[0].plan));
  const { metric, baseline, fp32Bytes, candidates } = kept;
  const { candidates: scored, context } = savedScored(kept, file, by);
  const energies = new Map(scored.map(({ step, energy }) => [step, energy]));
  const intervals = lambdaIntervals(scored, context);
  const value = {
    run: json.id,
    ...{ folder, metric, baseline, fp32Bytes, score, tie },
    ...(context.energy && { modelledEnergy: { ...context.energy, ...ENERGY_SETTING } }),
    ...(fast && { speed: speedJson(fast) }),
    selections: selections.map(({ lambda, saving, candidate }) => ({
      lambda,
      saving,
      ...candidate,
      ...(context.energy && { modelledMicrojoules: energies.get(candidate.step)! }),
    })),
    intervals: intervals.map(({ candidate, from, to }) => ({
      from,
      // The paper's score has no end.
      to: Number.isFinite(to) ? to : null,
      step: candidate.step,
    })),
  };
  const facts = formatFacts([
    ['unquantized', `${formatMetric(metric, baseline)}, ${formatBytes(fp32Bytes)}`],
    ['candidates', String(candidates.length)],
    ['score', scoreText(context)],
    ...energyFacts(context),
    ...(tie === 'one-se' ? [TIE_FACT] : []),
    ...paceFacts(settings),
    ...(fast ? speedFacts(fast) : []),
    ...(planFile === undefined ? [] : [['plan', planFile] as const]),
  ]);
  const ranges = formatTable(
    [...numberColumns('λ from', 'to'), { title: 'plan' }],
    intervals.map(({ candidate, from, to }) => [
      ...[lambdaText(from), lambdaText(to), candidate.own.plan],
    ]),
  );
  const plans = plansOnce(selections).map(({ title, candidate: { bits } }) => ({ title, bits }));
  const bits = planText(planRows(kept.units, plans));
  const shown = selectionTable(kept, selections, energies);
  const ties = savedTies(kept);
  const noise = ties === undefined ? [] : noiseTexts({ selections, ties });
  const speeds = fast === undefined ? [] : [speedTable(fast)];
  const text = [facts, [shown, ...noise].join('\n'), ...speeds, bits, ranges].join('\n\n');
  await session.result(value, text, flags.out);
}

function requireCandidate(selection: SavedSelection | undefined, folder: string): SavedSelection {
  if (selection !== undefined) return selection;
  throw new DataError({
    what: 'no plan of this search keeps its limits',
    where: folder,
    got: 'no candidates',
    expected: 'a search that found some (qslm runs show)',
  });
}

/** @param energies modelled, by step; undefined where the score does not look at them. */
function selectionTable(
  { metric }: CandidatesJson,
  selections: readonly SavedSelection[],
  energies: ReadonlyMap<number, number | undefined>,
): string {
  const energy = selections.some(({ candidate }) => energies.get(candidate.step) !== undefined)
    ? [MODELLED_COLUMN]
    : [];
  return formatTable(
    [
      ...numberColumns('λ', metric, '95 % interval', 'memory', 'saving', ...energy),
      { title: 'plan' },
    ],
    selections.map(({ lambda, candidate, saving }) => {
      const { low, high } = candidate;
      return [
        String(lambda),
        formatMetric(metric, candidate.metric),
        low === null || high === null ? '' : formatInterval(metric, { low, high }),
        formatBytes(candidate.bytes),
        formatPercent(saving),
        ...energy.map(() => energyText(energies.get(candidate.step)!)),
        candidate.plan,
      ];
    }),
  );
}
