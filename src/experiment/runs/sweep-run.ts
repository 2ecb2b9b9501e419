import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import { normaliseBits } from '../../search/space.js';
import type { RunOptions } from '../../util/progress.js';
import { withFisher } from '../observe/fisher-column.js';
import { FISHER } from '../observe/fisher-table.js';
import { OBSERVABLES } from '../observe/observables.js';
import { comparePredictors } from '../observe/predictors.js';
import type { Study } from '../open/study.js';
import { csvText } from '../record/csv.js';
import { jsonText } from '../record/folder.js';
import { RunRecord, type RunPlace } from '../record/run-record.js';
import { SENSITIVITY_CSV, SENSITIVITY_JSON } from '../record/schema.js';
import { plainJson } from '../record/search-files.js';
import { SENSITIVITY_FORMAT, type SensitivityJson } from '../record/sweep-schema.js';
import { reportBetween, reportJson, snapshot } from '../record/work-report.js';
import { sensitivityOf } from './sensitivity.js';
import type { SweepResult, SweepSettings } from './sweep-result.js';
import { tellSweepTime } from './time/timed-search.js';

export interface SweepOptions extends RunPlace, RunOptions {
  readonly onRow?: (row: SensitivityRow) => void;
  /** Told with the progress how long it will take, before it begins: by default. */
  readonly estimate?: boolean;
}

export interface SweepRun extends SweepResult {
  readonly id: string;
  readonly folder: string;
  readonly resumed: boolean;
}

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
  { onRow, runs, command, estimate = true, ...asked }: SweepOptions = {},
): Promise<SweepRun> {
  const run = study.tellingPlaces<RunOptions>(asked);
  // Refused before a run is recorded.
  const bits = normaliseBits(settings.bits);
  const before = snapshot(study.evaluator.report());
  const kept = plainJson({ ...settings, bits });
  const record = await RunRecord.begin({ study, kind: 'sweep', settings: kept, runs, command });
  try {
    if (estimate) await tellSweepTime(study, { ...settings, bits }, run);
    const measured = await sensitivityOf(study, settings, { ...run, onRow });
    const found = settings.predictor
      ? await withPredictors(study, settings, measured, run)
      : measured;
    const { table } = found;
    await record.write(SENSITIVITY_CSV, sensitivityCsv(table, settings));
    await record.write(SENSITIVITY_JSON, jsonText(sensitivityJson(found)));
    const report = reportBetween(before, study.evaluator.report());
    const { metric, baseline, rows } = table;
    const summary = { metric, baseline: baseline.metric, rows: rows.length };
    await record.finish(
      { ...summary, observed: found.observed ?? null },
      reportJson(report),
      summary,
    );
    const { id, folder, resumed } = record;
    return { id, folder, resumed, settings, report, ...found };
  } catch (error) {
    await record.fail(error).catch(() => undefined);
    throw error;
  }
}

type Swept = Pick<SweepResult, 'table' | 'space' | 'observed' | 'firingRates' | 'predictors'>;

/** The table with the column of gradients, and its figures as predictors of the loss. */
async function withPredictors(
  study: Study,
  { calibration }: SweepSettings,
  measured: Swept,
  run: RunOptions,
): Promise<Swept> {
  const { space } = measured;
  const { table, work } = await withFisher(study, space, measured.table, calibration, run);
  const predictors = await comparePredictors(study, space, table, work, run);
  return { ...measured, table, predictors };
}

function sensitivityCsv({ rows }: SensitivityTable, { predictor }: SweepSettings): string {
  const figures = [...OBSERVABLES, ...(predictor ? [FISHER] : [])];
  return csvText(
    ['level', 'unit', 'bits', 'metric', 'low', 'high', 'loss', 'bytes', ...figures],
    rows.map(({ level, unit, bits, metric, loss, bytes, extras }) => [
      level,
      unit,
      bits,
      metric,
      extras?.low,
      extras?.high,
      loss,
      bytes,
      ...figures.map((name) => extras?.[name]),
    ]),
  );
}

function sensitivityJson({ table, observed, firingRates, predictors }: Swept): SensitivityJson {
  const { rows, ...rest } = table;
  const rates =
    firingRates && [...firingRates].map(([layer, steps]) => ({ layer, steps: [...steps] }));
  return {
    ...{ format: SENSITIVITY_FORMAT, observed: observed ?? null, ...rest, rows: [...rows] },
    ...(rates && { firingRates: rates }),
    ...(predictors && { predictors: { ...predictors, results: [...predictors.results] } }),
  };
}
