import { storedBitsOf } from '../../experiment/open/model-space.js';
import type { SearchResult } from '../../experiment/runs/search-result.js';
import { planRows, planTable } from '../../experiment/selection/plan-table.js';
import type { NearestPlan } from '../../search/nearest.js';
import { formatMetric, type MetricName } from '../../tasks/metrics/metrics.js';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../util/format.js';
import { planText } from './plan-text.js';
import { pointCells, pointColumns } from './points.js';
import {
  accountingFacts,
  describeLimits,
  scoreCells,
  yardstickColumns,
  yardstickRows,
} from './run-tables.js';
import {
  certificateText,
  decisionFacts,
  lossText,
  noiseTexts,
  selectionFacts,
} from './selection-text.js';
import { formatFacts, formatTable, numberColumns, type Fact } from './table.js';
import { workFacts } from './work-facts.js';

/** A search that ran or was read back, and its folder. */
type Told = SearchResult & { readonly folder: string };

/** A search's result for people. */
export function describeSearch(run: Told, metric: MetricName): string {
  const { outcome, evaluations, gradients, gradientsWork, report, folder } = run;
  const { trace, candidates, limits, baseline, fp32Bytes, nearest } = outcome;
  const table =
    evaluations.table === 0 ? '' : `, after ${formatCounted(evaluations.table, 'row')} of a table`;
  const taken = gradients && [
    `${formatCount(gradients.sequences)} sequences of ${gradients.source}`,
    `${formatCount(gradients.tokens)} tokens` +
      (gradientsWork ? ` in ${formatDuration(gradientsWork.seconds)}` : ''),
  ];
  const facts: Fact[] = [
    ...(taken === undefined ? [] : [['gradients', taken.join(', ')] as const]),
    ['unquantized', `${formatMetric(metric, baseline.metric)}, ${formatBytes(fp32Bytes)}`],
    ['limits', describeLimits(limits, fp32Bytes)],
    ...accountingFacts(run.settings),
    [
      'search',
      `${formatCounted(trace.length, 'plan')} tried${table}; ${formatCount(candidates.length)} keep both limits`,
    ],
    ...selectionFacts(run),
    ...decisionFacts(run),
    ...workFacts(report),
    ['run', folder],
  ];
  const parts =
    nearest === undefined
      ? [
          selectionTable(run, metric),
          plansText(run),
          comparisonTable(run, metric),
          ...heldOutText(run, metric),
        ]
      : [nearestText(nearest, run, metric)];
  return [formatFacts(facts), ...parts].join('\n\n');
}

function selectionTable(run: SearchResult, metric: MetricName): string {
  const { selections, selected, outcome } = run;
  const rows = selections.map(({ lambda, candidate }) => [
    lambda === selected?.lambda ? `${lambda} *` : String(lambda),
    ...scoreCells(candidate, metric, outcome.fp32Bytes),
    `${candidate.stage}, step ${candidate.step + 1}`,
  ]);
  const table = formatTable(
    [...numberColumns('λ', metric, '95 % interval', 'memory', 'saving'), { title: 'found in' }],
    rows,
  );
  const head = 'Selected by the trade-off score, on the data searched on (* the result):';
  return [head, table, ...noiseTexts(run)].join('\n');
}

function plansText(run: SearchResult): string {
  return `Bits of these plans (32: left in float32):\n${planText(planTable(run))}`;
}

function comparisonTable(run: SearchResult, metric: MetricName): string {
  const table = formatTable(yardstickColumns(metric), yardstickRows(run, metric));
  return `Beside plans that no search chose, on the same data:\n${table}`;
}

function heldOutText(run: SearchResult, metric: MetricName): string[] {
  const { heldOut, selected, outcome } = run;
  if (selected === undefined) return [];
  if (heldOut === undefined)
    return ['Not judged: without held-out data the figures above favour what was selected.'];
  const { baseline, quantized, comparison } = heldOut;
  const { fp32Bytes } = outcome;
  const { bytes } = selected.candidate;
  const fp32 = { measurement: baseline, bytes: fp32Bytes, saving: 0 };
  const own = { measurement: quantized, comparison, bytes, saving: 1 - bytes / fp32Bytes };
  const table = formatTable(pointColumns('plan', metric), [
    pointCells({ label: 'fp32', point: fp32 }, metric),
    pointCells({ label: 'selected', point: own }, metric),
  ]);
  const bound = certificateText(run, metric);
  const certificate = bound === undefined ? [] : [`Certificate: ${bound} (one-sided, paired).`];
  return [['The result, judged once on held-out data:', table, ...certificate].join('\n')];
}

/** The plan that comes closest to limits that nothing keeps. */
function nearestText(
  { assignment, metric: value, bytes, misses }: NearestPlan,
  { space }: SearchResult,
  metric: MetricName,
): string {
  const units = space.units.map(({ id }) => id);
  const missed = [
    ...(misses.quality > 0 ? [lossText(misses.quality, metric)] : []),
    ...(misses.bytes > 0 ? [formatBytes(misses.bytes)] : []),
  ];
  const by = missed.length === 0 ? 'nothing: it is the unquantized model' : missed.join(' and ');
  return [
    'No quantized plan that was tried keeps both limits.',
    formatFacts([
      ['nearest', `${formatMetric(metric, value)}, ${formatBytes(bytes)}`],
      ['misses by', by],
    ]),
    '',
    planText(planRows(units, [{ title: 'nearest', bits: storedBitsOf(assignment, space) }])),
  ].join('\n');
}
