import {
  measureWindows,
  type MeasuredWindows,
  type PlanToMeasure,
  type ProcedureOptions,
} from '../../../energy/measured/procedure.js';
import {
  executionOf,
  realSavings,
  type RealSaving,
} from '../../../energy/measured/real-savings.js';
import { summariseWindows, type MeasuredRow } from '../../../energy/measured/summary.js';
import { findMeters, type MeterOptions } from '../../../energy/meters/find.js';
import type { AbsentMeter, Meters } from '../../../energy/meters/meter.js';
import { LoadedModel } from '../../../model/loaded-model.js';
import { packedSetter } from '../../../model/packed/packed-weights.js';
import { footprintOf } from '../../../quant/footprint.js';
import { planToJson } from '../../../quant/plan-json.js';
import { compactPlan, planId, resolvePlan, type ResolvedPlan } from '../../../quant/plan.js';
import { describeMachine } from '../../../store/machine.js';
import { EnergyError } from '../../../util/errors.js';
import type { Json } from '../../../util/json.js';
import type { RunOptions } from '../../../util/progress.js';
import type { Study } from '../../open/study.js';
import { jsonText } from '../../record/folder.js';
import { RunRecord, type RunPlace } from '../../record/run-record.js';
import { plainJson } from '../../record/search-files.js';
import { reportBetween, reportJson, snapshot } from '../../record/work-report.js';
import { PlanApplier } from '../../scoring/plan-applier.js';
import { BASELINE, type NamedPlan } from '../measure-plans.js';

export const ENERGY_JSON = 'energy.json';
export const ENERGY_FORMAT = 'qslm-energy/1';

/** All that decides a measurement, beside the machine. */
export type MeasureEnergySettings = Pick<
  ProcedureOptions,
  'repeat' | 'seed' | 'idleSeconds' | 'settleSeconds' | 'runSeconds'
>;

export interface MeasureEnergyOptions extends MeasureEnergySettings, RunPlace, RunOptions {
  /**
   * True computes with the matrices of plans packed in memory (`wasm`, SpikeGPT); those of the unquantized model are
   * float32 beside them. False by default.
   */
  readonly packed?: boolean | undefined;
  /** Where meters are looked for. */
  readonly look?: MeterOptions | undefined;
  /** Meters at hand, which stay open, in place of those that are found. */
  readonly meters?: Meters | undefined;
  /** For tests, as in `ProcedureOptions`. */
  readonly procedure?: Pick<ProcedureOptions, 'clock' | 'rest' | 'load'> | undefined;
}

/** A measured plan by one meter, with all that its number is a number of. */
export interface MeasuredEnergyRow extends MeasuredRow {
  readonly execution: ReturnType<typeof executionOf>;
  readonly backend: string;
  readonly machine: string;
  readonly task: string;
  readonly model: string;
  /** Footprint of the plan, as it would be packed. */
  readonly bytes: number;
  /** The task's metric under the plan, from its windows; absent of a run of an earlier version. */
  readonly metric?: number;
}

/** A measurement of energy that is through, as it is kept in a run's folder. */
export interface MeasuredEnergy {
  readonly id: string;
  readonly folder: string;
  readonly rows: readonly MeasuredEnergyRow[];
  readonly idle: ReturnType<typeof summariseWindows>['idle'];
  readonly remarks: readonly string[];
  readonly absent: readonly AbsentMeter[];
  readonly windows: MeasuredWindows;
  /** The parts of the saving that are real, by execution. */
  readonly real: readonly RealSaving[];
}

/**
 * Measures the energy of plans on the study's search data with the meters of this machine, against the
 * unquantized model: see `measureWindows`. Every window computes the whole task anew, in this thread; no
 * acceleration takes part. With `packed` a row of the unquantized model is of float32 products all the same. Rows, windows and meters are kept in the run's folder (`energy.json`), the rows
 * also with the run in the store.
 *
 *     const { rows } = await measureEnergy(study, [{ name: '8 bits', plan }]);
 *     table(rows);
 *
 * @throws {EnergyError} where no meter can be read, with the reason of each: nothing is recorded then.
 *   {QuantError} for a plan that does not fit; with `packed` also for a scheme without packed products, {ModelError}
 *   and {BackendError} for a family and a backend without. {AbortedError} between windows.
 */
export async function measureEnergy(
  study: Study,
  plans: readonly NamedPlan[],
  options: MeasureEnergyOptions = {},
): Promise<MeasuredEnergy> {
  const { repeat = 10, seed = 1, idleSeconds = 5, runSeconds = 5 } = options;
  const { settleSeconds = Math.min(2, idleSeconds) } = options;
  const { look, runs, command, onProgress, signal, procedure, packed = false } = options;
  const run: RunOptions = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
  const { file, backend } = study.options;
  const named = [BASELINE, ...plans].map(({ name, plan }) => ({
    name,
    plan: resolvePlan(plan, file.hierarchy),
  }));
  const found = options.meters ?? (await findMeters(look));
  let model: LoadedModel | undefined;
  try {
    requireMeter(found);
    model = await LoadedModel.load(file.checkpoint, { description: file }, run);
    const applier = applierOf(model, file.checkpoint, packed);
    // Before anything is recorded: not every scheme has a packed product.
    if (packed) for (const { plan } of named) await applier.apply(plan, run);
    const before = snapshot(study.evaluator.report());
    const settings = {
      ...{ repeat, seed, idleSeconds, settleSeconds, runSeconds },
      plans: named.map(({ name, plan }) => ({ name, plan: planId(plan) })),
      ...(packed && { packed }),
    };
    const record = await RunRecord.begin({ study, kind: 'energy', settings, runs, command });
    try {
      const metrics = new Map<string, number>();
      const options = { ...settings, ...procedure, ...run };
      const plans = plansToMeasure(study, named, { model, applier }, metrics, run.signal);
      const windows = await measureWindows(found.meters, plans, options);
      const { rows: numbers, idle, remarks } = summariseWindows(windows);
      const execution = executionOf(backend.name, packed);
      const common = { execution, backend: backend.name, machine: describeMachine() };
      const rows = numbers.map((row): MeasuredEnergyRow => {
        const { plan } = named.find(({ name }) => name === row.plan)!;
        const bytes = footprintOf(file.hierarchy, plan).total;
        const about = { task: study.task.name, model: file.name, bytes };
        return { ...row, ...common, ...about, metric: metrics.get(row.plan)! };
      });
      const { meters, absent } = found;
      const kept = meters.map(({ name, source, covers, resolution }) => ({
        ...{ name, source, covers, resolution },
      }));
      const plansKept = named.map(({ name, plan }) => ({
        ...{ name, plan: planToJson(compactPlan(plan, file.hierarchy)) },
      }));
      const whole = {
        format: ENERGY_FORMAT,
        origin: 'measured',
        meters: kept,
        absent,
        idle,
        remarks,
      };
      const { windows: each, passes } = windows;
      await record.write(
        ENERGY_JSON,
        jsonText({ ...whole, rows, plans: plansKept, passes, windows: each }),
      );
      const report = reportBetween(before, study.evaluator.report());
      const summary = plainJson({ origin: 'measured', rows }) as { readonly [key: string]: Json };
      await record.finish(plainJson({ ...whole, rows }), reportJson(report), summary);
      const { id, folder } = record;
      const real = realSavings({ [execution]: rows });
      return { id, folder, rows, idle, remarks, absent, windows, real };
    } catch (error) {
      await record.fail(error).catch(() => undefined);
      throw error;
    }
  } finally {
    model?.dispose();
    if (options.meters === undefined) await found.close();
  }
}

function requireMeter({ meters, absent }: Meters): void {
  if (meters.length > 0) return;
  const reasons = absent.map(({ name, reason, needed }) =>
    needed === undefined ? `${name}: ${reason}` : `${name}: ${reason} (needs ${needed})`,
  );
  throw new EnergyError({
    what: 'no power meter can be read, so nothing was measured',
    where: 'measured energy',
    got: reasons.join('; '),
    expected: 'nvidia-smi with a card that states its power, or RAPL counters that may be read',
  });
}

type NamedResolved = { readonly name: string; readonly plan: ResolvedPlan };

function applierOf(
  model: LoadedModel,
  checkpoint: Study['options']['file']['checkpoint'],
  packed: boolean,
): PlanApplier {
  return new PlanApplier(model, checkpoint, packed ? packedSetter(model) : undefined);
}

function plansToMeasure(
  { task }: Pick<Study, 'task'>,
  named: readonly NamedResolved[],
  { model, applier }: { readonly model: LoadedModel; readonly applier: PlanApplier },
  metrics: Map<string, number>,
  signal: AbortSignal | undefined,
): PlanToMeasure[] {
  const quiet: RunOptions = signal ? { signal } : {};
  return named.map(({ name, plan }) => ({
    name,
    prepare: async () => {
      await applier.apply(plan, quiet);
    },
    evaluate: async () => {
      const { value, tokens } = await task.evaluate(model, quiet);
      metrics.set(name, value);
      return tokens;
    },
  }));
}
