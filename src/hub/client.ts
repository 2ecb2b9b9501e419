import type * as Hub from '@huggingface/hub';
import { FetchError, QslmError, UsageError } from '../util/errors.js';
import type { Digest } from './cache.js';
import type { Repository } from './catalogue.js';
import type { Source } from './download.js';
import { persist, type Patience } from './patience.js';
import { HubRequests, transportFault } from './request.js';
import type { HubSettings } from './settings.js';

/** A file of a repository as the hub lists it. */
export interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: Digest;
}

/** The files of a repository at one commit. */
export interface Listing {
  readonly repository: Repository;
  readonly commit: string;
  readonly files: readonly ListedFile[];
}

type Library = typeof Hub;

/** Names that may become paths on this machine: no way up, no hidden file, nothing odd. */
const SAFE_PATH = /^[A-Za-z0-9_][\w.+ -]*(\/[A-Za-z0-9_][\w.+ -]*)*$/;
const COMMIT = /^[0-9a-f]{40,64}$/;

/** The hub as far as it is needed here. To be closed. */
export class HubClient {
  private readonly requests: HubRequests;

  private constructor(
    private readonly library: Library,
    readonly settings: HubSettings,
    readonly patience: Patience,
    readonly signal: AbortSignal | undefined,
  ) {
    this.requests = new HubRequests(settings, signal);
  }

  static async open(
    settings: HubSettings,
    patience: Patience,
    signal: AbortSignal | undefined,
  ): Promise<HubClient> {
    // Only those who fetch wait for it to load.
    return new HubClient(await import('@huggingface/hub'), settings, patience, signal);
  }

  private common({ kind, name }: Repository): CommonParameters {
    const { endpoint, token } = this.settings;
    return {
      repo: { type: kind, name },
      hubUrl: endpoint,
      fetch: this.requests.fetch,
      ...(token !== undefined && { accessToken: token }),
    };
  }

  /** The address of a repository, for messages. */
  address({ kind, name }: Repository): string {
    return `${this.settings.endpoint}/${kind === 'model' ? '' : 'datasets/'}${name}`;
  }

  /**
   * The commit that a revision is now, and its files.
   *
   * @throws {FetchError} when the hub refuses, does not know it, or cannot be reached.
   */
  async list(repository: Repository, revision: string): Promise<Listing> {
    const where = this.address(repository);
    return this.persistently(where, async () => {
      const common = this.common(repository);
      const parameters = { ...common, name: repository.name, revision };
      const info =
        repository.kind === 'model'
          ? await this.library.modelInfo({ ...parameters, additionalFields: ['sha'] })
          : await this.library.datasetInfo({ ...parameters, additionalFields: ['sha'] });
      const commit: unknown = info.sha;
      if (typeof commit !== 'string' || !COMMIT.test(commit))
        throw strange(where, `the commit ${JSON.stringify(commit)}`);
      const files: ListedFile[] = [];
      // At the commit, not the branch: it may move between two requests.
      for await (const entry of this.library.listFiles({
        ...common,
        revision: commit,
        recursive: true,
      })) {
        if (entry.type !== 'file' || !SAFE_PATH.test(entry.path)) continue;
        const digest: Digest = entry.lfs
          ? { algorithm: 'sha256', hex: entry.lfs.oid }
          : { algorithm: 'git-sha1', hex: entry.oid ?? '' };
        const bytes = entry.lfs?.size ?? entry.size;
        const fits =
          /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest.hex) && Number.isSafeInteger(bytes);
        if (fits) files.push({ path: entry.path, bytes, digest });
      }
      return { repository, commit, files };
    });
  }

  /** The bytes of a file from `offset` on. @throws {PassingFault} {PartRefused} {FetchError} */
  async *read(
    { repository, commit }: Listing,
    { path, bytes }: ListedFile,
    offset: number,
  ): AsyncGenerator<Uint8Array> {
    const where = `${this.address(repository)}: ${path}`;
    this.requests.about = where;
    try {
      // Plain HTTP, which can be taken up at any byte; xet cannot.
      const blob = await this.library.downloadFile({
        ...this.common(repository),
        path,
        revision: commit,
        xet: false,
      });
      if (blob === null)
        throw new FetchError({
          what: 'there is no such file in the repository',
          where,
          got: '404 Not Found',
          expected: 'a file of its list',
        });
      if (blob.size !== bytes)
        throw new FetchError({
          what: 'the hub serves another file than it lists',
          where,
          got: `${blob.size} bytes`,
          expected: `${bytes} bytes`,
        });
      if (offset >= bytes) return;
      const part = offset > 0 ? blob.slice(offset) : blob;
      for await (const piece of part.stream()) yield piece as Uint8Array;
    } catch (error) {
      throw this.asFault(where, error);
    }
  }

  /** A file of a listing, to be downloaded. */
  source(listing: Listing, file: ListedFile): Source {
    return {
      ...file,
      where: `${this.address(listing.repository)}: ${file.path}`,
      word: 'the hub lists',
      patience: this.patience,
      read: (offset) => this.read(listing, file, offset),
    };
  }

  private async persistently<T>(where: string, attempt: () => Promise<T>): Promise<T> {
    const { patience, signal } = this;
    this.requests.about = where;
    return persist(
      async () => {
        try {
          return await attempt();
        } catch (error) {
          throw this.asFault(where, error);
        }
      },
      { patience, signal },
    );
  }

  private asFault(where: string, error: unknown): unknown {
    if (error instanceof QslmError) return error;
    const { fault } = this.requests;
    this.requests.fault = undefined;
    if (fault !== undefined) return fault;
    if (error instanceof this.library.InvalidApiResponseFormatError || error instanceof SyntaxError)
      return strange(where, error.message);
    return transportFault(where, error, this.settings.endpoint);
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.requests.close();
  }
}

interface CommonParameters {
  readonly repo: { readonly type: Repository['kind']; readonly name: string };
  readonly hubUrl: string;
  readonly fetch: typeof globalThis.fetch;
  readonly accessToken?: string;
}

function strange(where: string, got: string): FetchError {
  return new FetchError({
    what: 'the answer is not one of a hub',
    where,
    got,
    expected: 'HF_ENDPOINT of a hub, or none for the public one',
  });
}

/** @throws {UsageError} offline, where nothing may be asked of the hub. */
export function requireOnline({ offline }: HubSettings, where: string): void {
  if (!offline) return;
  throw new UsageError({
    what: 'not in the cache, and the hub must not be asked',
    where,
    got: 'HF_HUB_OFFLINE is set',
    expected: 'the same without HF_HUB_OFFLINE, once',
  });
}
