import { fetchBlob, type BlobPlace } from '../../hub/blob.js';
import { QueueError } from '../../util/errors.js';
import { formatBytes } from '../../util/format.js';
import { fileAddress } from '../files/settings.js';
import { contentOf, type FoundFile, type WantedFile } from './models.js';

/** The largest file that a session may have a worker fetch: SpikeGPT-216M has 0.86 GB. */
const MOST_BYTES = 64e9;

export interface BlobOptions {
  /** Certificates (PEM) that coordinators are checked against. */
  readonly ca: string | undefined;
  /** True where HTTP from other machines is allowed. */
  readonly unencrypted: boolean;
  readonly tell: (text: string) => void;
  /** Fires when the worker ends. */
  readonly signal: AbortSignal;
}

/** Gets checkpoints from coordinators that hand them out, into the cache of this machine. */
export class Blobs {
  /** By hash: seats of one worker wait for one download. */
  private readonly coming = new Map<string, Promise<string>>();

  constructor(private readonly options: BlobOptions) {}

  /**
   * @throws {FetchError} as `fetchBlob`. {UsageError} for an address that this worker does not fetch from.
   * {QueueError} for a file that is too large.
   */
  async find(wanted: WantedFile, place: BlobPlace): Promise<FoundFile> {
    const { sha256 } = wanted;
    const coming = this.coming.get(sha256) ?? this.fetch(wanted, place);
    this.coming.set(sha256, coming);
    try {
      const path = await coming;
      return { path, content: await contentOf(path, sha256) };
    } finally {
      this.coming.delete(sha256);
    }
  }

  private async fetch(wanted: WantedFile, { url, token }: BlobPlace): Promise<string> {
    const { ca, unencrypted, tell, signal } = this.options;
    const { origin } = fileAddress(url, unencrypted, 'session');
    const { bytes } = wanted;
    if (bytes > MOST_BYTES)
      throw new QueueError({
        what: 'the model is too large to be fetched',
        where: wanted.name,
        got: formatBytes(bytes),
        expected: `at most ${formatBytes(MOST_BYTES)}`,
      });
    let last: string | undefined;
    const path = await fetchBlob({ url: origin, token, ca }, wanted, {
      signal,
      onProgress: ({ note, done }) => {
        const said = note ?? `fetching ${wanted.name} (${formatBytes(bytes)}) from ${origin}`;
        // Once each: a byte is no news.
        if (said !== last && done < bytes) tell(said);
        last = said;
      },
    });
    tell(`${wanted.name} is in the cache`);
    return path;
  }
}
