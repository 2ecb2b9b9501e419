import type { SearchRun } from '../experiment/search-run.js';
import { paretoFigure, sensitivityFigure } from '../notebook/figures.js';
import type { HtmlTable } from '../plots/html.js';
import type { PaperRecord, SavingRecord } from '../plots/records.js';
import type { ReportSection } from '../plots/report.js';
import { COMPUTED, savingsChart } from '../plots/savings.js';
import {
  judgedColumns,
  judgedRow,
  selectionColumns,
  selectionRows,
  sensitivityGrid,
  type DemoSearch,
} from './demo-search.js';
import { formatPercent } from './numbers.js';
import type { Column } from './table.js';

/** The searches' part of the report of `npm start`. */
export function searchSections(
  searches: readonly DemoSearch[],
  paper: readonly PaperRecord[],
): ReportSection[] {
  return [...searches.flatMap((search) => sectionsOf(search, paper)), ...savingsSection(searches)];
}

function sectionsOf(search: DemoSearch, paper: readonly PaperRecord[]): ReportSection[] {
  const { study, sweep, searches } = search;
  const { metric } = study.task;
  const { name } = study.options.file;
  const grid = sensitivityGrid(search, metric);
  return [
    {
      heading: `${name}: which blocks are sensitive`,
      paragraphs: [
        `One block at a time is quantized, the others stay in float32. ${name} is measured on ${study.task.source}.`,
      ],
      chart: sensitivityFigure(study, sweep.table),
      tables: [htmlTable(`${metric} with one block quantized`, grid.columns, grid.rows)],
    },
    {
      heading: `${name}: the searches, judged on held-out data`,
      paragraphs: [
        'Each case of the paper limits the loss and, as a share of the model, the memory. Of the plans that keep both, the trade-off score selects one for each weight λ. The plan for the λ marked * is the result: it is measured once on data that no decision was made on, and compared with the unquantized model item by item.',
        `Held out: ${study.options.heldOut?.task.source ?? 'nothing'}.`,
      ],
      tables: [
        htmlTable(
          'Results, and what the paper reports for its own model',
          [...judgedColumns(metric), { title: 'saving in the paper' }],
          searches.map((run) => [...judgedRow(run, metric), savingInPaper(run, paper)]),
        ),
        htmlTable(
          'Selection by λ, on the data searched on',
          selectionColumns(metric),
          searches.flatMap((run) => selectionRows(run, metric)),
        ),
      ],
    },
    ...searches.map((run) => ({
      heading: `${name}: case ${run.settings.case ?? ''}, plan by plan`,
      chart: paretoFigure(study, run, { paper, lambda: run.settings.lambda }),
    })),
  ];
}

function savingInPaper({ settings }: SearchRun, paper: readonly PaperRecord[]): string {
  const found = paper.find(({ name }) => name === settings.case);
  return found === undefined ? '' : formatPercent(found.saving);
}

function htmlTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): HtmlTable {
  return { caption, columns: columns.map(({ title }) => title), rows };
}

/** What the accelerations saved, where anything was measured at all. */
function savingsSection(searches: readonly DemoSearch[]): ReportSection[] {
  const records = searches.flatMap(({ study, sweep, searches: runs }) => [
    ...savingRecords(`sweep, ${study.options.file.name}`, sweep.report),
    ...runs.flatMap((run) =>
      savingRecords(`${run.settings.case ?? 'search'}, ${study.options.file.name}`, run.report),
    ),
  ]);
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

/** In evaluations of the whole task, as far as evaluations were begun. */
function savingRecords(run: string, { work, fullWork, measured, stopped }: SearchRun['report']) {
  if (measured + stopped === 0 || fullWork === 0) return [];
  const parts: [string, number][] = [
    [COMPUTED, work.done],
    ['prefix reuse', work.savedByPrefix],
    ['spike-exact exit', work.savedByExit],
    ['certain verdict', work.savedByVerdict],
  ];
  return parts.map(([part, amount]): SavingRecord => ({
    run,
    part,
    blockEvaluations: amount / fullWork,
  }));
}
