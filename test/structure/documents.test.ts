import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagePath } from '../../src/util/paths.js';

const ROOT = packagePath();

/** Folders that a document leaves out of a path. */
const STARTS = ['', 'src', 'src/backend'];

describe('documents', () => {
  for (const document of ['ARCHITECTURE.md', 'FEATURES.md', 'README.md'])
    it(`${document} names files and folders that exist`, () => {
      const text = readFileSync(join(ROOT, document), 'utf8');
      const paths = [...text.matchAll(/`((?:[\w-]+\/)+[\w.-]+\.ts|(?:src|test)\/[\w/.-]+)`/g)];
      assert.ok(paths.length > 0);
      const missing = paths
        .map(([, path]) => path)
        .filter((path) => !STARTS.some((start) => existsSync(join(ROOT, start, path))));
      assert.deepEqual(missing, []);
    });
});
