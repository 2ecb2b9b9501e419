import { isModelled } from '../../energy/operations.js';
import type { EnergyRun } from '../../experiment/runs/energy/energy-run.js';
import { energyChangeFigure } from '../../figures/energy-figures.js';
import { SETTINGS_WITHOUT_RATES } from '../../figures/energy-run-figures.js';
import { judgedLandscapePoints } from '../../figures/landscape-points.js';
import { landscapeFigure } from '../../figures/paper-figures.js';
import type { LandscapeRecord, PaperPowerRecord } from '../../plots/records.js';
import type { ReportSection } from '../../plots/render/report.js';
import { Assignment } from '../../search/space.js';
import type { RunGroup } from './group.js';

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
      chart: energyChangeFigure(study, run, SETTINGS_WITHOUT_RATES, {
        paper: power.filter(({ task }) => task === study.task.name),
      }),
    },
  ];
}

/** Fig. 1 with the plans that a group's searches end with, as they were judged: it is about accuracy on SST-2. */
export function landscapeSections(
  { study, searches }: RunGroup,
  published: readonly LandscapeRecord[],
): ReportSection[] {
  const { task, options } = study;
  if (task.name !== 'sst2') return [];
  const points = judgedLandscapePoints(options.file, searches, `${task.title}, held out`);
  if (points.length === 0) return [];
  return [
    {
      heading: `${options.file.name}: the selected plans among published models`,
      paragraphs: [
        'Energies of this project’s points are modelled, and shown to those who point at them; none was measured.',
      ],
      chart: landscapeFigure([...published, ...points]),
    },
  ];
}
