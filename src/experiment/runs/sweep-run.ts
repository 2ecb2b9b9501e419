import {
  measureSensitivity,
  type SensitivityRow,
  type SensitivityTable,
} from '../../search/sensitivity.js';
import { normaliseBits, type Level } from '../../search/space.js';
import type { RunOptions } from '../../util/progress.js';
import { csvText } from '../record/csv.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import { OBSERVABLES } from '../observe/observables.js';
import { ObservedEvaluate } from '../observe/observed-evaluate.js';
import { jsonText, RunRecord, type RunPlace } from '../record/run-record.js';
import type { SpaceSettings, Study } from '../open/study.js';
import { reportBetween, reportJson, snapshot } from '../record/work-report.js';

/** What a sweep measures. */
export interface SweepSettings extends Pick<SpaceSettings, 'quantizer'> {
  readonly bits: readonly number[];
  readonly levels: readonly Exclude<Level, 'global'>[];
  /** Whether to look into the model too: KL divergence, spike flips, SQNR. */
  readonly observables: boolean;
}

export interface SweepOptions extends RunPlace, RunOptions {
  readonly onRow?: (row: SensitivityRow) => void;
}

export interface SweepRun {
  readonly id: string;
  readonly folder: string;
  readonly resumed: boolean;
  readonly settings: SweepSettings;
  readonly table: SensitivityTable;
  /** What the observables were taken from: "first 200 sentences". */
  readonly observed?: string;
  readonly report: EvaluatorReport;
}

/** Files of a sweep's folder, beside `run.json`. */
export const SENSITIVITY_CSV = 'sensitivity.csv';
export const SENSITIVITY_JSON = 'sensitivity.json';
export const SENSITIVITY_FORMAT = 'qslm-sensitivity/1';

/**
 * Measures each block, module or matrix alone at each bit width, everything else unquantized: the task's
 * metric, and what happens inside the model. All of it is kept in the store; the table is written to the
 * run's folder.
 *
 * @throws {SearchError} for bad bit widths. {AbortedError} when the signal fires: run again to go on.
 */
export async function runSweep(
  study: Study,
  settings: SweepSettings,
  { onRow, runs, command, ...run }: SweepOptions = {},
): Promise<SweepRun> {
  // Refused before a run is recorded.
  const bits = normaliseBits(settings.bits);
  const before = snapshot(study.evaluator.report());
  const record = await RunRecord.begin({
    study,
    kind: 'sweep',
    settings: { ...settings, bits },
    runs,
    command,
  });
  try {
    const { table, observed } = await sensitivityOf(study, settings, { ...run, onRow });
    await record.write(SENSITIVITY_CSV, sensitivityCsv(table));
    await record.write(SENSITIVITY_JSON, jsonText(sensitivityJson(table, observed)));
    const report = reportBetween(before, study.evaluator.report());
    const { metric, baseline, rows } = table;
    const summary = { metric, baseline: baseline.metric, rows: rows.length };
    await record.finish({ ...summary, observed: observed ?? null }, reportJson(report), summary);
    const { id, folder, resumed } = record;
    return { id, folder, resumed, settings, table, report, ...(observed && { observed }) };
  } catch (error) {
    await record.fail(error).catch(() => undefined);
    throw error;
  }
}

interface SensitivityOptions extends RunOptions {
  readonly onRow?: ((row: SensitivityRow) => void) | undefined;
}

/** A sensitivity table of a study, outside of any run. */
export async function sensitivityOf(
  study: Study,
  { bits, levels, quantizer, observables }: SweepSettings,
  { onRow, onProgress, signal }: SensitivityOptions = {},
): Promise<{ table: SensitivityTable; observed?: string }> {
  const granularity = levels.includes('matrix') ? 'matrix' : 'module';
  const space = study.space({ granularity, quantizer });
  const watched = observables ? new ObservedEvaluate(study, space) : undefined;
  try {
    const table = await measureSensitivity(
      space,
      watched?.evaluate ?? study.evaluator.evaluateIn(space),
      {
        metric: study.task.metric,
        bits,
        levels,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
        ...(onRow && { onRow }),
      },
    );
    return { table, ...(watched && { observed: watched.description }) };
  } finally {
    await watched?.close();
  }
}

function sensitivityCsv({ rows }: SensitivityTable): string {
  return csvText(
    ['level', 'unit', 'bits', 'metric', 'low', 'high', 'loss', 'bytes', ...OBSERVABLES],
    rows.map(({ level, unit, bits, metric, loss, bytes, extras }) => [
      level,
      unit,
      bits,
      metric,
      extras?.low,
      extras?.high,
      loss,
      bytes,
      ...OBSERVABLES.map((name) => extras?.[name]),
    ]),
  );
}

function sensitivityJson(table: SensitivityTable, observed: string | undefined): object {
  return { format: SENSITIVITY_FORMAT, observed: observed ?? null, ...table };
}
