import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as surface from '../../src/index.js';
import { packagePath } from '../../src/util/paths.js';

const read = (...path: string[]): string => readFileSync(join(packagePath(), ...path), 'utf8');

/** What can be imported and is no error: errors are told from each other by their class, and listed nowhere. */
const names = Object.entries(surface)
  .filter(([, value]) => !(typeof value === 'function' && value.prototype instanceof Error))
  .map(([name]) => name);

describe('what can be imported', () => {
  it('is listed by purpose, once, on the first page of the documents', () => {
    const [head] = read('src', 'index.ts').split('*/', 1);
    const linked = [...head.matchAll(/\{@link (\w+)\}/g)].map(([, name]) => name);
    const listed = linked.filter((name) => name !== 'QslmError');
    assert.deepEqual([...listed].sort(), [...names].sort());
  });

  it('is all that README’s table of purposes names', () => {
    const [, after] = read('README.md').split('**What can be imported?**');
    const rows = after.split('\n').filter((line) => line.startsWith('|'));
    const table = rows.slice(2, rows.findIndex((_, row) => row > 1 && !rows[row + 1]) + 1);
    const code = table.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, text]) => text));
    const words = code.flatMap((text) => [...text.matchAll(/([A-Za-z_]\w*)(?=\(|$)/g)]);
    const called = [...new Set(words.map(([, name]) => name))].filter((name) => !OPTIONS.has(name));
    assert.ok(called.length > 30, called.join(' '));
    assert.deepEqual(
      called.filter((name) => !names.includes(name)),
      [],
    );
  });
});

/** Options of `limits`, which the table names too. */
const OPTIONS = new Set(['perplexity', 'loss', 'megabytes']);
