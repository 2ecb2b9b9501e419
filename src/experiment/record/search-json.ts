import type { Candidate } from '../../search/trace.js';
import { lambdaIntervals } from '../../search/score.js';
import type { Json } from '../../util/json.js';
import { measurementFigures } from '../runs/held-out.js';
import { bitsInOrder, keptCandidate, limitsJson } from './run-files.js';
import type { SearchRun } from '../runs/search-run.js';

/** What a search found, for its `run.json`; the same whenever it is repeated. */
export function searchResultJson(run: SearchRun): Json {
  const { outcome, space, selected, heldOut } = run;
  const { baseline, fp32Bytes, limits, candidates, nearest } = outcome;
  const kept = (candidate: Candidate): object => keptCandidate(candidate, space);
  const { metric } = limits.quality;
  return plain({
    metric,
    baseline: { metric: baseline.metric, ...baseline.extras, bytes: fp32Bytes },
    limits: limitsJson(limits),
    // What a search was spared by early verdicts may add a few: which plan is nearest needs its metric.
    evaluations: run.evaluations,
    candidates: candidates.length,
    front: run.front.map(kept),
    selections: run.selections.map(({ lambda, candidate }) => ({ lambda, ...kept(candidate) })),
    intervals: lambdaIntervals(candidates, { metric, fp32Bytes }).map(
      ({ candidate, from, to }) => ({ from, to, step: candidate.step }),
    ),
    selected: selected && {
      lambda: selected.lambda,
      ...kept(selected.candidate),
      saving: 1 - selected.candidate.bytes / fp32Bytes,
    },
    smallest: run.smallest && kept(run.smallest),
    yardsticks: run.yardsticks,
    heldOut: heldOut && {
      baseline: measurementFigures(heldOut.baseline),
      quantized: measurementFigures(heldOut.quantized),
      comparison: heldOut.comparison,
    },
    nearest: nearest && { ...nearest, assignment: bitsInOrder(nearest.assignment, space) },
  });
}

/** A line of the list of runs. */
export function searchSummary({ settings, outcome, selected, heldOut }: SearchRun): Json {
  return plain({
    method: settings.method,
    case: settings.case,
    metric: outcome.limits.quality.metric,
    baseline: outcome.baseline.metric,
    met: outcome.nearest === undefined,
    selected: selected && {
      plan: selected.planId,
      metric: selected.candidate.metric,
      bytes: selected.candidate.bytes,
      saving: 1 - selected.candidate.bytes / outcome.fp32Bytes,
    },
    heldOut: heldOut && {
      baseline: heldOut.baseline.value,
      quantized: heldOut.quantized.value,
    },
  });
}

/** As JSON has it: what is undefined is left out, what is not finite is null. */
function plain(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
