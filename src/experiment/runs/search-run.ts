import { formatPlan } from '../../quant/plan-json.js';
import { resolvePlan } from '../../quant/plan.js';
import type { Evaluate } from '../../search/evaluation.js';
import type { Gate } from '../../search/gate.js';
import { knapsackSearch } from '../../search/knapsack/knapsack-search.js';
import type { SearchOutcome } from '../../search/outcome.js';
import { paretoFront } from '../../search/pareto.js';
import type { SensitivityRow, SensitivityTable } from '../../search/sensitivity.js';
import { tieredSearch } from '../../search/tiers/tiers.js';
import type { SearchProgress, SearchStep } from '../../search/trace.js';
import type { Measurement } from '../../tasks/metrics/metrics.js';
import type { NoiseFloor } from '../../tasks/metrics/noise.js';
import type { Task } from '../../tasks/task.js';
import type { ProgressEvent, RunOptions } from '../../util/progress.js';
import { byFisher, FISHER, fisherTable, type FisherWork } from '../observe/fisher-table.js';
import type { ModelSpace } from '../open/model-space.js';
import type { Study } from '../open/study.js';
import { jsonText } from '../record/folder.js';
import { RunRecord, type RunPlace } from '../record/run-record.js';
import { CANDIDATES_CSV, CANDIDATES_JSON, SELECTED_PLAN, TRACE_JSON } from '../record/schema.js';
import {
  candidatesCsv,
  candidatesJson,
  plainJson,
  searchResultJson,
  searchSummary,
  traceJson,
} from '../record/search-files.js';
import { reportBetween, reportJson, snapshot } from '../record/work-report.js';
import { certaintyOf } from '../selection/paired-errors.js';
import { select, selectCandidate } from '../selection/select-run.js';
import { openGate } from './gate-run.js';
import { measureHeldOut, type HeldOutResult } from './held-out.js';
import { openLadder } from './ladder-run.js';
import { knownNoise } from './noise-floor.js';
import type { SearchRun, Selection } from './search-result.js';
import { checkSettings, type SearchSettings } from './search-settings.js';
import { rateTableOf, sensitivityOf } from './sensitivity.js';
import { timedSearch } from './time/timed-search.js';
import { measureYardsticks } from './yardsticks.js';

export interface SearchRunOptions extends RunPlace {
  /** Of the search itself with {@link SearchProgress}, of what comes before and after plain events. */
  readonly onProgress?: (event: ProgressEvent | SearchProgress) => void;
  /** Told with the progress how long it will take, before it begins and while it runs: by default. */
  readonly estimate?: boolean;
  /** Each plan as its verdict is known. */
  readonly onStep?: (step: SearchStep) => void;
  readonly signal?: AbortSignal;
}

/**
 * A search from limits to a judged plan, kept as a run with a folder:
 *
 *     table     what each unit costs alone                (least sensitive first, and knapsack, only)
 *     search    tiers, or knapsack: every plan tried      → trace.json
 *     compare   candidates pair by pair, and with the limit: which of them differ by noise alone
 *     (with a ladder, search decides from samples, and plans that may be on the front are measured after it)
 *     select    for each λ, from the candidates           → candidates.csv, candidates.json
 *     measure   uniform plans, random ones of equal size
 *     judge     selected plan and unquantized model, once, on the held-out split → selected-plan.json
 *
 * Interrupted or killed at any moment, it goes on where it was when it is started again with the same
 * study and settings and the same store: measurements are remembered, all else is computed again.
 *
 * @throws {SearchError} for settings that make no sense; that nothing keeps the limits is a result.
 * @throws {AbortedError} when the signal fires. {OutputError} {StoreError} when nothing can be kept.
 */
export async function runSearch(
  study: Study,
  settings: SearchSettings,
  options: SearchRunOptions = {},
): Promise<SearchRun> {
  checkSettings(settings, study.task.metric);
  const { runs, command } = options;
  const before = snapshot(study.evaluator.report());
  const kept = plainJson(settings);
  const record = await RunRecord.begin({ study, kind: 'search', settings: kept, runs, command });
  const space = study.space(settings);
  const steps: SearchStep[] = [];
  try {
    const found = await search(study, space, settings, record, {
      ...study.tellingPlaces(options),
      onStep: (step) => {
        steps.push(step);
        options.onStep?.(step);
      },
    });
    const report = reportBetween(before, study.evaluator.report());
    const { id, folder, resumed } = record;
    const run: SearchRun = { id, folder, resumed, settings, report, ...found };
    await writeFiles(record, run);
    const { gateWork: gate, gradientsWork: gradients } = found;
    const work = { ...reportJson(report), ...(gate && { gate }), ...(gradients && { gradients }) };
    await record.finish(searchResultJson(run), work, searchSummary(run));
    return run;
  } catch (error) {
    await keepWhatThereIs(record, traceJson(steps, space), error);
    throw error;
  }
}

type Found = Omit<SearchRun, 'id' | 'folder' | 'resumed' | 'settings' | 'report'>;

async function search(
  study: Study,
  space: ModelSpace,
  settings: SearchSettings,
  record: RunRecord,
  options: SearchRunOptions,
): Promise<Found> {
  const { signal } = options;
  const timed = await timedSearch(study, settings, record, options);
  const { onProgress } = timed;
  const run = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
  const known = await measureTable(study, space, settings, run);
  const table = known?.table;
  const ladder =
    settings.ladder && openLadder(study, space, settings, settings.ladder, timed.rungs);
  const evaluate = ladder?.evaluate ?? study.evaluator.evaluateIn(space);
  const way = { evaluate, sampled: ladder !== undefined };
  const gated = settings.gate && openGate(study, space, settings.gate);
  const outcome = await explore(study, space, settings, table, way, {
    ...{ ...options, ...run },
    gate: gated?.gate,
  }).finally(() => gated?.close());
  const { candidates, evaluations } = outcome;
  const certainty = certaintyOf(outcome, space, study.evaluator);
  const found = { settings, space, outcome, ...certainty };
  const weights = new Set([...settings.lambdas, settings.lambda]);
  const selections = [...weights]
    .sort((one, other) => one - other)
    .flatMap((lambda): Selection[] => {
      const candidate = selectCandidate(found, lambda);
      return candidate === undefined ? [] : [{ lambda, candidate }];
    });
  const selected = candidates.length === 0 ? undefined : select(found, settings.lambda);
  const chosen = selected?.candidate.assignment;
  const beside = ladder ?? { evaluate, inFlight: () => study.inFlight };
  const yardsticks = await measureYardsticks(space, beside, settings, chosen, run);
  const heldOut = chosen && (await measureHeldOut(study, space, chosen, run));
  const front = paretoFront(candidates, study.task.metric);
  return {
    space,
    outcome,
    ...(table && { table }),
    evaluations: { table: known?.evaluations ?? 0, search: evaluations },
    ...(known?.gradients && sampleAndWork(known.gradients)),
    front,
    selections,
    ...(selected && { selected }),
    ...(front.length > 0 && { smallest: front[0] }),
    ...certainty,
    ...(ladder && { ladder: ladder.used }),
    ...(gated && { gate: gated.report(), gateWork: gated.work() }),
    ...noiseOf(study, heldOut),
    yardsticks,
    ...(heldOut && { heldOut }),
  };
}

/** Noise floors that the store knows of the data that decided, and of those that judge. */
function noiseOf(study: Study, judged: HeldOutResult | undefined): Pick<SearchRun, 'noise'> {
  const { store, sha256, evaluator, options } = study;
  const floor = (task: Task, baseline: Measurement | undefined): NoiseFloor | undefined =>
    baseline &&
    knownNoise(store, { checkpoint: sha256, task, backend: options.backend.name }, baseline);
  const unquantized = resolvePlan(new Map(), options.file.hierarchy);
  const search = floor(study.task, evaluator.recall(unquantized));
  const heldOut = options.heldOut && floor(options.heldOut.task, judged?.baseline);
  if (search === undefined && heldOut === undefined) return {};
  return { noise: { ...(search && { search }), ...(heldOut && { heldOut }) } };
}

/** Seconds are no part of a result: it is the same whenever the search is repeated. */
function sampleAndWork({
  seconds,
  ...gradients
}: FisherWork): Pick<SearchRun, 'gradients' | 'gradientsWork'> {
  return { gradients, gradientsWork: { seconds } };
}

/** A table, and its price. */
interface Table {
  readonly table: SensitivityTable;
  /** Plans measured for it, the unquantized model among them. */
  readonly evaluations: number;
  readonly gradients?: FisherWork;
}

/** The table that a knapsack search, or one by sensitivity, starts from; undefined for any other. */
async function measureTable(
  study: Study,
  space: ModelSpace,
  { method, order, granularity, predictor, calibration, bits, quantizer }: SearchSettings,
  run: RunOptions,
): Promise<Table | undefined> {
  const knapsack = method === 'knapsack';
  if (!knapsack && order !== 'least-sensitive-first') return undefined;
  const levels = knapsack ? [granularity] : (['block', granularity] as const);
  if (predictor === 'rates') {
    // Nothing but the unquantized model is measured for it.
    return { table: await rateTableOf(study, { bits, quantizer, levels }, run), evaluations: 1 };
  }
  if (predictor === 'fisher') {
    const { table, work } = await fisherTable(study, space, { bits, levels, calibration }, run);
    return { table: knapsack ? table : byFisher(table), evaluations: 1, gradients: work };
  }
  const observables = predictor === 'kl';
  const { table } = await sensitivityOf(study, { bits, quantizer, levels, observables }, run);
  const evaluations = table.rows.length + 1;
  if (knapsack || !observables) return { table, evaluations };
  const rows = table.rows.map((row) => ({ ...row, loss: row.extras?.klDivergence ?? NaN }));
  return { table: { ...table, rows }, evaluations };
}

/** The cost of a unit as its row has it. Each is stated, so that no loss in nats is held against a limit in the metric's unit. */
const LOSS_OF = {
  kl: (row: SensitivityRow) => row.extras?.klDivergence ?? NaN,
  fisher: (row: SensitivityRow) => row.extras?.[FISHER] ?? NaN,
  rates: (row: SensitivityRow) => row.loss,
} as const;

function explore(
  study: Study,
  space: ModelSpace,
  settings: SearchSettings,
  table: SensitivityTable | undefined,
  { evaluate, sampled }: { readonly evaluate: Evaluate; readonly sampled: boolean },
  { onProgress, onStep, signal, gate }: SearchRunOptions & { readonly gate: Gate | undefined },
): Promise<SearchOutcome> {
  const { method, constraints, bits, granularity, slack } = settings;
  const common = { onProgress, onStep, signal, constraints, slack };
  if (method === 'knapsack') {
    const { objective, maxEvaluations, predictor } = settings;
    return knapsackSearch(space, evaluate, table!, {
      ...common,
      level: granularity,
      objective,
      maxEvaluations,
      ...(predictor !== 'metric' && { lossOf: LOSS_OF[predictor] }),
    });
  }
  return tieredSearch(space, evaluate, {
    ...common,
    sampled,
    gate,
    metric: study.task.metric,
    bits,
    granularity,
    strategy: settings.pace,
    ...(table !== undefined && { order: { kind: 'least-sensitive-first', table } }),
  });
}

async function writeFiles(record: RunRecord, run: SearchRun): Promise<void> {
  const kept = candidatesJson(run, run.settings.quantizer);
  await record.write(
    TRACE_JSON,
    jsonText(traceJson(run.outcome.trace, run.space, run.differences)),
  );
  await record.write(CANDIDATES_JSON, jsonText(kept));
  await record.write(CANDIDATES_CSV, candidatesCsv(kept));
  if (run.selected) await record.write(SELECTED_PLAN, formatPlan(run.selected.plan));
}

/** The steps so far and why it ended; the error that ended it is the one to tell. */
async function keepWhatThereIs(record: RunRecord, trace: object, error: unknown): Promise<void> {
  try {
    await record.write(TRACE_JSON, jsonText(trace));
    await record.fail(error);
  } catch {
    // A full disk, a closed store.
  }
}
