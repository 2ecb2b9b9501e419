import { isModelled } from '../energy/operations.js';
import type { SavedEnergy } from '../experiment/runs/energy/saved-energy.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { LandscapeRecord, PaperPowerRecord } from '../plots/records.js';
import { resolvePlan } from '../quant/plan.js';
import {
  energyRecords,
  measuredEnergyFigure,
  measuredRecords,
  ownLandscapePoint,
  type EnergySetting,
} from './energy-figures.js';
import { landscapeFigure } from './paper-figures.js';

/** The figures of a measurement of energy. */
export type EnergyFigureName = 'energy' | 'landscape';

/** Settings of modelled energy without firing rates, which take an evaluation and no run of energy keeps. */
export const SETTINGS_WITHOUT_RATES: readonly EnergySetting[] = (
  [
    ['DRAM, all weights for every token', 1],
    ['DRAM, 256 tokens share a reading', 256],
  ] as const
).map(([name, tokensPerRead]) => ({
  ...{ name, tokensPerRead, memory: 'DRAM' as const },
  accountings: ['as built', 'integer'] as const,
}));

/** Published numbers to lay a measurement beside: `loadPaperPower()`, `loadLandscape()`. */
export interface EnergyRunOptions {
  readonly power?: readonly PaperPowerRecord[];
  readonly landscape?: readonly LandscapeRecord[];
}

/**
 * Fig. 10 of a finished measurement: what was measured, what is modelled of the same plans and the paper's range,
 * each in panels of its own; and on SST-2 Fig. 1 with the measured plans, by the first meter. Drawn when called for.
 */
export function energyRunFigures(
  run: SavedEnergy,
  { power = [], landscape = [] }: EnergyRunOptions = {},
): ReadonlyMap<EnergyFigureName, () => ChartSpec> {
  const { study, rows } = run;
  const paper = power.filter(({ task }) => task === study.task.name);
  const possible = new Map<EnergyFigureName, () => ChartSpec>();
  if (measuredRecords(study, rows).some(({ change }) => change !== undefined))
    possible.set('energy', () => measuredEnergyFigure(study, rows, modelledOf(run), { paper }));
  const points = landscapePoints(run);
  if (points.length > 0)
    possible.set('landscape', () => landscapeFigure([...landscape, ...points]));
  return possible;
}

function modelledOf({ study, plans }: SavedEnergy): ReturnType<typeof energyRecords> {
  const { file } = study.options;
  if (!isModelled(file)) return [];
  const firingRates = new Map<string, number>();
  const run = {
    model: file,
    sentenceTokens: 1,
    plans: plans.map(({ name, plan }) => ({
      ...{ name, plan: resolvePlan(plan, file.hierarchy), firingRates },
    })),
  };
  return energyRecords(study, run, SETTINGS_WITHOUT_RATES);
}

/** Fig. 1 is about accuracy on SST-2. */
function landscapePoints({ study, rows }: SavedEnergy): LandscapeRecord[] {
  if (study.task.name !== 'sst2') return [];
  const { name, hierarchy } = study.options.file;
  return rows
    .filter(({ meter }) => meter === rows[0].meter)
    .flatMap((row) =>
      row.metric === undefined
        ? []
        : [
            ownLandscapePoint(
              ...([`${name}, ${row.plan}`, hierarchy.parameters, row.metric, row] as const),
              study.task.title,
            ),
          ],
    );
}
