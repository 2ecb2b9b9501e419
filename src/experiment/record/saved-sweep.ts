import { join } from 'node:path';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import type { EvaluatorReport } from '../scoring/evaluator.js';
import type { ModelSpace } from '../open/model-space.js';
import type { RunJson } from './run-record.js';
import { readJson, requireFormat } from './saved-run.js';
import { savedReport, savedSpace, savedStudy, type SavedStudy } from './saved-study.js';
import { SENSITIVITY_FORMAT, SENSITIVITY_JSON, type SweepSettings } from '../runs/sweep-run.js';

/** A finished sweep, read back from its folder. */
export interface SavedSweep {
  readonly kind: 'sweep';
  readonly json: RunJson;
  readonly folder: string;
  readonly study: SavedStudy;
  readonly space: ModelSpace;
  readonly settings: SweepSettings;
  readonly table: SensitivityTable;
  /** What the observables were taken from: "first 200 sentences". */
  readonly observed?: string;
  readonly report: EvaluatorReport;
}

/** A row as it is kept: numbers that are none are null. */
type RowJson = Omit<SensitivityRow, 'metric' | 'loss'> & {
  readonly metric: number | null;
  readonly loss: number | null;
};

/** @throws {DataError} for a file that is missing or damaged. */
export async function readSweep(folder: string, json: RunJson): Promise<SavedSweep> {
  const path = join(folder, SENSITIVITY_JSON);
  const file = await readJson(path);
  requireFormat(file, SENSITIVITY_FORMAT, path);
  const { observed, metric, baseline, fp32Bytes, rows } = file as Omit<SensitivityTable, 'rows'> & {
    readonly observed: string | null;
    readonly rows: readonly RowJson[];
  };
  const study = savedStudy(json);
  const { settings } = json.config as unknown as { readonly settings: SweepSettings };
  const granularity = settings.levels.includes('matrix') ? 'matrix' : 'module';
  return {
    kind: 'sweep',
    json,
    folder,
    study,
    space: savedSpace(study, { granularity, quantizer: settings.quantizer }),
    settings,
    table: {
      metric,
      baseline,
      fp32Bytes,
      // JSON has no NaN: a plan that broke the model.
      rows: rows.map((row) => ({ ...row, metric: row.metric ?? NaN, loss: row.loss ?? NaN })),
    },
    ...(observed !== null && { observed }),
    report: savedReport(json),
  };
}
