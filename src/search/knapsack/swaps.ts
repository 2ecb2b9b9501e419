import type { Assignment } from '../space.js';
import type { AdditiveModel } from './additive.js';

/** One unit's bits, a step down or up. */
export interface Shift {
  /** The group of the model. */
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
  /** 'input/embedding 8 to 6, output/head 4 to 5' */
  readonly description: string;
  /** Footprint after the move. */
  readonly bytes: number;
  /** Predicted change of the model's loss; negative is better. */
  readonly loss: number;
}

/**
 * Everything close by: a unit to any lower bit width, a unit to its next higher, and each pair of a unit to
 * its next lower with another to its next higher.
 */
export function movesFrom(
  model: AdditiveModel,
  from: { readonly assignment: Assignment; readonly bytes: number },
): Move[] {
  const { units, groups, metricLosses } = model;
  const places = units.map(({ choices }, group) => {
    const bits = from.assignment.bitsOf(groups[group].units[0]);
    return choices.findIndex((choice) => choice.bits === bits);
  });
  const shift = (group: number, to: number): Shift => {
    const [here, there] = [units[group].choices[places[group]], units[group].choices[to]];
    return {
      group,
      from: here.bits,
      to: there.bits,
      bytes: there.bytes - here.bytes,
      loss: there.loss - here.loss,
      metricLoss: metricLosses[group][to] - metricLosses[group][places[group]],
    };
  };
  const raised = places.flatMap((here, group) => (here > 0 ? [shift(group, here - 1)] : []));
  const further = places.map((here, group) =>
    units[group].choices.slice(here + 1).map((_, step) => shift(group, here + 1 + step)),
  );
  const lowered = further.flatMap((shifts) => shifts.slice(0, 1));
  const pairs = lowered.flatMap((down) =>
    raised.filter((up) => up.group !== down.group).map((up) => [down, up]),
  );
  const alone = [...further.flat(), ...raised].map((part) => [part]);
  return [...alone, ...pairs].map((parts) => ({
    shifts: parts,
    assignment: parts.reduce(
      (plan, { group, to }) => plan.with(groups[group].units, to),
      from.assignment,
    ),
    description: parts
      .map(({ group, from, to }) => `${units[group].id} ${from} to ${to}`)
      .join(', '),
    bytes: parts.reduce((sum, part) => sum + part.bytes, from.bytes),
    loss: parts.reduce((sum, part) => sum + part.loss, 0),
  }));
}

/** Losses learned from measured moves, beyond the table: the metric's loss of a shift on its own. */
export class ShiftExperience {
  readonly #seen: { readonly shift: Shift; readonly metricLoss: number }[] = [];

  /**
   * A move was measured to lose so much more than the plan it came from. Its lowered unit alone would lose
   * at least that: raising another does not make it worse.
   */
  learn(move: Move, metricLoss: number): void {
    const lowered = move.shifts.find((shift) => shift.to < shift.from);
    if (lowered !== undefined) this.#seen.push({ shift: lowered, metricLoss });
  }

  /**
   * Predicted change of the metric's loss: for each shift what the table says, or what it, or a smaller
   * shift of the same unit from the same bits, was measured to lose, if that is more.
   */
  predict(move: Move): number {
    return move.shifts.reduce((sum, shift) => {
      const measured = this.#seen
        .filter(({ shift: seen }) => seen.group === shift.group && seen.from === shift.from)
        .filter(({ shift: seen }) => shift.to < shift.from && seen.to >= shift.to)
        .map(({ metricLoss }) => metricLoss);
      return sum + Math.max(shift.metricLoss, ...measured);
    }, 0);
  }
}
