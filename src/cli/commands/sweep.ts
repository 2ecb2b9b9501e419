import { Option, type Command } from 'commander';
import type { ModelSpace } from '../../experiment/open/model-space.js';
import { runSweep, type SweepRun } from '../../experiment/runs/sweep-run.js';
import { PRECISION_LIST } from '../../experiment/runs/uniform.js';
import type { SensitivityRow } from '../../search/sensitivity.js';
import type { Level } from '../../search/space.js';
import type { MetricName } from '../../tasks/metrics/metrics.js';
import type { Host } from '../host.js';
import { formatMetric } from '../../tasks/metrics/metrics.js';
import { formatFixed, formatPercent } from '../../util/format.js';
import { bitWidths } from '../options/common.js';
import type { QuantizerName } from '../../quant/quantizers.js';
import { quantizerOption } from '../options/common.js';
import { asOneBar } from '../run-progress.js';
import { storedLabel } from '../format/run-tables.js';
import { Session } from '../session.js';
import { studyFacts, withStudy, withStudyOptions, type StudyFlags } from '../options/study.js';
import { formatFacts, formatTable } from '../format/table.js';
import { workFacts } from '../format/work-facts.js';
import { readJson } from '../../experiment/record/folder.js';
import { join } from 'node:path';
import { RUN_FILE } from '../../experiment/record/schema.js';
import type { Study } from '../../experiment/open/study.js';

/** What a table can show. */
const FIGURES = ['metric', 'kl', 'flips', 'sqnr'] as const;
type Figure = (typeof FIGURES)[number];
const LEVELS = ['block', 'module', 'matrix'] as const;

interface SweepFlags extends StudyFlags {
  readonly bits: readonly number[];
  readonly quantizer: QuantizerName;
  readonly level: readonly Exclude<Level, 'global'>[];
  readonly observe: boolean;
  readonly show: Figure;
}

export function addSweep(program: Command, host: Host): void {
  const command = program
    .command('sweep')
    .description('measure how sensitive each block and module is: one at a time, at each bit width')
    .option('--bits <widths>', 'bit widths, 1 to 16', bitWidths, [...PRECISION_LIST])
    .addOption(quantizerOption())
    .addOption(
      new Option('--level <levels...>', 'what is quantized alone')
        .choices(LEVELS)
        .default(['block', 'module']),
    )
    .option('--no-observe', 'the metric only: no KL divergence, spike flips, SQNR')
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
taken from the first 200 sentences, or the first windows of a text.

Examples:
  $ qslm sweep spikegpt-mini-sst2 --limit 100
  $ qslm sweep spikegpt-mini --level matrix --bits 8,4 --show flips`,
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
  const settings = {
    bits: flags.bits,
    quantizer: flags.quantizer,
    levels: LEVELS.filter((level) => flags.level.includes(level)),
    observables: flags.observe,
  };
  const run = await runSweep(study, settings, {
    runs: flags.runs,
    command,
    onProgress: asOneBar(session.onProgress, metric),
    signal: session.signal,
  });
  if (run.resumed) session.note('taken up where it was interrupted');
  const space = study.space({ granularity: 'module', quantizer: settings.quantizer });
  const tables = settings.levels.map((level) => tableOf(run, space, level, flags.show, metric));
  const observed = run.observed === undefined ? [] : [['observed', run.observed] as const];
  const facts = formatFacts([
    ['unquantized', formatMetric(metric, run.table.baseline.metric)],
    ...observed,
    ...workFacts(run.report),
    ['run', run.folder],
  ]);
  const value = {
    ...((await readJson(join(run.folder, RUN_FILE))) as object),
    folder: run.folder,
    rows: run.table.rows,
  };
  await session.result(value, [...tables, facts].join('\n\n'), flags.out);
}

/** Units down, bit widths across. */
function tableOf(
  { table }: SweepRun,
  space: Pick<ModelSpace, 'storedBits'>,
  level: Level,
  show: Figure,
  metric: MetricName,
): string {
  const rows = table.rows.filter((row) => row.level === level);
  const units = [...new Set(rows.map(({ unit }) => unit))];
  const widths = [...new Set(rows.map(({ bits }) => bits))];
  const cell = (unit: string, bits: number): string => {
    const row = rows.find((one) => one.unit === unit && one.bits === bits);
    return row === undefined ? '' : figureOf(row, show, metric);
  };
  const titles = { metric, kl: 'KL, nats', flips: 'spike flips', sqnr: 'SQNR, dB' };
  return formatTable(
    [
      { title: `${level}, ${titles[show]}` },
      ...widths.map((bits) => ({ title: `${bits} bits`, align: 'right' as const })),
    ],
    units.map((unit) => [
      storedLabel(unit, widths, space.storedBits),
      ...widths.map((bits) => cell(unit, bits)),
    ]),
  );
}

function figureOf(
  { metric: value, extras }: SensitivityRow,
  show: Figure,
  metric: MetricName,
): string {
  const or = (figure: number | undefined, format: (figure: number) => string): string =>
    figure === undefined ? '' : format(figure);
  switch (show) {
    case 'metric':
      return Number.isNaN(value) ? 'broken' : formatMetric(metric, value);
    case 'kl':
      return or(extras?.klDivergence, (nats) => nats.toPrecision(2));
    case 'flips':
      return or(extras?.flipRate, (share) => formatPercent(share, 2));
    case 'sqnr':
      return or(extras?.sqnr, (db) => (Number.isFinite(db) ? formatFixed(db, 1) : '∞'));
  }
}
