import assert from 'node:assert/strict';
import type { Sst2Parts } from '../../src/tasks/sst2.js';
import type { Task } from '../../src/tasks/task.js';
import type { Wikitext2Parts } from '../../src/tasks/wikitext2.js';

/** What a classification task is made of. */
export function sst2Parts({ parts }: Pick<Task, 'parts'>): Sst2Parts {
  assert.equal(parts.task, 'sst2');
  return parts as Sst2Parts;
}

/** What a perplexity task is made of. */
export function wikitext2Parts({ parts }: Pick<Task, 'parts'>): Wikitext2Parts {
  assert.equal(parts.task, 'wikitext2');
  return parts as Wikitext2Parts;
}
