import { Option, type Command } from 'commander';
import { FISHER } from '../../experiment/observe/fisher-table.js';
import type { PredictorComparison } from '../../experiment/observe/predictors.js';
import type { Study } from '../../experiment/open/study.js';
import { runSweep } from '../../experiment/runs/sweep-run.js';
import { PRECISION_LIST } from '../../experiment/runs/uniform.js';
import { speedsByPlan } from '../../experiment/scoring/speeds.js';
import { requireMembranes } from '../../model/observe.js';
import { planId } from '../../quant/plan.js';
import { needsCalibration, type QuantizerName } from '../../quant/quantizers.js';
import { rowAssignment, type SensitivityRow } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import { formatMetric, type MetricName } from '../../tasks/metrics/metrics.js';
import { UsageError } from '../../util/errors.js';
import { formatFixed, formatPercent } from '../../util/format.js';
import { runJson } from '../format/json.js';
import { predictorCaption, predictorGrid } from '../format/predictors.js';
import { metricCell, unitGrid } from '../format/run-tables.js';
import { formatFacts, formatTable } from '../format/table.js';
import { SPEED_COLUMN, speedText, workFacts } from '../format/work-facts.js';
import type { Host } from '../host.js';
import { calibrationOption } from '../options/calibration.js';
import { bitsListOption, quantizerOption } from '../options/common.js';
import { studyFacts, withStudy, withStudyOptions, type StudyFlags } from '../options/study.js';
import { asOneBar } from '../run-progress.js';
import { Session } from '../session.js';

/** Figures that a table can show. */
const FIGURES = ['metric', 'kl', 'flips', 'sqnr', 'drift', 'fisher', 'speed'] as const;
type Figure = (typeof FIGURES)[number];
const LEVELS = ['block', 'module', 'matrix'] as const;

interface SweepFlags extends StudyFlags {
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  readonly level: readonly Exclude<Level, 'global'>[];
  readonly observe: boolean;
  readonly predictor?: 'fisher';
  readonly calibration?: string;
  readonly show: Figure;
}

export function addSweep(program: Command, host: Host): void {
  const command = program
    .command('sweep')
    .description('measure how sensitive each block and module is: one at a time, at each bit width')
    .addOption(bitsListOption('bit widths, 1 to 16', PRECISION_LIST))
    .addOption(quantizerOption())
    .addOption(
      calibrationOption(
        '; --predictor fisher takes gradients on it, by default on the first of the data that is swept',
      ),
    )
    .addOption(
      new Option('--level <levels...>', 'what is quantized alone')
        .choices(LEVELS)
        .default(['block', 'module']),
    )
    .option('--no-observe', 'the metric only: no KL divergence, spike flips, SQNR, membrane drift')
    .addOption(
      new Option(
        '--predictor <name>',
        'fisher: the rise of the NLL that gradients predict too, and all figures beside each other as predictors of the loss',
      ).choices(['fisher']),
    )
    .addOption(
      new Option('--show <figure>', 'what the tables show; the files have all')
        .choices(FIGURES)
        .default('metric'),
    );
  withStudyOptions(command)
    .addHelpText(
      'after',
      `
KL divergence of the outputs from the unquantized model's (nats) and the share of spikes that flip are
taken from the first 200 sentences, or the first windows of a text; the drift of membrane potentials (relative
to the unquantized model's, mean over layers) from the first 16 sentences, or the first 1,024 positions.

Examples:
  $ qslm sweep spikegpt-mini-sst2 --limit 100
  $ qslm sweep spikegpt-mini --level matrix --bits 8,4 --show flips
  $ qslm sweep spikegpt-mini-sst2 --predictor fisher`,
    )
    .action((model: string, flags: SweepFlags) =>
      Session.run(host, flags, (session) =>
        withStudy(session, model, flags, (study) => sweep(session, study, flags, program.args)),
      ),
    );
}

async function sweep(
  session: Session,
  study: Study,
  flags: SweepFlags,
  command: readonly string[],
): Promise<void> {
  const { metric } = study.task;
  session.note(formatFacts(studyFacts(study)));
  const { bits, quantizer, observe: observables, predictor } = flags;
  requirePredictor(flags);
  if (flags.show === 'drift') requireMembranes({ description: study.options.file });
  const levels = LEVELS.filter((level) => flags.level.includes(level));
  // With another quantizer the file is its sample alone.
  const calibration = predictor === undefined ? undefined : flags.calibration;
  const settings = { bits, quantizer, levels, observables, predictor, calibration };
  const run = await runSweep(study, settings, {
    runs: flags.runs,
    command,
    onProgress: asOneBar(session.onProgress, metric, (text) => {
      session.note(text);
    }),
    signal: session.signal,
  });
  if (run.resumed) session.note('taken up where it was interrupted');
  const { table, folder } = run;
  const { storedBits } = study.space({ granularity: 'module', quantizer });
  const titles = {
    metric,
    kl: 'KL, nats',
    flips: 'spike flips',
    sqnr: 'SQNR, dB',
    drift: 'membrane drift',
    fisher: 'rise of the NLL by gradients, nats',
    speed: SPEED_COLUMN,
  };
  const speeds = speedsByPlan(run.report.speeds);
  const speedAt = (row: SensitivityRow): string =>
    speedText(speeds.get(planId(run.space.resolve(rowAssignment(run.space, row)))));
  const tables = levels.map((level) => {
    const title = `${level}, ${titles[flags.show]}`;
    const show = (row: SensitivityRow): string =>
      flags.show === 'speed' ? speedAt(row) : figureOf(row, flags.show, metric);
    const { columns, rows } = unitGrid({ table, level, storedBits }, title, show);
    return formatTable(columns, rows);
  });
  const observed = run.observed === undefined ? [] : [['observed', run.observed] as const];
  const facts = formatFacts([
    ['unquantized', formatMetric(metric, table.baseline.metric)],
    ...observed,
    ...workFacts(run.report),
    ['run', folder],
  ]);
  const { predictors } = run;
  const value = { ...(await runJson(folder)), rows: table.rows, ...(predictors && { predictors }) };
  if (predictors) tables.push(predictorText(predictors, metric));
  await session.result(value, [...tables, facts].join('\n\n'), flags.out);
}

/** @throws {UsageError} for options that would do nothing without gradients. */
function requirePredictor({ predictor, quantizer, calibration, show }: SweepFlags): void {
  if (predictor !== undefined) return;
  const isIdle = calibration !== undefined && !needsCalibration(quantizer);
  if (!isIdle && show !== 'fisher') return;
  const idle = isIdle ? '--calibration' : '--show';
  throw new UsageError({
    what: 'no gradients are taken',
    where: idle,
    got: isIdle ? calibration : show,
    expected: `--predictor fisher, or a sweep without ${idle}`,
  });
}

function predictorText(comparison: PredictorComparison, metric: MetricName): string {
  const { columns, rows } = predictorGrid(comparison, metric);
  return `${predictorCaption(comparison)}\n${formatTable(columns, rows)}`;
}

function figureOf(row: SensitivityRow, show: Exclude<Figure, 'speed'>, metric: MetricName): string {
  const { extras } = row;
  const or = (figure: number | undefined, format: (figure: number) => string): string =>
    figure === undefined ? '' : format(figure);
  switch (show) {
    case 'metric':
      return metricCell(metric, row.metric);
    case 'kl':
      return or(extras?.klDivergence, (nats) => nats.toPrecision(2));
    case 'flips':
      return or(extras?.flipRate, (share) => formatPercent(share, 2));
    case 'drift':
      return or(extras?.membraneDrift, (share) => formatPercent(share, 2));
    case 'fisher':
      return or(extras?.[FISHER], (nats) => nats.toPrecision(2));
    case 'sqnr':
      return or(extras?.sqnr, (db) => (Number.isFinite(db) ? formatFixed(db, 1) : '∞'));
  }
}
