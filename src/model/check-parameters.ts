import { isFloating } from '../checkpoint/dtypes.js';
import type { CheckpointListing } from '../checkpoint/types.js';
import type { Parameter } from '../layout/layout.js';
import { CheckpointError } from '../util/errors.js';
import type { ModelFamily } from './family.js';

/** Vectors are stored as [C], [1, C] or [1, 1, C]; matrices have one shape only. */
function sameShape(found: readonly number[], { role, shape }: Parameter): boolean {
  const core = (sizes: readonly number[]): readonly number[] =>
    sizes.length === 3 || sizes[0] === 1 ? sizes.slice(-1) : sizes;
  const [left, right] = role === 'vector' ? [core(found), core(shape)] : [found, shape];
  return left.length === right.length && left.every((size, axis) => size === right[axis]);
}

/** The parts of a structure that a checkpoint is held against. */
interface CheckedStructure {
  readonly family: Pick<ModelFamily, 'title' | 'ignores'>;
  readonly layout: { readonly parameters: readonly Parameter[] };
}

/** Lines shown of a long list of faults. */
const MOST_LINES = 20;

/**
 * Compares a checkpoint with the parameters that its configuration asks for.
 *
 * @throws {CheckpointError} that names every tensor missing, surplus, misshapen (with both shapes) or of an
 *   integer type, which no weights are of
 */
export function checkParameters(
  checkpoint: CheckpointListing,
  { family, layout: { parameters } }: CheckedStructure,
): void {
  const expected = new Set(parameters.map(({ name }) => name));
  const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const faults: string[] = [];
  for (const parameter of parameters) {
    const { name, shape } = parameter;
    const { shape: found, dtype } = checkpoint.tensors.get(name) ?? {};
    if (found === undefined) faults.push(`missing ${name}, expected ${show(shape)}`);
    else if (!sameShape(found, parameter))
      faults.push(`misshapen ${name}: found ${show(found)}, expected ${show(shape)}`);
    else if (dtype !== undefined && !isFloating(dtype))
      faults.push(`integers in ${name}: found ${dtype}, expected float32, float16 or bfloat16`);
  }
  for (const [name, { shape }] of checkpoint.tensors)
    if (!expected.has(name) && !family.ignores(name))
      faults.push(`surplus ${name}: found ${show(shape)}, expected none`);
  if (faults.length === 0) return;

  const hidden = faults.length - MOST_LINES;
  const lines = faults.slice(0, MOST_LINES).concat(hidden > 0 ? [`… and ${hidden} more`] : []);
  throw new CheckpointError({
    what: `the tensors are not those of a ${family.title}`,
    where: checkpoint.path,
    got: `${faults.length} differences:\n  ${lines.join('\n  ')}\n`,
    expected: `${parameters.length} tensors`,
  });
}
