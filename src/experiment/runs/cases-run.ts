import { CASES, type CaseName } from '../../search/constraints.js';
import type { SearchProgress } from '../../search/trace.js';
import type { ProgressEvent } from '../../util/progress.js';
import type { Study } from '../open/study.js';
import type { RunPlace } from '../record/run-record.js';
import type { SearchRun } from './search-result.js';
import { runSearch } from './search-run.js';
import { casesFor, DEFAULT_SEARCH, type SearchSettings } from './search-settings.js';
import type { SweepSettings } from './sweep-result.js';
import { runSweep, type SweepRun } from './sweep-run.js';

export interface CasesOptions extends RunPlace {
  /** By default all of the paper's that the task's metric has. */
  readonly cases?: readonly CaseName[];
  /** Differences from {@link DEFAULT_SEARCH}; the limits are the cases'. */
  readonly search?: Partial<Omit<SearchSettings, 'case' | 'constraints'>>;
  /** By default blocks alone, at the search's widths, with what happens inside the model. */
  readonly sweep?: Partial<SweepSettings>;
  readonly onProgress?: (event: ProgressEvent | SearchProgress) => void;
  readonly signal?: AbortSignal;
}

/** The result of the whole flow for a model and its task. */
export interface CasesRun {
  readonly sweep: SweepRun;
  /** In the order of the cases. */
  readonly searches: readonly SearchRun[];
}

/**
 * The paper's flow for one model and task: the sensitivity of each block, then a search, a selection and a
 * judgement for each case. The cases share most of their plans, and the store remembers them: all together
 * cost little more than the most demanding one, and when repeated nothing is measured.
 *
 * @throws as {@link runSweep} and {@link runSearch}.
 */
export async function runCases(
  study: Study,
  { cases = casesFor(study.task.metric), search, sweep, ...options }: CasesOptions = {},
): Promise<CasesRun> {
  const settings = { ...DEFAULT_SEARCH, ...search };
  const { bits, quantizer } = settings;
  const sweeping = { bits, quantizer, levels: ['block'], observables: true, ...sweep } as const;
  const swept = await runSweep(study, sweeping, options);
  const searches: SearchRun[] = [];
  for (const name of cases) {
    const { constraints } = CASES[name];
    searches.push(await runSearch(study, { ...settings, case: name, constraints }, options));
  }
  return { sweep: swept, searches };
}
