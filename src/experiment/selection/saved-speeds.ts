import { startBackend } from '../../backend/start.js';
import { openDescribed, statedConfig, type ModelDescription } from '../../model/structure.js';
import { withCodes } from '../../quant/matrix-values.js';
import { CheckpointError } from '../../util/errors.js';
import { keptCodes } from '../calibrate/kept-codes.js';
import { savedStudy } from '../record/saved-study.js';
import type { RunJson } from '../record/schema.js';
import { PackedSpeeds, type PackedSpeedOptions } from './packed-speed.js';

/**
 * Opens the model of a run for its speed under packed execution, does `work`, and closes it again.
 *
 * @throws {CheckpointError} where the model is no longer there, or another. {BackendError} {ModelError} where there is
 *   no packed execution.
 */
export async function withSavedSpeeds<T>(
  run: Pick<RunJson, 'config' | 'paths' | 'titles'>,
  options: PackedSpeedOptions,
  work: (speeds: PackedSpeeds, description: ModelDescription) => Promise<T>,
): Promise<T> {
  const { sha256: expected, options: saved } = savedStudy(run);
  await startBackend('wasm');
  const { checkpoint, description } = await openDescribed(
    run.paths.checkpoint,
    statedConfig(saved.file),
  );
  try {
    const found = await checkpoint.sha256();
    if (found !== expected)
      throw new CheckpointError({
        what: 'not the model that was searched',
        where: checkpoint.path,
        got: `sha256 ${found}`,
        expected: `sha256 ${expected}`,
      });
    const { calibration } = run.config;
    const source = withCodes(checkpoint, calibration && keptCodes(calibration.id));
    const speeds = await PackedSpeeds.open(source, description, options);
    try {
      return await work(speeds, description);
    } finally {
      speeds.dispose();
    }
  } finally {
    await checkpoint.close();
  }
}
