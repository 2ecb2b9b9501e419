import assert from 'node:assert/strict';
import { copyFile, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, ContentSums } from '../../src/checkpoint/content-sums.js';
import { FileSource } from '../../src/checkpoint/file-source.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { saveToy } from '../experiment/support.js';
import { temporaryFolder } from './support/temporary.js';

/** More than a block: what is read of the first is not kept. */
const WIDE = { width: 64, hiddenWidth: 256 } as const;
const CHANGED = /the file was changed while it was in use/;

describe('checkpoint: a file that changes below its reader', () => {
  const at = temporaryFolder();
  const size = 3 * BLOCK_BYTES + 1000;
  const random = seededRandom(7);
  const bytes = Uint8Array.from({ length: size }, () => random.integer(0, 255));

  /** Opens the bytes, and closes them again. */
  async function withSource(
    use: (source: FileSource, path: string) => Promise<void>,
  ): Promise<void> {
    await writeFile(at('bytes'), bytes);
    const source = await FileSource.open(at('bytes'));
    try {
      await use(source, at('bytes'));
    } finally {
      await source.close();
    }
  }

  it('reads any part as it is, whatever blocks it touches', () =>
    withSource(async (source) => {
      const edges = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, size];
      for (const from of edges)
        for (const to of edges.filter((edge) => edge >= from)) {
          const [found, expected] = [await source.read(from, to - from), bytes.slice(from, to)];
          assert.deepEqual(found, expected, `${from} ${to}`);
          assert.equal(source.crc32Of(found, from), crc32(expected), `${from} ${to}`);
        }
      const pieces: Uint8Array[] = [];
      await source.eachPiece(5, size - 7, 70_000, (piece) => pieces.push(piece.slice()));
      assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), bytes.slice(5, size - 2));
    }));

  it('gives the bytes that it gave before, or none', () =>
    withSource(async (source, path) => {
      await source.sha256();
      const other = bytes.slice();
      other[2 * BLOCK_BYTES + 3] ^= 1;
      await writeFile(path, other);
      assert.deepEqual(await source.read(0, BLOCK_BYTES), bytes.slice(0, BLOCK_BYTES));
      await assert.rejects(source.read(2 * BLOCK_BYTES + 100, 4), CHANGED);
      await assert.rejects(source.read(2 * BLOCK_BYTES, BLOCK_BYTES), CHANGED);
      await assert.rejects(source.sha256(), CheckpointError);
    }));

  it('gives no hash of what was not read', () =>
    withSource(async (source, path) => {
      await source.read(10, 4);
      await writeFile(
        path,
        bytes.map((byte) => byte ^ 1),
      );
      await assert.rejects(source.sha256(), CHANGED);
    }));

  it('finds in another thread what was read in the first, or refuses', () =>
    withSource(async (source, path) => {
      await source.sha256();
      const { content } = source;
      await (await FileSource.open(path, content)).close();
      await writeFile(
        path,
        bytes.map((byte) => byte ^ 1),
      );
      const second = await FileSource.open(path, content);
      await assert.rejects(second.read(size - 4, 4), CHANGED);
      await second.close();
      await truncate(path, size - 1);
      await assert.rejects(FileSource.open(path, content), /got 197607 bytes; expected 197608/);
    }));

  it('takes what it has not read yet for what it is then', () => {
    const sums = new ContentSums(size);
    assert.equal(sums.changed(1, bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES)), undefined);
    assert.equal(sums.changed(1, new Uint8Array(BLOCK_BYTES)), 1);
    assert.equal(sums.changed(2, new Uint8Array(BLOCK_BYTES)), undefined);
  });

  it('refuses weights of another file, copied over or renamed to it', async () => {
    const [path, other] = [at('m.safetensors'), at('other.safetensors')];
    await saveToy(path, WIDE);
    await saveToy(other, WIDE, [], (_, values) => values.fill(0.25));
    const checkpoint = await openCheckpoint(path);
    try {
      const name = 'blocks.1.ffn.key.weight';
      const before = await checkpoint.readFloat32(name);
      const content = await checkpoint.content!();
      await rename(path, at('kept.safetensors'));
      await copyFile(other, path);
      // Still open: the file that was renamed.
      assert.deepEqual(await checkpoint.readFloat32(name), before);
      await assert.rejects(openCheckpoint(path, content), CHANGED);
      await writeFile(at('kept.safetensors'), await readFile(other));
      await assert.rejects(checkpoint.readFloat32(name), CHANGED);
    } finally {
      await checkpoint.close();
    }
  });
});
