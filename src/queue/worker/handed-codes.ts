import { readCodesFrom, schemeId } from '../../quant/calibrated/codes-file.js';
import type { CalibratedCodes } from '../../quant/matrix-values.js';
import type { QuantizedTensor } from '../../quant/quantizer/quantize.js';
import { withoutSample } from '../../quant/quantizer/range.js';
import type { Scheme } from '../../quant/scheme/scheme.js';

/** Paths on this machine, by the name of the scheme. */
export type CodesFilesHere = Readonly<Record<string, string>>;

/**
 * Calibrated integers as files that jobs name by their hash. They are read where they lie and never put among what
 * this machine calibrated itself: whatever a job says, a search of this machine's own is not touched by it.
 */
export class HandedCodes implements CalibratedCodes {
  readonly id = 'handed';
  private files: CodesFilesHere = {};

  /** Of the next plan. */
  take(files: CodesFilesHere): void {
    this.files = files;
  }

  /** @throws {CheckpointError} {QuantError} for a scheme whose integers the job did not name: it has no sample. */
  async of(name: string, shape: readonly number[], scheme: Scheme): Promise<QuantizedTensor> {
    const path = Object.entries(this.files).find(([id]) => id === schemeId(scheme))?.[1];
    if (path === undefined) throw withoutSample(scheme.range, name);
    return readCodesFrom(path, { scheme }, name, shape);
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }
}
