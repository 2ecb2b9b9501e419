import { sst2FromParts } from './sst2.js';
import type { Task, TaskParts } from './task.js';
import { wikitext2FromParts } from './wikitext2.js';

/** The task that {@link Task.parts} was taken from; measurements of both are the same to the bit. */
export function taskFromParts(parts: TaskParts): Task {
  switch (parts.task) {
    case 'sst2':
      return sst2FromParts(parts);
    case 'wikitext2':
      return wikitext2FromParts(parts);
  }
}
