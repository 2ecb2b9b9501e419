import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Digest } from './cache.js';

/** A digest that takes the content piece by piece. */
export function digestOf(algorithm: Digest['algorithm'], bytes: number): Hash {
  if (algorithm === 'sha256') return createHash('sha256');
  // Git hashes a blob with its type and length before it.
  return createHash('sha1').update(`blob ${bytes}\0`);
}

/** Takes the first `end` bytes of a file into a digest. */
export async function addFile(hash: Hash, path: string, end: number): Promise<void> {
  if (end === 0) return;
  const stream = createReadStream(path, { end: end - 1, highWaterMark: 1 << 20 });
  for await (const piece of stream) hash.update(piece as Buffer);
}

/** True for a file of the length and content that the hub lists. */
export async function isIntact(path: string, bytes: number, wanted: Digest): Promise<boolean> {
  const hash = digestOf(wanted.algorithm, bytes);
  await addFile(hash, path, bytes);
  return hash.digest('hex') === wanted.hex;
}
