import { AbortedError, QslmError } from '../util/errors.js';

/** Message of the error that tslab rejects a cell with when the kernel is interrupted. */
const TSLAB_INTERRUPT = 'Interrupted asynchronously';

/**
 * An error in words that a person at a notebook can act on: for one of this package what, where, got and
 * expected, line by line, without a stack; for any other its stack down to the cell, without the frames
 * of the kernel below it.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message === TSLAB_INTERRUPT || error instanceof AbortedError)
    return 'Interrupted. What was measured is kept where a store is open: run the cell again to go on.';
  // Not instanceof alone: a notebook may have loaded another copy of the package.
  if (error instanceof QslmError || hasDetail(error)) return describeDetail(error);
  return shortStack(error);
}

type DetailedError = Error & Pick<QslmError, 'detail'>;

function hasDetail(error: Error): error is DetailedError {
  const { detail } = error as Partial<DetailedError>;
  return typeof detail?.what === 'string' && typeof detail.where === 'string';
}

function describeDetail({ name, detail }: DetailedError): string {
  const { what, where, got, expected } = detail;
  const lines = [`${name}: ${what}`, `  where:    ${where}`];
  if (got !== undefined) lines.push(`  got:      ${got}`);
  if (expected !== undefined) lines.push(`  expected: ${expected}`);
  return lines.join('\n');
}

/** A position in the cell, which the kernel compiles under this name. Its lines are not the source's. */
const CELL = /evalmachine\.<anonymous>(:\d+)*/g;
/** Frames below the cell. */
const KERNEL =
  /[\\/]tslab[\\/]dist[\\/]|[\\/]notebook[\\/]kernel\.js|\(node:(vm|internal)|at node:internal/;

function shortStack(error: Error): string {
  const { stack } = error;
  if (stack === undefined) return `${error.name}: ${error.message}`;
  const lines = stack
    .split('\n')
    .filter((line) => !/^\s+at /.test(line) || !KERNEL.test(line))
    .map((line) => line.replace(CELL, 'this cell'));
  const causes = error.cause === undefined ? [] : [`caused by ${describeError(error.cause)}`];
  return [...lines, ...causes].join('\n');
}
