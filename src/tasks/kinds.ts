import { UsageError } from '../util/errors.js';
import { GLUE, GLUE_NAMES, type GlueName } from './glue/benchmarks.js';
import { glueFromParts, type GlueParts } from './glue/task.js';
import type { MetricName } from './metrics/metrics.js';
import { PIECE_TOKENS, sentencePieces, textPieces, type Pieces } from './pieces.js';
import { sst2FromParts, type Sst2Parts } from './sst2.js';
import type { Task, TaskParts } from './task.js';
import { wikitext2FromParts, type Wikitext2Parts } from './wikitext2.js';

/** A kind of task; a new one is another of these in the list below, and the file that defines it. */
export interface TaskKind {
  /** Of the paper's data, which titles give it where nothing else is measured on. */
  readonly title: string;
  readonly metric: MetricName;
  /** The content in pieces, and what people call them. */
  pieces(parts: TaskParts): Pieces;
  readonly pieceName: string;
  /** The task that the parts were taken from. */
  fromParts(parts: TaskParts): Task;
}

type GlueKinds = {
  readonly [Name in GlueName]: TaskKind & { readonly metric: (typeof GLUE)[Name]['metric'] };
};

const GLUE_KINDS = Object.fromEntries(
  GLUE_NAMES.map((name): [GlueName, TaskKind] => [
    name,
    {
      title: GLUE[name].title,
      metric: GLUE[name].metric,
      pieces: (parts) => sentencePieces((parts as GlueParts).sequences),
      pieceName: 'sentences',
      fromParts: (parts) => glueFromParts(parts as GlueParts),
    },
  ]),
) as unknown as GlueKinds;

/** In the order of the paper; then further ones. */
export const TASK_KINDS = {
  sst2: {
    title: 'SST-2',
    metric: 'accuracy',
    pieces: (parts) => sentencePieces((parts as Sst2Parts).sequences),
    pieceName: 'sentences',
    fromParts: (parts) => sst2FromParts(parts as Sst2Parts),
  },
  wikitext2: {
    title: 'WikiText-2',
    metric: 'perplexity',
    pieces: (parts) => textPieces((parts as Wikitext2Parts).scored),
    pieceName: `pieces of ${PIECE_TOKENS} tokens`,
    fromParts: (parts) => wikitext2FromParts(parts as Wikitext2Parts),
  },
  ...GLUE_KINDS,
} as const satisfies Readonly<Record<string, TaskKind>>;

export type TaskName = keyof typeof TASK_KINDS;
export const TASK_NAMES = Object.keys(TASK_KINDS) as TaskName[];

/** @throws {UsageError} for a kind of task that there is not. */
export function taskKind(name: string): TaskKind {
  if (Object.hasOwn(TASK_KINDS, name)) return TASK_KINDS[name as TaskName];
  const expected = TASK_NAMES.join(', ');
  throw new UsageError({ what: 'unknown task', where: 'task', got: name, expected });
}

/** The task that {@link Task.parts} was taken from; measurements of both are the same to the bit. */
export function taskFromParts(parts: TaskParts): Task {
  return taskKind(parts.task).fromParts(parts);
}
