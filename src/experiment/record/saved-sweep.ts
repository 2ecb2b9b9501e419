import { join } from 'node:path';
import type { SweepResult } from '../runs/sweep-result.js';
import { checked, readSensitivity } from './folder.js';
import { savedReport, savedSpace, savedStudy, type SavedStudy } from './saved-study.js';
import { RUN_FILE, type RunJson } from './schema.js';
import { SWEEP_SETTINGS } from './sweep-schema.js';

/** A finished sweep, read back from its folder. */
export interface SavedSweep extends SweepResult {
  readonly kind: 'sweep';
  readonly json: RunJson;
  readonly folder: string;
  readonly study: SavedStudy;
}

/** @throws {DataError} for a file that is missing or damaged. */
export async function readSweep(folder: string, json: RunJson): Promise<SavedSweep> {
  const { observed, firingRates, predictors, ...table } = await readSensitivity(folder);
  const { metric, baseline, fp32Bytes, rows } = table;
  const where = `${join(folder, RUN_FILE)}: config.settings`;
  const settings = checked(json.config.settings, SWEEP_SETTINGS, where);
  const study = savedStudy(json);
  const granularity = settings.levels.includes('matrix') ? 'matrix' : 'module';
  return {
    kind: 'sweep',
    json,
    folder,
    study,
    space: savedSpace(study, { granularity, quantizer: settings.quantizer }),
    settings,
    table: { metric, baseline, fp32Bytes, rows },
    ...(observed !== null && { observed }),
    ...(predictors && { predictors }),
    ...(firingRates && {
      firingRates: new Map(firingRates.map(({ layer, steps }) => [layer, steps])),
    }),
    report: savedReport(json),
  };
}
