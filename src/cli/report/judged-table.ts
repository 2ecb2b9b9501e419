import type { SearchResult } from '../../experiment/runs/search-result.js';
import type { PaperRecord } from '../../plots/records.js';
import type { HtmlTable } from '../../plots/render/html.js';
import {
  formatInterval,
  formatMetric,
  metricOf,
  type MetricName,
} from '../../tasks/metrics/metrics.js';
import { formatBytes, formatPercent } from '../../util/format.js';
import { describeLimits } from '../format/run-tables.js';
import { paperText } from './findings.js';

/**
 * Limits and results of searches beside the paper's: lines within the cells, so that all columns are seen at
 * once on a page as wide as a notebook.
 */
export function judgedTable(
  searches: readonly SearchResult[],
  metric: MetricName,
  paper: readonly PaperRecord[],
): HtmlTable {
  const { change, certainty } = metricOf(metric).comparison;
  return {
    caption: 'Results, and what the paper reports for its own model',
    columns: [
      'case',
      'limits',
      'memory',
      `${metric},\nheld out`,
      `${change}\n(${certainty})`,
      'paper',
    ],
    rows: searches.map((run) => [
      run.settings.case ?? '',
      describeLimits(run.outcome.limits, run.outcome.fp32Bytes)
        .replace(/ (at (?:least|most) \S+( %)?),/, '\n$1,')
        .replace(', ', ',\n'),
      ...resultCells(run, metric),
      inPaper(paper.find(({ name }) => name === run.settings.case)),
    ]),
  };
}

function resultCells(
  { selected, heldOut, outcome }: SearchResult,
  metric: MetricName,
): readonly string[] {
  if (selected === undefined) return ['no plan keeps\nboth limits', '', ''];
  const { bytes, metric: searched } = selected.candidate;
  const memory = `${formatBytes(bytes)}\n(−${formatPercent(1 - bytes / outcome.fp32Bytes)})`;
  if (heldOut === undefined)
    return [memory, `not judged\n(${formatMetric(metric, searched)} searched on)`, ''];
  const { baseline, quantized, comparison } = heldOut;
  const { change, certainty } = metricOf(comparison.metric).compared(comparison);
  return [
    memory,
    `${formatMetric(metric, quantized.value)}\n(${formatInterval(metric, quantized.interval)})\nfp32 ${formatMetric(metric, baseline.value)}`,
    `${change}\n(${certainty})`,
  ];
}

function inPaper(paper: PaperRecord | undefined): string {
  return paper === undefined
    ? ''
    : paperText(paper).replace(' from ', '\nfrom ').replace(' at ', ',\n');
}
