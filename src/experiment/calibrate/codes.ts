import { stat } from 'node:fs/promises';
import { backendIdentity, type BackendName } from '../../backend/start.js';
import { codesPath, readCodes, writeCodes } from '../../quant/calibrated/codes-file.js';
import type { CalibratedCodes } from '../../quant/matrix-values.js';
import type { ResolvedPlan } from '../../quant/plan.js';
import type { QuantizedTensor } from '../../quant/quantizer/quantize.js';
import { schemeToJson } from '../../quant/scheme/scheme-json.js';
import { calibratedBy, type Scheme } from '../../quant/scheme/scheme.js';
import type { Task } from '../../tasks/task.js';
import { sha256 } from '../../util/hash.js';
import { canonicalJson } from '../../util/json.js';
import type { RunOptions } from '../../util/progress.js';
import { calibrate, type CalibratedModel } from './calibrate.js';
import { CALIBRATION_TOKENS, calibrationSample } from './sample.js';

/** Raise when the integers that a calibration finds change: those kept before do not count. */
const CALIBRATION_VERSION = 1;

/**
 * The calibrated integers of one checkpoint and one sample. They are found when a plan first needs them, on
 * the running backend, and kept on disk from then on for every thread and run.
 */
export class SampleCodes implements CalibratedCodes {
  private readonly atWork = new Map<string, Promise<void>>();

  private constructor(
    readonly id: string,
    private readonly file: CalibratedModel,
    private readonly task: Task,
  ) {}

  /** @param task of which the sample is drawn, as data; no metric of it is looked at. */
  static async open(file: CalibratedModel, task: Task, backend: BackendName): Promise<SampleCodes> {
    const identity = {
      version: CALIBRATION_VERSION,
      checkpoint: await file.checkpoint.sha256(),
      variant: file.family.variant(file.config),
      data: task.id,
      tokens: CALIBRATION_TOKENS,
      backend: backendIdentity(backend),
    };
    return new SampleCodes(sha256(canonicalJson(identity)).slice(0, 16), file, task);
  }

  /** The sample, for people. */
  get source(): string {
    return this.task.source;
  }

  async of(name: string, shape: readonly number[], scheme: Scheme): Promise<QuantizedTensor> {
    await this.ensure(scheme, {});
    return readCodes(this.id, scheme, name, shape);
  }

  async prepare(plan: ResolvedPlan, options: RunOptions = {}): Promise<void> {
    for (const scheme of plan.values())
      if (calibratedBy(scheme) !== undefined) await this.ensure(scheme, options);
  }

  /** Calibrates unless the integers are kept. Callers that come meanwhile wait for the first. */
  private async ensure(scheme: Scheme, options: RunOptions): Promise<void> {
    const key = canonicalJson(schemeToJson(scheme));
    const under = this.atWork.get(key);
    if (under !== undefined) return under;
    const work = this.find(scheme, options);
    this.atWork.set(key, work);
    try {
      await work;
    } catch (error) {
      // What was aborted, or could not be written, may go through next time.
      this.atWork.delete(key);
      throw error;
    }
  }

  private async find(scheme: Scheme, options: RunOptions): Promise<void> {
    const kept = await stat(codesPath(this.id, scheme)).catch(() => undefined);
    if (kept !== undefined) return;
    const codes = await calibrate(this.file, calibrationSample(this.task), scheme, options);
    await writeCodes(this.id, scheme, codes);
  }
}
