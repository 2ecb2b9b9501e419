import { ESTIMATE_PHASE } from '../experiment/runs/time/timed-search.js';
import type { SearchProgress } from '../search/trace.js';
import { formatMetric, type MetricName } from '../tasks/metrics/metrics.js';
import { formatBytes, formatCount } from '../util/format.js';
import type { ProgressEvent, ProgressListener } from '../util/progress.js';

/**
 * Makes one piece of work of a search's tiers, so that a bar goes through it once and can tell the time left.
 * The note names the plan that is being tried. An estimate of the time is noted apart.
 */
export function asOneBar(
  listener: ProgressListener,
  metric: MetricName,
  note: (text: string) => void,
): (event: ProgressEvent | SearchProgress) => void {
  return (event) => {
    if ('stage' in event) listener({ ...event, phase: 'search', note: searchNote(event, metric) });
    else if (event.phase === ESTIMATE_PHASE) note(`time       ${event.note!}`);
    else listener(event);
  };
}

/** "block tier: attention.0 at 8 bits, 12 left at most, best so far 77.2 %, 2.28 MB" */
function searchNote(
  { stage, group, bits, evaluationsLeft, best }: SearchProgress,
  metric: MetricName,
): string {
  const tier = stage === 'knapsack' || stage === 'swap' ? stage : `${stage} tier`;
  const unit = group === 'model' ? 'all' : group;
  const tried = bits === undefined ? unit : `${unit} at ${bits} bits`;
  const found =
    best === undefined
      ? 'no candidate yet'
      : `best so far ${formatMetric(metric, best.metric)}, ${formatBytes(best.bytes)}`;
  return `${tier}: ${tried}, ${formatCount(evaluationsLeft)} left at most, ${found}`;
}
