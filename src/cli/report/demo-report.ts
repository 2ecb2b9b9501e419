import type { BackendReport } from '../../backend/start.js';
import type { UniformPoint } from '../../experiment/runs/uniform.js';
import { uniformRecords } from '../../figures/study-figures.js';
import type { ModelDescription } from '../../model/structure.js';
import { uniformChart } from '../../plots/figures/uniform.js';
import type { HtmlTable } from '../../plots/render/html.js';
import type { Report, ReportSection } from '../../plots/render/report.js';
import type { Task } from '../../tasks/task.js';
import { backendFact, configFacts } from '../format/facts.js';
import { bitsLabel, pointCells, pointColumns } from '../format/points.js';
import { findingsSection, uniformFinding } from './findings.js';
import { htmlTable } from './run-sections.js';

/** A bundled model, measured at uniform bit widths. */
export interface DemoRun {
  readonly name: string;
  /** Of the checkpoint. */
  readonly sha256: string;
  readonly description: ModelDescription;
  /** Name of the quantizer that makes a plan of a width. */
  readonly quantizer: string;
  readonly task: Task;
  readonly points: readonly UniformPoint[];
}

const DATA_NAMES = { sst2: 'Movie sentences (UCI)', wikitext2: 'Encyclopaedic articles' };

/** The results of `npm start` as a page. */
export function demoReport(
  runs: readonly DemoRun[],
  backend: BackendReport,
  date: string,
  searches: readonly ReportSection[],
  findings: readonly string[],
): Report {
  return {
    title:
      searches.length === 0
        ? 'Uniform quantization of two spiking language models'
        : 'Quantization of two spiking language models, searched and judged',
    date,
    summary: [UNIFORM_SUMMARY, ...(searches.length === 0 ? [] : [SEARCH_SUMMARY])].join(' '),
    facts: [['models', runs.map(({ name }) => name).join(', ')], backendFact(backend)],
    ...findingsSection([
      ...runs.flatMap(({ name, task, points }) => uniformFinding(name, task.metric, points)),
      ...findings,
    ]),
    sections: [
      {
        heading: 'Quality against bit width and memory',
        paragraphs: [
          'Measured on the whole of the bundled samples. The searches use a part of them and are judged on the rest, so that the unquantized model has another value there.',
          'Memory counts all parameters in use: packed integers, scales, zero points, and the vectors in float32. 1 MB is 10⁶ bytes. Bars are 95 % intervals.',
          'The intervals show how far a model would land from its value on other samples of the same kind. Whether two bit widths differ is told more sharply by the paired comparison in the tables, because both answer the same sentences or windows.',
        ],
        chart: uniformChart(
          runs.flatMap(({ name, task, points }) => uniformRecords({ name }, task, points)),
          DATA_NAMES,
        ),
      },
      ...runs.map((run) => ({
        heading: `${run.name}: ${run.task.metric}`,
        paragraphs: [COMPARISON_NOTES[run.task.metric], ...failuresOf(run)],
        tables: [tableOf(run)],
      })),
      ...searches,
      { heading: 'What was measured', tables: runs.map(settingsTable) },
    ],
  };
}

const UNIFORM_SUMMARY =
  'Every weight matrix of a model is rounded to one bit width, its vectors stay in float32, and the model is measured on samples that come with the package.';
const SEARCH_SUMMARY =
  'Then each block is quantized alone, and for each case of the paper bit widths are searched block by block and module by module on one part of the samples. The plans found are judged on the other part.';

const RESAMPLED_NOTE =
  'Change against the unquantized model, and its 95 % interval over sentences drawn anew, the same ones for both.';
const COMPARISON_NOTES = {
  accuracy:
    "Change in accuracy against the unquantized model, and the probability of a change at least as uneven if both were equally good (McNemar's test).",
  perplexity:
    'Change in the mean negative log-likelihood against the unquantized model, in nats a token, and its standard error over windows. Perplexity is per token of this model’s vocabulary; it does not compare with models that have another one.',
  f1: RESAMPLED_NOTE,
  matthews: RESAMPLED_NOTE,
} as const;

function tableOf({ name, task, points }: DemoRun): HtmlTable {
  return htmlTable(
    `${name} on ${task.source}`,
    pointColumns('bits', task.metric),
    points.map((point) => pointCells({ label: bitsLabel(point.bits), point }, task.metric)),
  );
}

function settingsTable({ name, description, task, quantizer, sha256 }: DemoRun): HtmlTable {
  const rows = [
    ...task.describe(),
    ...configFacts(description),
    ['quantizer', quantizer],
    ['sha256 of the checkpoint', sha256],
  ] as const;
  return { caption: name, columns: ['setting', 'value'], rows, wraps: true };
}

function failuresOf({ points }: DemoRun): string[] {
  return points.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [`${name}: no measurement. ${failure}`],
  );
}
