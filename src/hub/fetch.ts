import { join } from 'node:path';
import type { RunOptions } from '../util/progress.js';
import { revisionFolder, saveOrigin, saveRevision, type CachedFile } from './cache.js';
import { HubClient, requireOnline, type ListedFile, type Listing } from './client.js';
import { download } from './download.js';
import { PATIENCE, type Patience } from './patience.js';
import { hubSettings } from './settings.js';

/** Options of a fetch. */
export interface FetchOptions extends RunOptions {
  /** A branch, a tag or a commit; the main branch by default. */
  readonly revision?: string | undefined;
  /** For tests. */
  readonly patience?: Patience;
}

/** A file that a fetch has brought, or found. */
export interface FetchedFile extends CachedFile {
  readonly state: 'fetched' | 'there';
}

/** A file of a listing and its path below the revision's folder; its own by default. */
export interface Wanted {
  readonly listing: Listing;
  readonly file: ListedFile;
  /** The folder and name to keep it under, where it belongs to a file of another repository. */
  readonly beside?: { readonly listing: Listing; readonly path: string };
}

/** Opens the hub as the environment names it, runs `work`, closes it again. */
export async function withHub<T>(
  { patience = PATIENCE, signal }: FetchOptions,
  where: string,
  work: (client: HubClient) => Promise<T>,
): Promise<T> {
  const settings = hubSettings();
  requireOnline(settings, where);
  const client = await HubClient.open(settings, patience, signal);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Fetches files one after another, and records where each is from, and which commit was asked for. */
export async function fetchFiles(
  client: HubClient,
  asked: string,
  wanted: readonly Wanted[],
  run: RunOptions,
): Promise<FetchedFile[]> {
  const fetched: FetchedFile[] = [];
  for (const { listing, file, beside } of wanted) {
    const home = beside?.listing ?? listing;
    const name = beside?.path ?? file.path;
    const folder = revisionFolder(home.repository, home.commit);
    const path = join(folder, ...name.split('/'));
    const state = await download(client.source(listing, file), path, run);
    const origin = {
      endpoint: client.settings.endpoint,
      kind: listing.repository.kind,
      repository: listing.repository.name,
      revision: listing.commit,
      path: file.path,
      bytes: file.bytes,
      digest: file.digest,
      fetchedAt: new Date().toISOString(),
    };
    await saveOrigin(folder, name, origin);
    fetched.push({ path, origin, state });
  }
  const [first] = wanted;
  const { repository, commit } = first.beside?.listing ?? first.listing;
  await saveRevision(repository, asked, commit);
  return fetched;
}
