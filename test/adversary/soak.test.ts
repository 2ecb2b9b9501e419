import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { soak } from './soak.js';

describe('soak', () => {
  before(function () {
    // Signals and links, as Linux and macOS have them.
    if (process.platform === 'win32' || !existsSync('/bin/sh')) this.skip();
  });

  it('a few kills change nothing (npm run soak for a thousand)', async () => {
    const { faults, kills, searches } = await soak({ kills: 4, seed: 7, seconds: 6, most: 3 });
    assert.deepEqual(faults, []);
    assert.ok(searches > 0 && kills > 0, `${kills} kills of ${searches} searches`);
  });
});
