import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { floats, safetensors } from './support/builders.js';
import { fixtures } from './support/fixtures.js';
import { readAll, temporaryFolder } from './support/temporary.js';

const SEED = 20260100679;
const FLIPS = 800;

const SAFETENSORS = safetensors(
  JSON.stringify({
    __metadata__: { a: 'b' },
    w: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
    h: { dtype: 'BF16', shape: [2], data_offsets: [16, 20] },
  }),
  Uint8Array.of(...floats(1, 2, 3, 4), 0x80, 0x3f, 0x00, 0xc0),
);

const FILES: readonly [format: string, bytes: Uint8Array][] = [
  ['zip', fixtures.wrappedZip],
  ['legacy', fixtures.viewsLegacy],
  ['safetensors', SAFETENSORS],
];

type Outcome = Record<string, number[]> | CheckpointError;

describe('checkpoint: damaged files', function () {
  this.timeout(60_000);
  const file = temporaryFolder();

  /** Opens and reads everything. Anything thrown but a CheckpointError fails the test. */
  async function outcome(bytes: Uint8Array): Promise<Outcome> {
    const path = file('damaged');
    await writeFile(path, bytes);
    try {
      const checkpoint = await openCheckpoint(path);
      try {
        return await readAll(checkpoint);
      } finally {
        await checkpoint.close();
      }
    } catch (error) {
      if (error instanceof CheckpointError) return error;
      throw error;
    }
  }

  for (const [format, whole] of FILES)
    it(`refuses a ${format} file cut at any length`, async () => {
      assert.ok(!((await outcome(whole)) instanceof CheckpointError));
      for (let length = 0; length < whole.length; length++) {
        const found = await outcome(whole.subarray(0, length));
        assert.ok(found instanceof CheckpointError, `${length} of ${whole.length} bytes`);
      }
    });

  for (const [format, whole] of [...FILES, ['zip of all types', fixtures.kindsZip] as const])
    it(`refuses a ${format} file with changed bytes, or reads what it says`, async () => {
      const random = seededRandom(SEED);
      const intact = await outcome(whole);
      let refused = 0;
      for (let run = 0; run < FLIPS; run++) {
        const bytes = Uint8Array.from(whole);
        for (let flips = random.integer(1, 3); flips > 0; flips--)
          bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
        const found = await outcome(bytes);
        if (found instanceof CheckpointError) refused++;
        // Only a zip has checksums: what it gives is right. The others may hold other numbers now.
        else if (format.startsWith('zip'))
          assert.deepEqual(found, intact, `run ${run} of seed ${SEED}`);
      }
      assert.ok(refused > FLIPS / 10, `only ${refused} of ${FLIPS} refused`);
    });

  it('leaves no memory behind', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const random = seededRandom(SEED + 1);
    for (let run = 0; run < 300; run++) {
      const bytes = Uint8Array.from(fixtures.kindsLegacy);
      bytes[random.integer(0, bytes.length - 1)] ^= 0xff;
      await outcome(bytes);
      const grown = process.memoryUsage().arrayBuffers - before;
      assert.ok(grown < 64e6, `${grown} bytes after run ${run} of seed ${SEED + 1}`);
    }
  });
});
