import type { DataFrame } from 'danfojs-node';
import type { PlanPoint } from '../experiment/runs/measure-plans.js';
import { matricesOf, type Hierarchy } from '../layout/hierarchy.js';
import type { StepRecord } from '../plots/records.js';
import { resolvePlan, type Plan } from '../quant/plan.js';
import { schemeToJson } from '../quant/scheme/scheme-json.js';
import { TASK_KINDS } from '../tasks/kinds.js';
import { metricOf } from '../tasks/metrics/metrics.js';
import { BYTES_PER_MB } from '../util/format.js';

type Row = Readonly<Record<string, string | number>>;

/**
 * Flat rows as a danfojs DataFrame, to sort, filter and group in a cell. Values that a row lacks are NaN.
 * Never use danfojs's `concat`, which changes its input.
 */
export async function toDataFrame(rows: readonly object[]): Promise<DataFrame> {
  // Loading danfojs takes more than a second; only those who want a frame wait for it.
  const danfo = await import('danfojs-node');
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const values = rows.map((row) =>
    columns.map((name) => (row as Readonly<Record<string, unknown>>)[name] ?? NaN),
  );
  return new danfo.DataFrame(values, { columns });
}

/**
 * Measured plans, one a row: metric with its 95 % interval, memory in MB, share of memory saved, and the
 * paired difference from the unquantized model (accuracy, or nats a token). NaN where a plan broke the
 * model, and for the difference of the unquantized model from itself.
 */
export async function measurementFrame(points: readonly PlanPoint[]): Promise<DataFrame> {
  return toDataFrame(points.map(measurementRow));
}

function measurementRow({ name, bytes, saving, measurement, comparison }: PlanPoint): Row {
  return {
    plan: name,
    metric: measurement?.value ?? NaN,
    low: measurement?.interval.low ?? NaN,
    high: measurement?.interval.high ?? NaN,
    mb: bytes / BYTES_PER_MB,
    saving,
    difference: comparison?.difference ?? NaN,
  };
}

/**
 * The plans that a search tried, one a row. A plan that was measured to the end (`exact`) has its metric and
 * the ends of the 95 % interval; of a refused one that was not, `low` and `high` are all that is known: an
 * accuracy from 0 up to a bound, a perplexity from a bound up to infinity. Its metric is NaN.
 */
export async function stepFrame(steps: readonly StepRecord[]): Promise<DataFrame> {
  return toDataFrame(
    steps.map((step): Row => ({
      step: step.step,
      tier: step.stage,
      unit: step.unit,
      bits: step.stored ?? step.bits ?? NaN,
      exact: step.exact ? 'yes' : 'no',
      ...(step.exact
        ? { metric: step.metric, low: step.low ?? NaN, high: step.high ?? NaN }
        : { metric: NaN, ...boundRange(step) }),
      mb: step.bytes / BYTES_PER_MB,
      kept: step.accepted ? 'yes' : 'no',
      reason: step.reason,
    })),
  );
}

/** All values that a plan known by a sample or a bound may have: of a refused one the bound is the best, else the worst. */
function boundRange(step: StepRecord): { low: number; high: number } {
  const { task, metric: bound, accepted, sample } = step;
  if (sample !== undefined) return { low: sample.low, high: sample.high };
  const { worst } = metricOf(TASK_KINDS[task].metric);
  // Of an accuracy, and of a perplexity.
  const best = 1;
  const [a, b] = accepted ? [bound, best] : [worst, bound];
  return { low: Math.min(a, b), high: Math.max(a, b) };
}

/** The scheme that a plan gives each matrix, in network order. @throws {QuantError} as `resolvePlan`. */
export async function planFrame(plan: Plan, hierarchy: Hierarchy): Promise<DataFrame> {
  const schemes = resolvePlan(plan, hierarchy);
  return toDataFrame(
    matricesOf(hierarchy).map(({ path, name, parameters }): Row => {
      const { bits, method, granularity, range } = schemeToJson(schemes.get(name)!);
      const scheme = [method ?? 'float32', granularity, range].filter(Boolean).join(', ');
      return { matrix: path, parameters, bits, scheme };
    }),
  );
}
