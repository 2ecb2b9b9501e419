import type { SearchResult } from '../../experiment/runs/search-result.js';
import type { SweepResult } from '../../experiment/runs/sweep-result.js';
import type { UniformPoint } from '../../experiment/runs/uniform.js';
import { shownLevel } from '../../figures/run-figures.js';
import type { PaperRecord } from '../../plots/records.js';
import type { ReportSection } from '../../plots/render/report.js';
import type { SensitivityRow } from '../../search/sensitivity.js';
import { taskKind } from '../../tasks/kinds.js';
import {
  formatInterval,
  formatMetric,
  metricOf,
  type MetricName,
} from '../../tasks/metrics/metrics.js';
import { statedBeside, type NoiseFloor } from '../../tasks/metrics/noise.js';
import { formatBytes, formatPercent } from '../../util/format.js';
import { describeLimits } from '../format/run-tables.js';
import { certificateText } from '../format/selection-text.js';
import type { RunGroup } from './group.js';

/** The first section of a report: what was found, in sentences computed from the numbers below them. */
export function findingsSection(points: readonly string[]): { readonly lead?: ReportSection } {
  if (points.length === 0) return {};
  return {
    lead: {
      heading: 'Findings',
      paragraphs: [
        'Computed from the measurements below. Changes are paired: both models answer the same sentences or windows. A change is called clear where chance alone gives one like it in fewer than one of twenty samples; one that is not clear may still be there.',
      ],
      points,
    },
  };
}

/** The findings of a group's sweeps and searches. */
export function groupFindings(
  { study, sweeps, searches }: RunGroup,
  paper: readonly PaperRecord[],
): string[] {
  const { name } = study.options.file;
  return [
    ...sweeps.flatMap((sweep) => sensitivityFinding(name, sweep)),
    ...searches.map((run) =>
      searchFinding(
        name,
        run,
        paper.find((each) => each.name === run.settings.case),
      ),
    ),
  ];
}

/** "…: the narrowest uniform width without a clear change is 8 bits, …" */
export function uniformFinding(
  name: string,
  metric: MetricName,
  points: readonly UniformPoint[],
): string[] {
  const compared = points.flatMap(({ comparison, measurement, ...point }) =>
    comparison && measurement
      ? [{ ...point, measurement, stated: metricOf(metric).stated(comparison) }]
      : [],
  );
  if (compared.every(({ stated }) => stated.clear === undefined)) return [];
  const narrowest = (clear: boolean): (typeof compared)[number] | undefined =>
    compared.filter(({ stated }) => stated.clear === clear).sort((a, b) => a.bits - b.bits)[0];
  const held = narrowest(false);
  const head = `${name}, all matrices at one width:`;
  if (held === undefined) return [`${head} every width measured changes the ${metric} clearly.`];
  const next = compared
    .filter(({ stated, bits }) => stated.clear && bits < held.bits)
    .sort((a, b) => b.bits - a.bits)[0] as (typeof compared)[number] | undefined;
  return [
    `${head} ${held.bits} bits is the narrowest without a clear change, ` +
      `${formatMetric(metric, held.measurement.value)}, ${held.stated.text}, ` +
      `at ${formatPercent(held.saving)} less memory` +
      (next ? `; ${next.bits} bits changes it by ${next.stated.text}.` : '.'),
  ];
}

/** The most and the least sensitive unit at the narrowest width that all were measured at. */
function sensitivityFinding(name: string, { table, space }: SweepResult): string[] {
  const { metric, baseline } = table;
  const level = shownLevel(table);
  const own = table.rows.filter((row) => row.level === level && Number.isFinite(row.metric));
  const bits = Math.min(...own.map((row) => row.bits));
  const rows = own
    .filter((row) => row.bits === bits && space.storedBits(row.unit, bits) === bits)
    .sort((a, b) => b.loss - a.loss);
  if (rows.length < 2) return [];
  const said = (row: SensitivityRow): string =>
    `${row.unit} gives ${formatMetric(metric, row.metric)}${intervalText(metric, row)}`;
  const units = level === 'matrix' ? 'matrices' : `${level}s`;
  return [
    `${name}, one ${level} alone at ${bits} bits, unquantized ${formatMetric(metric, baseline.metric)}: ` +
      `of ${rows.length} ${units} the most sensitive, ${said(rows[0])}; the least, ${said(rows.at(-1)!)}.`,
  ];
}

/** " (95 %: 74.9–80.1 %)", where the evaluator gave one. */
function intervalText(metric: MetricName, { extras }: SensitivityRow): string {
  if (extras === undefined || !('low' in extras && 'high' in extras)) return '';
  return ` (95 %: ${formatInterval(metric, { low: extras.low, high: extras.high })})`;
}

/** The plan that a search ends with, judged on held-out data where there is some. */
function searchFinding(name: string, run: SearchResult, paper: PaperRecord | undefined): string {
  const { settings, outcome, selected, heldOut } = run;
  const { limits, fp32Bytes } = outcome;
  const head = `${name}, ${settings.case === undefined ? 'the search' : `case ${settings.case}`}`;
  const { metric } = limits.quality;
  if (selected === undefined)
    return `${head}: no plan keeps both limits (${describeLimits(limits, fp32Bytes)}).`;
  const { bytes, metric: value } = selected.candidate;
  const size = `the selected plan takes ${formatBytes(bytes)}, ${formatPercent(1 - bytes / fp32Bytes)} less than fp32`;
  const judged =
    heldOut === undefined
      ? `It was not judged on held-out data; on the data searched on it has ${formatMetric(metric, value)}, which flatters it.`
      : judgedSentence(metric, heldOut, certificateText(run, metric), run.noise?.heldOut);
  return [`${head}: ${size}. ${judged}`, paperSentence(paper)].filter(Boolean).join(' ');
}

const CLEAR = {
  true: 'a clear change',
  false: 'no clear change',
  undefined: 'how sure that is cannot be told',
};

function judgedSentence(
  metric: MetricName,
  { quantized, baseline, comparison }: NonNullable<SearchResult['heldOut']>,
  certificate: string | undefined,
  noise: NoiseFloor | undefined,
): string {
  const { text, clear } = statedBeside(comparison, noise);
  return (
    `On held-out data it has ${metric} ${formatMetric(metric, quantized.value)} ` +
    `(95 %: ${formatInterval(metric, quantized.interval)}), the unquantized model ` +
    `${formatMetric(metric, baseline.value)}: ${text}, ${CLEAR[String(clear) as keyof typeof CLEAR]}.` +
    (certificate === undefined ? '' : ` Certificate: ${certificate}.`)
  );
}

/** "The paper reports 84.4 % from 85.7 % with 85.7 % less memory, for SpikeGPT-216M." */
function paperSentence(paper: PaperRecord | undefined): string {
  return paper === undefined ? '' : `The paper reports ${paperText(paper)}, for SpikeGPT-216M.`;
}

/** "84.4 % from 85.7 % at 85.7 % less memory" */
export function paperText({ task, metric, baseline, saving }: PaperRecord): string {
  const kind = taskKind(task).metric;
  return `${formatMetric(kind, metric)} from ${formatMetric(kind, baseline)} at ${formatPercent(saving)} less memory`;
}
