import { isModelled } from '../../energy/operations.js';
import type { EnergyRun } from '../../experiment/runs/energy/energy-run.js';
import { energyChangeFigure, type EnergySetting } from '../../figures/energy-figures.js';
import type { PaperPowerRecord } from '../../plots/records.js';
import type { ReportSection } from '../../plots/render/report.js';
import { Assignment } from '../../search/space.js';
import type { RunGroup } from './group.js';

/** Those that need no firing rates, which a run does not keep. */
const ACCOUNTINGS = ['as built', 'integer'] as const;
const SETTINGS: readonly EnergySetting[] = [
  {
    name: 'DRAM, all weights for every token',
    memory: 'DRAM',
    tokensPerRead: 1,
    accountings: ACCOUNTINGS,
  },
  {
    name: 'DRAM, 256 tokens share a reading',
    memory: 'DRAM',
    tokensPerRead: 256,
    accountings: ACCOUNTINGS,
  },
];

/** The modelled energy of the plans that a group's searches end with. */
export function energySections(
  { study, searches }: RunGroup,
  power: readonly PaperPowerRecord[],
): ReportSection[] {
  const selected = searches.filter((run) => run.selected !== undefined);
  if (selected.length === 0) return [];
  const { file } = study.options;
  const heading = `${file.name}: modelled energy of the selected plans`;
  if (!isModelled(file))
    return [{ heading, paragraphs: [`Not modelled: ${file.family.title} counts no operations.`] }];
  const firingRates = new Map<string, number>();
  const run: EnergyRun = {
    model: file,
    sentenceTokens: 1,
    plans: [
      { name: 'fp32', plan: selected[0].space.resolve(Assignment.unquantized), firingRates },
      ...selected.map(({ space, selected: own, settings }) => ({
        name: settings.case ?? 'selected plan',
        plan: space.resolve(own!.candidate.assignment),
        firingRates,
      })),
    ],
  };
  return [
    {
      heading,
      paragraphs: [
        'Modelled from counts of operations and published energies; nothing was metered. As built, weights are rounded and computing stays in float32, so that only the reading of weights falls, and only on a machine that reads them packed. “Integer” supposes integer inputs too, whose price in quality was not measured. A classification head is counted once a token.',
      ],
      chart: energyChangeFigure(study, run, SETTINGS, {
        paper: power.filter(({ task }) => task === study.task.name),
      }),
    },
  ];
}
