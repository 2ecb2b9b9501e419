import type { SavedSearch } from '../experiment/record/saved-search.js';
import type { Selection } from '../experiment/runs/search-result.js';
import type { SearchSettings } from '../experiment/runs/search-settings.js';
import { frontsChart, type FrontsPanel, type FrontsSearch } from '../plots/fronts/chart.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import { groupBy } from '../util/group.js';
import { limitsRecord } from './records.js';
import {
  baselineRecord,
  dataNames,
  searchRecords,
  type DrawnSearch,
  type FigureSubject,
} from './study-figures.js';

/** A search whose front is drawn: a `SearchRun`, or one that was read back. */
export interface DrawnFront extends DrawnSearch {
  readonly settings: NonNullable<DrawnSearch['settings']> &
    Partial<Pick<SearchSettings, 'predictor' | 'accounting'>>;
  readonly selected?: Selection;
}

/** Searches of one model on the same data. */
export interface SearchesOfStudy {
  readonly study: FigureSubject;
  readonly runs: readonly DrawnFront[];
}

/**
 * The Pareto fronts of several searches over one another, a panel for each study.
 *
 *     await show(frontsFigure([
 *       { study: sentences, runs: [tiered, knapsack] },
 *       { study: articles, runs: [tieredArticles, knapsackArticles] },
 *     ]));
 *
 * @throws {PlotError} as `frontsChart`.
 */
export function frontsFigure(studies: readonly SearchesOfStudy[]): ChartSpec {
  return frontsChart(studies.flatMap(panelsOf));
}

/** Saved searches of any models and data as {@link frontsFigure} takes them. */
export function byStudy(runs: readonly SavedSearch[]): SearchesOfStudy[] {
  const groups = groupBy(
    runs,
    ({ json: { config } }) => `${config.model.sha256} ${config.search.id}`,
  );
  return [...groups.values()].map((own) => ({ study: own[0].study, runs: own }));
}

/** A panel for each meaning of memory: bytes of all parameters and of those in use are not laid over one another. */
function panelsOf({ study, runs }: SearchesOfStudy): FrontsPanel[] {
  const groups = groupBy(runs, ({ settings }) => settings.accounting ?? 'used');
  return [...groups].map(([accounting, own]) => {
    const [{ baseline, fp32Bytes }] = own.map(({ outcome }) => outcome);
    const names = namesOf(own);
    return {
      baseline: baselineRecord(study, baseline, fp32Bytes),
      names: dataNames(study.task),
      ...(accounting === 'all' && { remark: 'memory of all parameters in the file' }),
      searches: own.map((run, index): FrontsSearch => {
        const { outcome, selected } = run;
        return {
          name: names[index],
          limits: limitsRecord(outcome.limits),
          steps: searchRecords(study, run),
          ...(selected && { selected: selected.candidate.step }),
        };
      }),
    };
  });
}

/** Names by method and quantizer, alike in all panels; with the case, or a number, where that leaves two alike. */
function namesOf(runs: readonly DrawnFront[]): string[] {
  const plain = runs.map(({ settings }) => nameOf(settings));
  const alone = (names: readonly string[], name: string): boolean =>
    names.indexOf(name) === names.lastIndexOf(name);
  const cased = plain.map((name, index) => {
    const own = runs[index].settings.case;
    return alone(plain, name) || own === undefined ? name : `${own}, ${name}`;
  });
  return cased.map((name, index) => (alone(cased, name) ? name : `${name} (${index + 1})`));
}

function nameOf({ method, pace, predictor, quantizer }: DrawnFront['settings']): string {
  const how =
    method === 'knapsack'
      ? [method, predictor === 'metric' || !predictor ? undefined : `by ${predictor}`]
      : [method ?? 'search', pace === 'exact' || !pace ? undefined : `by ${pace}`];
  return [how.filter(Boolean).join(' '), quantizer].filter(Boolean).join(', ');
}
