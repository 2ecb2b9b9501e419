import type { AdditiveModel } from './additive.js';
import type { Assignment } from './space.js';

/** One unit's bits, a step down or up. */
export interface Shift {
  /** Which group of the model. */
  readonly group: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Predicted change of the model's loss, and of the metric's. */
  readonly loss: number;
  readonly metricLoss: number;
}

/** A plan one step away from another. */
export interface Move {
  /** One unit lowered or raised, or one lowered and one raised. */
  readonly shifts: readonly Shift[];
  readonly assignment: Assignment;
  /** 'attention.0/SRWKV 8 to 6, output/head 4 to 5' */
  readonly description: string;
  /** Footprint after the move. */
  readonly bytes: number;
  /** Predicted change of the model's loss; negative is better. */
  readonly loss: number;
}

/**
 * Everything one step away: a unit to its next lower bit width, a unit to its next higher, and each pair of
 * the two.
 */
export function movesFrom(
  model: AdditiveModel,
  from: { readonly assignment: Assignment; readonly bytes: number },
): Move[] {
  const shifts = (by: 1 | -1): Shift[] =>
    model.units.flatMap(({ choices }, group) => {
      const bits = from.assignment.bitsOf(model.groups[group].units[0]);
      const here = choices.findIndex((choice) => choice.bits === bits);
      const there = here + by;
      if (there < 0 || there >= choices.length) return [];
      const metricLosses = model.metricLosses[group];
      return [
        {
          group,
          from: bits,
          to: choices[there].bits,
          bytes: choices[there].bytes - choices[here].bytes,
          loss: choices[there].loss - choices[here].loss,
          metricLoss: metricLosses[there] - metricLosses[here],
        },
      ];
    });
  const lowered = shifts(1);
  const raised = shifts(-1);
  const pairs = lowered.flatMap((down) =>
    raised.filter((up) => up.group !== down.group).map((up) => [down, up]),
  );
  return [...[...lowered, ...raised].map((shift) => [shift]), ...pairs].map((parts) => ({
    shifts: parts,
    assignment: parts.reduce(
      (plan, { group, to }) => plan.with(model.groups[group].units, to),
      from.assignment,
    ),
    description: parts
      .map((part) => `${model.units[part.group].id} ${part.from} to ${part.to}`)
      .join(', '),
    bytes: parts.reduce((sum, part) => sum + part.bytes, from.bytes),
    loss: parts.reduce((sum, part) => sum + part.loss, 0),
  }));
}

/** What measured moves have taught beyond the table: the metric's loss of a shift on its own. */
export class ShiftExperience {
  readonly #seen = new Map<string, number>();

  /** A move of a single shift was measured to lose so much more than the plan it came from. */
  learn(move: Move, metricLoss: number): void {
    if (move.shifts.length === 1) this.#seen.set(keyOf(move.shifts[0]), metricLoss);
  }

  /** Predicted change of the metric's loss: for each shift what the table says, or more if so measured. */
  predict(move: Move): number {
    return move.shifts.reduce(
      (sum, shift) =>
        sum + Math.max(shift.metricLoss, this.#seen.get(keyOf(shift)) ?? shift.metricLoss),
      0,
    );
  }
}

function keyOf({ group, from, to }: Shift): string {
  return `${group}: ${from} to ${to}`;
}
