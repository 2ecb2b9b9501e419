import { requireThat } from './require.js';
import type { Assignment } from './space.js';

/** The figure of a plan that a gate looks at before the plan is measured: the larger, the worse. */
export type Foresee = (assignment: Assignment, signal?: AbortSignal) => Promise<number>;

/** The gate's word on a step. */
export interface GateSight {
  readonly drift: number;
  readonly threshold: number;
}

/** The gate of a search that is over. */
export interface GateUsed {
  /** Absent where none could be derived: nothing was refused. */
  readonly threshold?: number;
  /** Where the threshold is from, in words. */
  readonly origin: string;
  /** Drifts asked for, those of the threshold among them. */
  readonly drifts: number;
  /** Steps refused, and so not measured. */
  readonly refused: number;
}

/** A uniform plan of the global tier, and whether it kept the quality limit. */
interface Uniform {
  readonly assignment: Assignment;
  readonly bits: number;
  readonly kept: boolean;
}

/**
 * Refuses plans whose drift exceeds a threshold before they are measured, as AQ4SViT (arXiv 2606.15523) does. A
 * threshold that is not stated is derived once the uniform plans of the global tier have been measured: the
 * geometric mean of the drift of the one with the fewest bits that keeps the quality limit and of the one with
 * the most bits that does not. Until then, and where none breaks the limit, nothing is refused.
 */
export class Gate {
  #threshold: number | undefined;
  #origin: string;
  #derived: boolean;
  #drifts = 0;
  #refused = 0;

  /**
   * @param threshold stated; derived otherwise
   * @throws {SearchError} for a threshold that is no amount
   */
  constructor(
    private readonly foresee: Foresee,
    threshold?: number,
  ) {
    if (threshold !== undefined)
      requireThat(threshold >= 0, 'not a drift', 'gate threshold', threshold, 'at least 0');
    this.#threshold = threshold;
    this.#derived = threshold !== undefined;
    this.#origin = threshold === undefined ? 'none: no uniform plan breaks the limit' : 'stated';
  }

  /** Of a plan that is refused what the gate saw; undefined where it is let through. */
  async refusal(assignment: Assignment, signal?: AbortSignal): Promise<GateSight | undefined> {
    if (this.#threshold === undefined) return undefined;
    const threshold = this.#threshold;
    const drift = await this.driftOf(assignment, signal);
    // What is no number is not below the threshold.
    if (drift <= threshold) return undefined;
    this.#refused++;
    return { drift, threshold };
  }

  /** Derives the threshold from uniform plans that were measured, unless one is there. */
  async derive(uniform: readonly Uniform[], signal?: AbortSignal): Promise<void> {
    if (this.#derived) return;
    this.#derived = true;
    const byBits = [...uniform].sort((a, b) => b.bits - a.bits);
    const fails = byBits.find(({ kept }) => !kept);
    if (fails === undefined) return;
    const passes = byBits.filter(({ kept, bits }) => kept && bits > fails.bits).at(-1);
    const above = await this.driftOf(fails.assignment, signal);
    const below = passes && (await this.driftOf(passes.assignment, signal));
    if (!Number.isFinite(above)) {
      this.#origin = `none: the drift of all at ${fails.bits} bits is no number`;
      return;
    }
    // Without a drift below there is no mean: the plan that breaks the limit is the threshold itself.
    const isMean = below !== undefined && below > 0;
    this.#threshold = isMean ? Math.sqrt(below * above) : above;
    const text = (drift: number): string => String(Number(drift.toPrecision(4)));
    this.#origin = isMean
      ? `geometric mean of ${text(below)}, all at ${passes!.bits} bits, which keeps the limit, ` +
        `and ${text(above)}, all at ${fails.bits}, which does not`
      : `drift of all at ${fails.bits} bits, which breaks the limit; none above it is known`;
  }

  private driftOf(assignment: Assignment, signal?: AbortSignal): Promise<number> {
    this.#drifts++;
    return this.foresee(assignment, signal);
  }

  /** Its work so far. */
  get used(): GateUsed {
    const threshold = this.#threshold;
    return {
      ...(threshold !== undefined && { threshold }),
      ...{ origin: this.#origin, drifts: this.#drifts, refused: this.#refused },
    };
  }
}

/** "drift 0.21 above 0.12" of a step that a gate refused. */
export function gateText({ gate }: { readonly gate?: GateSight }): string {
  if (gate === undefined) return '';
  const [drift, threshold] = [gate.drift, gate.threshold].map((one) => Number(one.toPrecision(3)));
  return `drift ${drift} above ${threshold}`;
}
