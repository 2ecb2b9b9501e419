import type { AdditiveModel } from './additive.js';
import type { Assignment } from './space.js';

/** A plan one step away from another. */
export interface Move {
  readonly assignment: Assignment;
  /** 'attention.0/SRWKV 8 to 6, output/head 4 to 5' */
  readonly description: string;
  /** Footprint after the move. */
  readonly bytes: number;
  /** Predicted change of the loss; negative is better. */
  readonly loss: number;
  /** Predicted loss for each byte that the move saves; only of use among moves that save some. */
  readonly lossPerByteSaved: number;
}

/**
 * Everything one step away: a unit to its next lower bit width, a unit to its next higher, and each pair of
 * the two.
 */
export function movesFrom(
  model: AdditiveModel,
  from: { readonly assignment: Assignment; readonly bytes: number },
): Move[] {
  const place = model.groups.map((group, unit) => {
    const bits = from.assignment.bitsOf(group.units[0]);
    return model.units[unit].choices.findIndex((choice) => choice.bits === bits);
  });
  const shifts = (by: 1 | -1): Shift[] =>
    model.units.flatMap((unit, index) => {
      const before = unit.choices[place[index]];
      const after = unit.choices.at(place[index] + by);
      if (place[index] + by < 0 || after === undefined) return [];
      return [
        {
          index,
          bits: after.bits,
          description: `${unit.id} ${before.bits} to ${after.bits}`,
          bytes: after.bytes - before.bytes,
          loss: after.loss - before.loss,
        },
      ];
    });
  const lowered = shifts(1);
  const raised = shifts(-1);
  const pairs = lowered.flatMap((down) =>
    raised.filter((up) => up.index !== down.index).map((up) => [down, up]),
  );
  return [...[...lowered, ...raised].map((shift) => [shift]), ...pairs].map((parts) => {
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const loss = parts.reduce((sum, part) => sum + part.loss, 0);
    return {
      assignment: parts.reduce(
        (assignment, part) => assignment.with(model.groups[part.index].units, part.bits),
        from.assignment,
      ),
      description: parts.map((part) => part.description).join(', '),
      bytes: from.bytes + bytes,
      loss,
      lossPerByteSaved: loss / -bytes,
    };
  });
}

interface Shift {
  /** Which unit. */
  readonly index: number;
  readonly bits: number;
  readonly description: string;
  readonly bytes: number;
  readonly loss: number;
}
