import type { SavedStudy } from '../../experiment/record/saved-study.js';
import type { SearchResult } from '../../experiment/runs/search-result.js';
import type { SweepResult } from '../../experiment/runs/sweep-result.js';

/** A study as it is shown: a `Study`, or the part of one that a run keeps. */
export interface ShownStudy {
  readonly task: Pick<SavedStudy['task'], 'name' | 'metric' | 'source' | 'title'>;
  readonly options: {
    readonly file: SavedStudy['options']['file'];
    readonly heldOut?: { readonly task: { readonly source: string } } | undefined;
  };
}

/** Runs of one model on the same data. */
export interface RunGroup {
  readonly study: ShownStudy;
  readonly sweeps: readonly SweepResult[];
  readonly searches: readonly SearchResult[];
}
