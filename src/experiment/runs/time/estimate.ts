import { formatCount, formatCounted, roughTime } from '../../../util/format.js';

/** Speed of a study, from a timed sample of its data or from an evaluation that the store remembers. */
export interface Speed {
  readonly secondsPerToken: number;
  /** Time to quantize all matrices. */
  readonly secondsToApply: number;
}

/** A part of a run: so many evaluations of so many tokens. */
export interface WorkPart {
  readonly evaluations: number;
  /** The most there can be; `evaluations` by default. */
  readonly most?: number;
  readonly tokens: number;
  /** Share of an evaluation that is computed: kept prefixes and certain verdicts save the rest; 1 by default. */
  readonly share?: number;
  /** Share of the matrices that change from one evaluation to the next; 1 by default. */
  readonly changed?: number;
}

/** The time that a run will take. */
export interface TimeEstimate {
  /** As runs of its kind go. */
  readonly seconds: number;
  /** If every evaluation that may be needed is. */
  readonly mostSeconds: number;
  readonly evaluations: number;
  readonly most: number;
}

/** The time of all parts together at a speed. */
export function estimateOf(parts: readonly WorkPart[], speed: Speed): TimeEstimate {
  const total = { seconds: 0, mostSeconds: 0, evaluations: 0, most: 0 };
  for (const part of parts) {
    const { evaluations, most = evaluations, tokens, share = 1, changed = 1 } = part;
    const each = share * tokens * speed.secondsPerToken + changed * speed.secondsToApply;
    total.seconds += evaluations * each;
    total.mostSeconds += most * each;
    total.evaluations += evaluations;
    total.most += most;
  }
  return total;
}

/** "about 3 h 20 min for about 31 evaluations; at most 147, 15 h" */
export function estimateText({ seconds, mostSeconds, evaluations, most }: TimeEstimate): string {
  const count = formatCounted(Math.round(evaluations), 'evaluation');
  if (Math.round(most) <= Math.round(evaluations))
    return `about ${roughTime(seconds)} for ${count}`;
  const bound = `${formatCount(Math.round(most))}, about ${roughTime(mostSeconds)}`;
  return `about ${roughTime(seconds)} for about ${count}; at most ${bound}`;
}

/** Evaluations that the estimate weighs as much as, beside those that were seen. */
const PRIOR_EVALUATIONS = 3;

/** Seconds, and share of an evaluation, below which an answer was in the store and nothing was evaluated. */
const REMEMBERED_SECONDS = 0.05;
const REMEMBERED_SHARE = 0.1;

/**
 * The time left of a run, from its estimate and from what its evaluations took so far. Answers that the store
 * had, of a run that is taken up again, say nothing of the rest.
 */
export class RestTime {
  private last: { readonly at: number; readonly done: number } | undefined;
  private seen = 0;
  private taken = 0;

  /**
   * @param each seconds an evaluation, as estimated.
   * @param after seconds of what follows the evaluations.
   * @param now milliseconds.
   */
  constructor(
    private readonly each: number,
    private readonly after: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Seconds left, with so many evaluations done and so many expected to follow. */
  left(done: number, expected: number): number {
    const at = this.now() / 1000;
    this.last ??= { at, done };
    const [seconds, more] = [at - this.last.at, done - this.last.done];
    if (more > 0) {
      if (seconds > more * Math.min(REMEMBERED_SECONDS, REMEMBERED_SHARE * this.each)) {
        this.taken += seconds;
        this.seen += more;
      }
      this.last = { at, done };
    }
    // The part of the evaluation under way that is over counts among those seen.
    const under = more > 0 ? 0 : seconds;
    const each =
      (PRIOR_EVALUATIONS * this.each + this.taken + under) / (PRIOR_EVALUATIONS + this.seen);
    return Math.max(0, each * expected) + this.after;
  }
}
