import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { saveFile } from '../util/files.js';
import type { Repository } from './catalogue.js';
import { cacheHome } from './settings.js';

/*
 * The cache, a folder a revision:
 *
 *   <home>/hub/models/<owner>/<name>/<commit>/<path>            a file, whole and checked
 *   <home>/hub/models/<owner>/<name>/<commit>/.fetched/<path>.json   where it is from: an Origin
 *   <home>/hub/models/<owner>/<name>/.revisions/<asked>.json    the commit that "main" was
 *
 * A file without an origin is none of ours. Files beginning with a dot are never named by a repository.
 */
const ORIGINS = '.fetched';
const REVISIONS = '.revisions';

const digest = v.object({
  // The content's SHA-256, or SHA-1 as git has it for small files.
  algorithm: v.picklist(['sha256', 'git-sha1']),
  hex: v.pipe(v.string(), v.hexadecimal()),
});
export type Digest = v.InferOutput<typeof digest>;

/** The form of an {@link Origin} in files. */
export const ORIGIN = v.object({
  endpoint: v.string(),
  kind: v.picklist(['model', 'dataset']),
  // owner/name
  repository: v.string(),
  // The commit.
  revision: v.string(),
  // The file's path in the repository.
  path: v.string(),
  bytes: v.number(),
  digest,
  // ISO 8601 in UTC.
  fetchedAt: v.string(),
});
/** The provenance of a file in the cache. */
export type Origin = v.InferOutput<typeof ORIGIN>;

/** A file in the cache and its provenance. */
export interface CachedFile {
  readonly path: string;
  readonly origin: Origin;
}

function repositoryFolder({ kind, name }: Repository): string {
  return join(cacheHome(), 'hub', `${kind}s`, ...name.split('/'));
}

/** The folder of a repository's files at a commit. */
export function revisionFolder(repository: Repository, commit: string): string {
  return join(repositoryFolder(repository), commit);
}

function originPath(folder: string, file: string): string {
  return join(folder, ORIGINS, `${file}.json`);
}

/** Records where a file is from. @param file its path below the revision's folder. */
export async function saveOrigin(folder: string, file: string, value: Origin): Promise<void> {
  await saveFile(originPath(folder, file), `${JSON.stringify(value, null, 2)}\n`);
}

/** Records the commit that a branch or tag was. */
export async function saveRevision(
  repository: Repository,
  asked: string,
  commit: string,
): Promise<void> {
  const path = join(repositoryFolder(repository), REVISIONS, `${encodeURIComponent(asked)}.json`);
  await saveFile(path, `${JSON.stringify({ commit })}\n`);
}

const revisionFile = v.object({ commit: v.pipe(v.string(), v.regex(/^[0-9a-f]{7,64}$/)) });

/** The commit that a branch, tag or commit was when it was fetched; undefined where it was not. */
export async function cachedRevision(
  repository: Repository,
  asked = 'main',
): Promise<string | undefined> {
  const folder = repositoryFolder(repository);
  if (/^[0-9a-f]{7,64}$/.test(asked)) {
    const names = await readdir(folder).catch(() => []);
    const known = names.filter((name) => name.startsWith(asked));
    if (known.length === 1) return known[0];
  }
  const path = join(folder, REVISIONS, `${encodeURIComponent(asked)}.json`);
  return (await readJson(path, revisionFile))?.commit;
}

/** The files of a repository that were fetched at a commit, by path. */
export async function cachedFiles(repository: Repository, commit: string): Promise<CachedFile[]> {
  const folder = revisionFolder(repository, commit);
  const names = await readdir(join(folder, ORIGINS), { recursive: true }).catch(() => []);
  const files = names
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name.slice(0, -'.json'.length)))
    .sort();
  const found = await Promise.all(files.map(cachedFile));
  return found.filter((file) => file !== undefined);
}

async function cachedFile(path: string): Promise<CachedFile | undefined> {
  const known = await originOf(path);
  return known && { path, origin: known };
}

/**
 * The provenance of a file, by its path alone; undefined for one that was not fetched, or is no longer as
 * long as it was.
 */
export async function originOf(path: string): Promise<Origin | undefined> {
  const below = relative(join(cacheHome(), 'hub'), resolve(path)).split(sep);
  // kind, owner, name, commit, file
  if (below[0] === '..' || below.length < 5) return undefined;
  const folder = join(cacheHome(), 'hub', ...below.slice(0, 4));
  const known = await readJson(originPath(folder, join(...below.slice(4))), ORIGIN);
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() && known?.bytes === found.size ? known : undefined;
}

async function readJson<T>(
  path: string,
  schema: v.GenericSchema<unknown, T>,
): Promise<T | undefined> {
  try {
    const result = v.safeParse(schema, JSON.parse(await readFile(path, 'utf8')));
    return result.success ? result.output : undefined;
  } catch {
    // Not there, or damaged: then it is fetched, or asked for, again.
    return undefined;
  }
}
