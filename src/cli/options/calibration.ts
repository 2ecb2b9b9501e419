import { Option } from 'commander';
import { BUNDLED_CALIBRATION } from '../../experiment/open/calibration-sample.js';
import { needsCalibration, type QuantizerName } from '../../quant/quantizers.js';
import { UsageError } from '../../util/errors.js';

/** Flags that say whether a calibration sample is needed, and of what. */
export interface CalibrationFlags {
  readonly calibration?: string | undefined;
  readonly quantizer?: QuantizerName | undefined;
  readonly data?: string | undefined;
  /** A plan may have calibrated schemes whatever the quantizer. */
  readonly plan?: string | undefined;
}

/** @param more what else takes the data. */
export function calibrationOption(more = ''): Option {
  return new Option(
    '--calibration <file>',
    `data that --quantizer gptq or spike-preserving draw their sample from, of the training split; default: the searched part of the bundled samples, none with --data${more}`,
  );
}

/**
 * The data to draw a calibration sample from, where one is needed.
 *
 * @throws {UsageError} where it is and none is named: the data that is measured on is none.
 */
export function calibrationOf({
  calibration,
  quantizer,
  data,
  plan,
}: CalibrationFlags): string | undefined {
  const isNeeded = quantizer !== undefined && needsCalibration(quantizer);
  if (!isNeeded && plan === undefined) return undefined;
  if (calibration !== undefined || !isNeeded) return calibration;
  if (data === undefined) return BUNDLED_CALIBRATION;
  throw new UsageError({
    what: 'the quantizer needs a calibration sample',
    where: '--calibration',
    got: `--quantizer ${quantizer} and no such file`,
    expected: 'data of the training split, in the form of --data',
  });
}
