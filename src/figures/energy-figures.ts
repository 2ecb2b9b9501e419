import { ACCOUNTINGS, type Accounting } from '../energy/accounting.js';
import { modelEnergy } from '../energy/model-energy.js';
import { countOperations, type MatrixProduct } from '../energy/operations.js';
import type { WeightMemory } from '../energy/technology.js';
import type { StepRates } from '../experiment/observe/firing-rates.js';
import type { EnergyRun } from '../experiment/runs/energy/energy-run.js';
import type { MeasuredEnergyRow } from '../experiment/runs/energy/measured-energy.js';
import { blockKind } from '../layout/blocks.js';
import type { ModelStructure } from '../model/structure.js';
import { energyChangeChart, type EnergyChangeOptions } from '../plots/figures/energy-change.js';
import { energyChart } from '../plots/figures/energy.js';
import { operationsChart } from '../plots/figures/operations.js';
import { firingRatesChart } from '../plots/neurons/firing-rates.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type {
  EnergyRecord,
  FiringRateRecord,
  LandscapeRecord,
  OperationRecord,
} from '../plots/records.js';
import { planId } from '../quant/plan.js';
import { groupBy } from '../util/group.js';
import { dataNames, subjectOf, type FigureSubject } from './study-figures.js';

/** The memory that holds the weights, and how often they are read: the assumption that decides most. */
export interface EnergySetting {
  /** For titles: 'DRAM, all weights for every token'. */
  readonly name: string;
  readonly memory: WeightMemory;
  readonly tokensPerRead: number;
  /** All by default. */
  readonly accountings?: readonly Accounting[];
}

/** The modelled energy of plans in some settings, as records; the first plan is the baseline. */
export function energyRecords(
  study: FigureSubject,
  { model, sentenceTokens, plans }: EnergyRun,
  settings: readonly EnergySetting[],
): EnergyRecord[] {
  const subject = subjectOf(study);
  return settings.flatMap(({ name, memory, tokensPerRead, accountings = ACCOUNTINGS }) =>
    plans.flatMap(({ name: plan, plan: resolved, firingRates }) =>
      accountings.map((accounting): EnergyRecord => {
        const conditions = { accounting, memory, tokensPerRead, sentenceTokens, firingRates };
        const { total, weights, origin } = modelEnergy(model, resolved, conditions);
        return {
          ...{ ...subject, plan, accounting, origin, setting: name },
          microjoules: total.middle,
          weightMicrojoules: weights.middle,
          ...(total.low < total.high && { low: total.low, high: total.high }),
        };
      }),
    ),
  );
}

/**
 * Measured energy as records, a meter an accounting: to be drawn beside those of `energyRecords`. A plan
 * whose energy was not measured, or is lost in the noise around idle, has none; nor has any plan of a meter
 * that could not tell the unquantized model's, which all are compared with.
 */
export function measuredRecords(
  study: FigureSubject,
  rows: readonly MeasuredEnergyRow[],
): EnergyRecord[] {
  const subject = subjectOf(study);
  const compared = new Set(
    rows.filter((row) => row.verdict === 'baseline' && isAboveIdle(row)).map(({ meter }) => meter),
  );
  return rows.flatMap((row): EnergyRecord[] => {
    const { origin, plan, meter, execution, backend, joulesPerToken, energyChange: change } = row;
    if (joulesPerToken === undefined || !isAboveIdle(row) || !compared.has(meter)) return [];
    // Without pairs of windows there is no change to be drawn.
    if (row.verdict !== 'baseline' && change === undefined) return [];
    const { value, low, high } = joulesPerToken;
    return [
      {
        ...{ ...subject, plan, origin, accounting: meter },
        setting: `${execution} execution (${backend})`,
        microjoules: value * 1e6,
        low: Math.max(0, low * 1e6),
        high: high * 1e6,
        ...(change && { change: { value: change.value, low: change.low, high: change.high } }),
      },
    ];
  });
}

/** False where a plan's energy is lost in the noise around idle, or was not measured. */
function isAboveIdle({ joulesPerToken }: MeasuredEnergyRow): boolean {
  return joulesPerToken !== undefined && joulesPerToken.value > 0;
}

/** Fig. 10 with a meter: measured, modelled and the paper's, each in panels of its own. @throws as `energyChangeChart`. */
export function measuredEnergyFigure(
  study: FigureSubject,
  rows: readonly MeasuredEnergyRow[],
  modelled: readonly EnergyRecord[],
  options: EnergyChangeOptions = {},
): ChartSpec {
  const records = [...measuredRecords(study, rows), ...modelled];
  return energyChangeChart(records, options, dataNames(study.task));
}

/**
 * A measured plan of a classifier as a point of Fig. 1.
 *
 * @param name 'spikegpt-mini-sst2, 8 bits'
 * @param accuracy on the sentences of `data`, [0, 1]
 * @param data title of the sentences, where they are not those of published models
 */
export function ownLandscapePoint(
  name: string,
  parameters: number,
  accuracy: number,
  row: MeasuredEnergyRow,
  data?: string,
): LandscapeRecord {
  const { bytes, joulesPerToken, origin, meter, machine } = row;
  return {
    ...{ name, kind: 'this project', parameters, accuracy, bytes },
    ...(isAboveIdle(row) && { energy: joulesPerToken!.value * 1e6, energyOrigin: origin }),
    source: `measured here: ${meter}, ${machine}`,
    ...(data !== undefined && { data }),
  };
}

/**
 * A run with identical plans once, their names joined: "a2, a3". The first, which others are compared with,
 * stays alone.
 */
function withoutTwins(run: EnergyRun): EnergyRun {
  const [baseline, ...others] = run.plans;
  const twins = [...groupBy(others, ({ plan }) => planId(plan)).values()];
  const joined = twins.map((members) => ({
    ...members[0],
    name: members.map(({ name }) => name).join(', '),
  }));
  return { ...run, plans: [baseline, ...joined] };
}

/** Energy a token of each plan, identical ones once. @throws {PlotError} as `energyChart`. */
export function energyFigure(
  study: FigureSubject,
  run: EnergyRun,
  settings: readonly EnergySetting[],
): ChartSpec {
  return energyChart(energyRecords(study, withoutTwins(run), settings), dataNames(study.task));
}

/** Fig. 10: the change from the first plan, identical plans once. @throws {PlotError} as `energyChangeChart`. */
export function energyChangeFigure(
  study: FigureSubject,
  run: EnergyRun,
  settings: readonly EnergySetting[],
  options: EnergyChangeOptions = {},
): ChartSpec {
  const records = energyRecords(study, withoutTwins(run), settings);
  return energyChangeChart(records, options, dataNames(study.task));
}

/** Firing rates of each spiking layer at each time step under each plan, as records. */
export function firingRateRecords(study: FigureSubject, { plans }: EnergyRun): FiringRateRecord[] {
  return plans.flatMap(({ name, firingRates, stepRates }) => {
    const rates = [...firingRates].map(
      ([layer, rate]) => [layer, stepRates?.get(layer) ?? [rate]] as const,
    );
    return rateRecords(study, name, new Map(rates));
  });
}

/** Firing rates of one plan as records. */
export function rateRecords(
  study: FigureSubject,
  plan: string,
  rates: StepRates,
): FiringRateRecord[] {
  const { model } = subjectOf(study);
  return [...rates].flatMap(([layer, steps]) =>
    steps.map((rate, at) => ({ model, plan, layer, step: at + 1, rate })),
  );
}

/** Firing rates by layer and time step, identical plans once. @throws {PlotError} as `firingRatesChart`. */
export function firingRatesFigure(study: FigureSubject, run: EnergyRun): ChartSpec {
  return firingRatesChart(firingRateRecords(study, withoutTwins(run)));
}

/** The operations of a token, by part of the model. @throws {PlotError} as `operationsChart`. */
export function operationsFigure(model: OperationsSubject, sentenceTokens = 1): ChartSpec {
  return operationsChart(operationRecords(model, sentenceTokens));
}

type OperationsSubject = Pick<ModelStructure, 'family' | 'config'> & { readonly name: string };

/** Matrices of the same name over all blocks, then the parts that are no matrix product. */
function operationRecords(subject: OperationsSubject, sentenceTokens: number): OperationRecord[] {
  const { name: model } = subject;
  const { products, elementwise } = countOperations(subject, { sentenceTokens });
  const records = new Map<string, OperationRecord>();
  const add = (part: string, kind: OperationRecord['kind'], operations: number): void => {
    const before = records.get(`${part} ${kind}`)?.operations ?? 0;
    records.set(`${part} ${kind}`, { model, part, kind, operations: before + operations });
  };
  for (const product of products) {
    const real = product.spikesOf === undefined;
    add(
      partOf(product),
      real ? 'product of real values' : 'product after spikes',
      2 * product.macs,
    );
  }
  for (const [part, operations] of elementwise)
    for (const count of Object.values<number>({ ...operations })) add(part, 'elementwise', count);
  return [...records.values()].filter(({ operations }) => operations > 0);
}

/** The module's name and the matrix's, "head" of the output block. */
function partOf({ matrix: { path, matrix }, block }: MatrixProduct): string {
  return blockKind(block) === 'output' ? matrix : `${path.split('/')[1]} ${matrix}`;
}
