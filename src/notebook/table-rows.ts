import type { PlanPoint } from '../experiment/runs/measure-plans.js';
import type { Selection } from '../experiment/runs/search-result.js';
import { gateText } from '../search/gate.js';
import { rungText } from '../search/ladder/words.js';
import { FULL_PRECISION } from '../search/space.js';
import type { Candidate, SearchStep } from '../search/trace.js';
import { formatInterval, formatMetric, type MetricName } from '../tasks/metrics/metrics.js';
import { BYTES_PER_MB, formatPercent } from '../util/format.js';

type Row = Readonly<Record<string, unknown>>;

/** A plan as a search, a selection or a measurement gives it; a row of `table()` as a person wants it. */
export function readableRow(row: object): Row {
  if ('candidate' in row && isCandidate(row.candidate)) {
    const { lambda, candidate } = row as Selection;
    return { λ: lambda, ...candidateRow(candidate) };
  }
  if (isCandidate(row)) return candidateRow(row);
  if (isStep(row)) return stepRow(row);
  if (isPoint(row)) return pointRow(row);
  return row as Row;
}

function isCandidate(row: unknown): row is Candidate {
  return has(row, 'assignment', 'metric', 'bytes', 'stage', 'step');
}

function isStep(row: object): row is SearchStep {
  return has(row, 'assignment', 'evaluation', 'bytes', 'reason');
}

function isPoint(row: object): row is PlanPoint {
  return has(row, 'name', 'plan', 'bytes', 'saving');
}

function has(row: unknown, ...members: readonly string[]): boolean {
  return typeof row === 'object' && row !== null && members.every((member) => member in row);
}

function candidateRow({ step, stage, metric, extras, bytes, assignment }: Candidate): Row {
  const found: Partial<Record<string, number>> = extras ?? {};
  const { low, high } = found;
  const name = metricIn(metric);
  return {
    step: step + 1,
    tier: stage,
    [name]: formatMetric(name, metric),
    '95 % interval':
      low === undefined || high === undefined ? '' : formatInterval(name, { low, high }),
    MB: bytes / BYTES_PER_MB,
    bits: bitsText(assignment),
  };
}

function stepRow(step: SearchStep): Row {
  const { index, stage, unit, evaluation, bytes, assignment, reason, rung } = step;
  const value = evaluation.kind === 'exact' ? evaluation.metric : evaluation.bound;
  const name = metricIn(value);
  // What stopped early is known to be no better than that.
  const side = name === 'accuracy' ? 'at most' : 'at least';
  const text = step.gate
    ? 'not measured'
    : Number.isFinite(value)
      ? formatMetric(name, value)
      : 'broken';
  const about = (estimate: number): string => `about ${formatMetric(name, estimate)}`;
  return {
    step: index + 1,
    tier: stage,
    unit,
    [name]:
      evaluation.kind === 'exact' || step.gate
        ? text
        : rung
          ? about(rung.estimate)
          : `${side} ${text}`,
    MB: bytes / BYTES_PER_MB,
    bits: bitsText(assignment),
    reason: [reason, rungText(step), gateText(step)].filter(Boolean).join('; '),
  };
}

function pointRow({ name: plan, bytes, saving, measurement, failure }: PlanPoint): Row {
  const size = { MB: bytes / BYTES_PER_MB, saving: formatPercent(saving) };
  if (measurement === undefined) return { plan, ...size, failure };
  const { metric, value, interval } = measurement;
  const measured = { [metric]: formatMetric(metric, value) };
  return { plan, ...measured, '95 % interval': formatInterval(metric, interval), ...size };
}

/** The metric by its number: an accuracy is 1 at most, and a perplexity, e to some power, 1 at least. */
function metricIn(value: number): MetricName {
  return value <= 1 ? 'accuracy' : 'perplexity';
}

/** "8", or "4–16": fewest and most; `planTable` has them unit by unit. */
function bitsText(assignment: Candidate['assignment']): string {
  const widths = Object.values(assignment.toJSON());
  if (widths.length === 0) return String(FULL_PRECISION);
  const [fewest, most] = [Math.min(...widths), Math.max(...widths)];
  return fewest === most ? String(fewest) : `${fewest}–${most}`;
}
