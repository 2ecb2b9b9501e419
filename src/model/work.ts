/**
 * Work in multiply–accumulates of matrix products, counted where it is done and where it is avoided, so
 * that a run can say what each acceleration was worth.
 */
export interface Work {
  /** Computed. */
  done: number;
  /** Not computed: the stream before the first changed stage was kept. */
  savedByPrefix: number;
  /** Not computed: a sequence's stream was again equal to that of a plan measured before. */
  savedByExit: number;
  /** Not computed: the verdict was certain before. */
  savedByVerdict: number;
  /** Sequences that left early, by the boundary at which they did. */
  exits: Record<number, number>;
  /** Sequences that were looked at for leaving early. */
  exitCandidates: number;
}

/** The members of {@link Work} that are one number. */
export const WORK_AMOUNTS = [
  'done',
  'savedByPrefix',
  'savedByExit',
  'savedByVerdict',
  'exitCandidates',
] as const;

/** Nothing done, nothing avoided. */
export function noWork(): Work {
  const saved = { savedByPrefix: 0, savedByExit: 0, savedByVerdict: 0 };
  return { done: 0, ...saved, exits: {}, exitCandidates: 0 };
}

/** Adds `more` to `work`. */
export function addWork(work: Work, more: Work): void {
  for (const name of WORK_AMOUNTS) work[name] += more[name];
  for (const [stage, count] of Object.entries(more.exits))
    work.exits[Number(stage)] = (work.exits[Number(stage)] ?? 0) + count;
}
