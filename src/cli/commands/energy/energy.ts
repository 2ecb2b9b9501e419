import type { Command } from 'commander';
import { realSavings } from '../../../energy/measured/real-savings.js';
import { isModelled } from '../../../energy/operations.js';
import type { Study } from '../../../experiment/open/study.js';
import { openRun } from '../../../experiment/record/open-run.js';
import type { EnergyRun } from '../../../experiment/runs/energy/energy-run.js';
import {
  measureEnergy,
  type MeasuredEnergy,
} from '../../../experiment/runs/energy/measured-energy.js';
import { BASELINE, type NamedPlan } from '../../../experiment/runs/measure-plans.js';
import { bitsName } from '../../../experiment/runs/uniform.js';
import { energyRecords } from '../../../figures/energy-figures.js';
import { SETTINGS_WITHOUT_RATES } from '../../../figures/energy-run-figures.js';
import { compactPlan, resolvePlan } from '../../../quant/plan.js';
import { quantizerPlan, type QuantizerName } from '../../../quant/quantizers.js';
import { EnergyError, UsageError } from '../../../util/errors.js';
import { formatFacts } from '../../format/table.js';
import type { Host } from '../../host.js';
import { calibrationOption } from '../../options/calibration.js';
import { bitsListOption, positiveInteger, quantizerOption } from '../../options/common.js';
import { backendFor } from '../../options/packed.js';
import type { QueueFlags } from '../../options/queue.js';
import {
  studyFacts,
  withStudy,
  withLocalStudyOptions,
  type StudyFlags,
} from '../../options/study.js';
import { Session } from '../../session.js';
import { energyText, modelledTable } from './text.js';

interface EnergyFlags extends Omit<StudyFlags, keyof QueueFlags> {
  readonly measure?: boolean;
  readonly packed?: boolean;
  readonly plans?: string;
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  readonly repeat: number;
  readonly seed: number;
  readonly idleSeconds: number;
  readonly runSeconds: number;
  readonly nvidiaSmi: string;
  readonly powercap?: string;
}

export function addEnergy(program: Command, host: Host): void {
  const command = program
    .command('energy')
    .description('the energy of plans: modelled from counts, with --measure also read from meters')
    .option('--measure', 'measure with nvidia-smi and RAPL, where they can be read')
    .option(
      '--packed',
      'with --measure: compute with the matrices of plans packed in memory; wasm, SpikeGPT, 1 to 8 bits',
    )
    .option('--plans <run>', 'the plans that a search selected; default: uniform ones of --bits')
    .addOption(bitsListOption('bit widths of uniform plans', [8, 4]))
    .addOption(quantizerOption())
    .addOption(calibrationOption())
    .option('--repeat <count>', 'windows of each plan, at least 2', positiveInteger, 10)
    .option('--seed <number>', 'of the order of plans', positiveInteger, 1)
    .option(
      '--idle-seconds <seconds>',
      'idle time of a repeat, half before and half after',
      positiveInteger,
      5,
    )
    .option('--run-seconds <seconds>', "length of a plan's window", positiveInteger, 5)
    .option('--nvidia-smi <program>', 'the program that tells of cards', 'nvidia-smi')
    .option('--powercap <folder>', 'where Linux has RAPL; default: /sys/class/powercap');
  withLocalStudyOptions(command)
    .addHelpText(
      'after',
      `
Without --measure all numbers are modelled: operations and bits counted times published energies.
Simulated quantization computes in float32 whatever the plan: measured energy can hardly change by it. With
--packed fewer bytes are read; a run of each, joined by \`qslm report\`, says what of the saving is real where.

Examples:
  $ qslm energy spikegpt-mini --bits 8,4
  $ qslm energy spikegpt-mini-sst2 --measure --plans 20260131-174502-9f3a1c --repeat 10
  $ qslm energy spikegpt-mini --measure --packed --bits 8,4`,
    )
    .action((model: string, flags: EnergyFlags) =>
      Session.run(host, flags, (session) =>
        withStudy(session, model, checkedFlags(flags), (study) =>
          energy(session, study, flags, program.args),
        ),
      ),
    );
}

/** The flags with the backend that packed execution has. @throws {UsageError} for flags that do not go together. */
function checkedFlags(flags: EnergyFlags): EnergyFlags {
  const { measure = false, packed = false, repeat } = flags;
  if (measure && repeat < 2)
    throw new UsageError({
      what: 'too few repeats for an interval',
      where: '--repeat',
      got: String(repeat),
      expected: 'at least 2',
    });
  if (packed && !measure)
    throw new UsageError({
      what: 'modelled energy supposes no execution',
      where: '--packed',
      got: 'without --measure',
      expected: '--measure with it',
    });
  return { ...flags, backend: backendFor(flags) };
}

async function energy(
  session: Session,
  study: Study,
  flags: EnergyFlags,
  command: readonly string[],
): Promise<void> {
  session.note(formatFacts(studyFacts(study)));
  const plans = await wantedPlans(study, flags);
  const { file } = study.options;
  const modelled = isModelled(file)
    ? energyRecords(study, modelledRun(study, plans), SETTINGS_WITHOUT_RATES)
    : undefined;
  const measured =
    flags.measure === true ? await measure(session, study, plans, flags, command) : undefined;
  const real = measured?.real ?? realSavings({});
  const value = {
    model: file.name,
    ...(modelled && { modelled }),
    ...(measured && {
      measured: measured.rows,
      ...{ idle: measured.idle, remarks: measured.remarks, absent: measured.absent },
      run: measured.folder,
    }),
    real,
  };
  const text = [
    modelled ? modelledTable(modelled) : `Not modelled: ${file.family.title} counts no operations.`,
    energyText(measured, real),
  ].join('\n\n');
  await session.result(value, text, flags.out);
}

function measure(
  session: Session,
  study: Study,
  plans: readonly NamedPlan[],
  flags: EnergyFlags,
  command: readonly string[],
): Promise<MeasuredEnergy> {
  const { repeat, seed, idleSeconds, runSeconds, runs, nvidiaSmi, powercap, packed } = flags;
  return measureEnergy(study, plans, {
    ...{ repeat, seed, idleSeconds, runSeconds, runs, command, packed },
    look: { nvidia: { command: [nvidiaSmi] }, rapl: { powercap } },
    ...session.run,
  });
}

async function wantedPlans(study: Study, flags: EnergyFlags): Promise<NamedPlan[]> {
  const { hierarchy } = study.options.file;
  if (flags.plans === undefined)
    return flags.bits.map((bits) => ({
      name: bitsName(bits),
      plan: quantizerPlan(flags.quantizer, bits, hierarchy),
    }));
  const run = await openRun(flags.plans, flags.runs);
  const theirs = run.json.config.model.sha256;
  if (theirs !== study.sha256)
    throw new EnergyError({
      what: 'the run is of another model',
      where: run.folder,
      got: `a checkpoint of sha256 ${theirs}`,
      expected: study.sha256,
    });
  if (run.kind !== 'search' || run.selected === undefined)
    throw new EnergyError({
      what: 'the run selected no plan',
      where: run.folder,
      got: `a ${run.kind}`,
      expected: 'a search that found a plan within its limits',
    });
  const { space, selected, settings } = run;
  const plan = compactPlan(space.resolve(selected.candidate.assignment), hierarchy);
  return [{ name: settings.case ?? 'selected plan', plan }];
}

function modelledRun(study: Study, plans: readonly NamedPlan[]): EnergyRun {
  const { file } = study.options;
  return {
    model: file,
    sentenceTokens: 1,
    plans: [BASELINE, ...plans].map(({ name, plan }) => ({
      name,
      plan: resolvePlan(plan, file.hierarchy),
      firingRates: new Map<string, number>(),
    })),
  };
}
