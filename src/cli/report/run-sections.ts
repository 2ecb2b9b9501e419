import type { SearchResult } from '../../experiment/runs/search-result.js';
import { paceRemark } from '../../experiment/runs/search-settings.js';
import type { SweepResult } from '../../experiment/runs/sweep-result.js';
import { lambdaFigure } from '../../figures/lambda-figure.js';
import { predictorsFigure } from '../../figures/predictors.js';
import { flipsOf, ratesOf, sensitivityOf, shownLevel } from '../../figures/run-figures.js';
import { savingRecords } from '../../figures/savings.js';
import { hierarchyFigure, paretoFigure, traceFigure } from '../../figures/study-figures.js';
import { savingsChart } from '../../plots/figures/savings.js';
import type { PaperRecord } from '../../plots/records.js';
import type { HtmlTable } from '../../plots/render/html.js';
import type { ReportSection } from '../../plots/render/report.js';
import { FULL_PRECISION } from '../../search/space.js';
import { predictorCaption, predictorGrid } from '../format/predictors.js';
import {
  selectionColumns,
  selectionRows,
  weighEnergy,
  sensitivityGrid,
  yardstickColumns,
  yardstickRows,
} from '../format/run-tables.js';
import { noiseTexts } from '../format/selection-text.js';
import type { Column } from '../format/table.js';
import type { RunGroup, ShownStudy } from './group.js';
import { judgedTable } from './judged-table.js';

/** Sensitivities, results and the plans of each search: the short form, for several cases. */
export function groupSections(group: RunGroup, paper: readonly PaperRecord[]): ReportSection[] {
  return [
    ...sweepSections(group),
    ...resultSections(group, paper),
    ...group.searches.map((run) => planByPlan(group.study, run, paper)),
    ...plansSections(group),
  ];
}

/** The bits of every plan that the searches end with, in the model's hierarchy. */
function plansSections({ study, searches }: RunGroup): ReportSection[] {
  return searches.flatMap((run) => {
    const { space, selected } = run;
    if (selected === undefined) return [];
    const chart = hierarchyFigure(study.options.file, space.planOf(selected.candidate.assignment));
    return [{ heading: `${titleOf(study, run)}, the selected plan`, chart }];
  });
}

export function sweepSections({ study, sweeps }: RunGroup): ReportSection[] {
  const { metric, source } = study.task;
  const { name } = study.options.file;
  return sweeps.flatMap((sweep) => {
    const { table, space } = sweep;
    const level = shownLevel(table);
    const grid = sensitivityGrid({ table, level, storedBits: space.storedBits }, metric);
    const sensitivity = sensitivityOf(study, sweep);
    const flips = flipsOf(study, sweep);
    const rates = ratesOf(study, sweep);
    return [
      {
        heading: `${name}: which ${level === 'matrix' ? 'matrices' : `${level}s`} are sensitive`,
        paragraphs: [
          `One ${level} at a time is quantized, the others stay in float32. ${name} is measured on ${source}.`,
        ],
        ...(sensitivity && { chart: sensitivity() }),
        tables: [htmlTable(`${metric} with one ${level} quantized`, grid.columns, grid.rows)],
      },
      ...(flips
        ? [{ heading: `${name}: spikes flipped against quality lost`, chart: flips() }]
        : []),
      ...predictorSections(study, sweep),
      ...(rates
        ? [
            {
              heading: `${name}: firing rates of the unquantized model`,
              paragraphs: [`On the ${sweep.observed}, layer by layer and time step.`],
              chart: rates(),
            },
          ]
        : []),
    ];
  });
}

function predictorSections(study: ShownStudy, { table, predictors }: SweepResult): ReportSection[] {
  if (predictors === undefined) return [];
  const { columns, rows } = predictorGrid(predictors, table.metric);
  return [
    {
      heading: `${study.options.file.name}: what predicts the loss`,
      chart: predictorsFigure(study, table, predictors),
      tables: [htmlTable(predictorCaption(predictors), columns, rows)],
    },
  ];
}

export function resultSections(
  { study, searches }: RunGroup,
  paper: readonly PaperRecord[],
): ReportSection[] {
  if (searches.length === 0) return [];
  const { metric } = study.task;
  const { file, heldOut } = study.options;
  return [
    {
      heading: `${file.name}: the searches, judged on held-out data`,
      paragraphs: [
        'Each search limits the loss and, as a share of the model, the memory. Of the plans that keep both, the trade-off score selects one for each weight λ. The plan for the λ marked * is the result: it is measured once on data that no decision was made on, and compared with the unquantized model item by item.',
        `Held out: ${heldOut?.task.source ?? 'nothing'}.`,
        ...searches.flatMap(selectionRemarks),
      ],
      ...(searches.some(({ outcome }) => outcome.candidates.length > 0) && {
        chart: lambdaFigure(study, searches),
      }),
      tables: [
        judgedTable(searches, metric, paper),
        htmlTable(
          'Selection by λ, on the data searched on',
          selectionColumns(metric, weighEnergy(searches)),
          searches.flatMap((run) => selectionRows(run, metric, weighEnergy(searches))),
        ),
      ],
    },
  ];
}

/** Remarks on a selection: skipped candidates, and differences that are noise. */
function selectionRemarks(run: SearchResult): string[] {
  const name = run.settings.case === undefined ? 'The search' : `Case ${run.settings.case}`;
  const pace = paceRemark(run.settings);
  return [...(pace === undefined ? [] : [`${pace}.`]), ...noiseTexts(run)].map(
    (text) => `${name}: ${text}`,
  );
}

function titleOf({ options }: ShownStudy, { settings }: SearchResult): string {
  const { name } = options.file;
  return settings.case === undefined ? `${name}: the search` : `${name}: case ${settings.case}`;
}

export function planByPlan(
  study: ShownStudy,
  run: SearchResult,
  paper: readonly PaperRecord[],
): ReportSection {
  const own = paper.filter(({ name }) => name === run.settings.case);
  return {
    heading: `${titleOf(study, run)}, plan by plan`,
    chart: paretoFigure(study, run, { paper: own, lambda: run.settings.lambda }),
  };
}

/** The plan that a search ends with, beside plans of no search, and the way to it. */
export function detailSections(study: ShownStudy, run: SearchResult): ReportSection[] {
  const title = titleOf(study, run);
  return [
    ...selectedSections(study, run),
    { heading: `${title}, step by step`, chart: traceFigure(study, run) },
  ];
}

function selectedSections(study: ShownStudy, run: SearchResult): ReportSection[] {
  const { space, selected, yardsticks } = run;
  if (selected === undefined) return [];
  const { metric } = study.task;
  const { assignment } = selected.candidate;
  const bits = htmlTable(
    `Stored bits a weight (${FULL_PRECISION}: left alone)`,
    [{ title: 'unit' }, { title: 'bits' }],
    space.units.map(({ id }) => [id, String(space.storedBits(id, assignment.bitsOf(id)))]),
  );
  const beside = htmlTable(
    'Beside plans that no search chose, on the data searched on',
    yardstickColumns(metric),
    yardstickRows(run, metric),
  );
  return [
    {
      heading: `${titleOf(study, run)}, the selected plan`,
      chart: hierarchyFigure(study.options.file, space.planOf(assignment)),
      tables: yardsticks.length === 0 ? [bits] : [bits, beside],
    },
  ];
}

export function htmlTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): HtmlTable {
  return { caption, columns: columns.map(({ title }) => title), rows };
}

/** The work that the accelerations saved, where anything was measured at all. */
export function savingsSections(groups: readonly RunGroup[]): ReportSection[] {
  const records = groups.flatMap(({ study, sweeps, searches }) => {
    const { name } = study.options.file;
    return [
      ...sweeps.flatMap(({ report }) => savingRecords(`sweep, ${name}`, report)),
      ...searches.flatMap(({ settings, report }) =>
        savingRecords(`${settings.case ?? 'search'}, ${name}`, report),
      ),
    ];
  });
  if (records.length === 0) return [];
  return [
    {
      heading: 'What the evaluator did not have to compute',
      paragraphs: [
        'Candidates differ in one unit, so most of an evaluation repeats the last one. What was measured before, in this or an earlier run, is taken from the store and not shown.',
      ],
      chart: savingsChart(records),
    },
  ];
}
