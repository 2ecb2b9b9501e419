import type { TaskName } from '../../tasks/kinds.js';
import type { Tokenizer } from '../../tokenizer/tokenizer.js';
import { DataError } from '../../util/errors.js';
import { buildTask, type TaskModel, type TaskRequest } from './build-task.js';
import { originOfData } from './data-file.js';
import { requireApart } from './overlap.js';
import type { StudyTask, StudyTasks } from './study.js';

/** The data to search on, and the data to judge the result by. */
export interface StudyTasksRequest extends Omit<TaskRequest, 'part'> {
  /** A file for the final measurement; without `data` the part of the bundled samples that is held out. */
  readonly heldOut?: string | undefined;
  /** Sentences, or predicted tokens, of the held-out data at most. */
  readonly heldOutLimit?: number | undefined;
}

/**
 * The tasks of a study. Without files the bundled samples in their two parts; with a file to search on, the
 * held-out data is another file, or there is none.
 *
 * @throws {DataError} when both are the same data, or share some of it: a result judged by what it was
 *   selected on says nothing.
 * @throws as {@link buildTask}.
 */
export async function buildStudyTasks(
  { heldOut, heldOutLimit, ...request }: StudyTasksRequest,
  tokenizer: Tokenizer,
  model: TaskModel,
): Promise<StudyTasks> {
  const { data, limit } = request;
  const bundled = data === undefined;
  const build = async (wanted: TaskRequest, split: string): Promise<StudyTask> => {
    const task = await buildTask(wanted, tokenizer, model);
    const origin = await originOfData(wanted.data);
    return { task, split, limit: wanted.limit, context: task.context, origin };
  };
  const search = await build({ ...request, limit, ...(bundled && { part: 'search' }) }, 'search');
  if (!bundled && heldOut === undefined) return { search };
  const judged = await build(
    {
      ...request,
      // The same kind of task, whatever the file is called.
      task: search.task.name as TaskName,
      data: heldOut,
      limit: heldOutLimit,
      ...(heldOut === undefined && { part: 'held-out' }),
    },
    'held-out',
  );
  if (judged.task.id === search.task.id)
    throw new DataError({
      what: 'the held-out data is the data that is searched on',
      where: judged.task.source,
      got: `the same ${judged.task.items} items`,
      expected: 'data that no decision was made on, or none',
    });
  // The two parts of the bundled samples were made apart.
  if (!bundled || heldOut !== undefined) requireApart(search.task, judged.task);
  return { search, heldOut: judged };
}
