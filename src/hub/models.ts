import { basename, dirname, join } from 'node:path';
import { CheckpointError, FetchError, UsageError } from '../util/errors.js';
import { cachedFiles, cachedRevision, type CachedFile } from './cache.js';
import { KNOWN_MODELS, parseModelName, type Repository } from './catalogue.js';
import type { HubClient, ListedFile, Listing } from './client.js';
import { fetchFiles, withHub, type FetchOptions, type FetchedFile, type Wanted } from './fetch.js';

/** Options of {@link fetchModel}. */
export interface FetchModelOptions extends FetchOptions {
  /** The checkpoint's path in the repository, where there is more than one. */
  readonly file?: string | undefined;
}

/** A model that lies in the cache. */
export interface FetchedModel {
  /** owner/name */
  readonly name: string;
  /** The commit. */
  readonly revision: string;
  readonly checkpoint: FetchedFile;
  /** Absent where neither the repository nor qslm knows of one. */
  readonly tokenizer?: FetchedFile | undefined;
  readonly files: readonly FetchedFile[];
}

const CHECKPOINT = /\.(?:safetensors|pth|pt|bin)$/i;
const TOKENIZERS = ['tokenizer.json', '20B_tokenizer.json'];

/**
 * Fetches a model of the hub into the cache: its checkpoint, its tokenizer, its config.json.
 *
 * @param model `owner/name`, or `owner/name@revision`
 * @throws {UsageError} for no such form of a name, or more than one checkpoint.
 * @throws {FetchError} {OutputError} {AbortedError} as `download`.
 */
export async function fetchModel(
  model: string,
  options: FetchModelOptions = {},
): Promise<FetchedModel> {
  const parsed = parseModelName(model);
  if (parsed === undefined)
    throw new UsageError({
      what: 'no name of a model on the hub',
      where: model,
      expected: `owner/name, as ${Object.keys(KNOWN_MODELS).join(' or ')}`,
    });
  const { name } = parsed;
  const revision = options.revision ?? parsed.revision ?? 'main';
  return withHub(options, name, async (client) => {
    const listing = await client.list({ kind: 'model', name }, revision);
    const checkpoint = chooseCheckpoint(client, listing, options.file);
    const place = (path: string): string => join(dirname(checkpoint.path), path);
    const wanted: Wanted[] = [{ listing, file: checkpoint }];
    const tokenizer = await findTokenizer(client, listing);
    if (tokenizer !== undefined)
      wanted.push({ ...tokenizer, beside: { listing, path: place('tokenizer.json') } });
    const config = listing.files.find(({ path }) => path === 'config.json');
    if (config !== undefined)
      wanted.push({ listing, file: config, beside: { listing, path: place('config.json') } });
    const files = await fetchFiles(client, revision, wanted, options);
    const [first, second] = files;
    return {
      name,
      revision: listing.commit,
      checkpoint: first,
      ...(tokenizer !== undefined && { tokenizer: second }),
      files,
    };
  });
}

function chooseCheckpoint(
  client: HubClient,
  { repository, files }: Listing,
  asked: string | undefined,
): ListedFile {
  const where = client.address(repository);
  const checkpoints = files.filter(({ path }) => CHECKPOINT.test(path));
  const names = checkpoints.map(({ path }) => path).join(', ');
  if (asked !== undefined) {
    const file = files.find(({ path }) => path === asked);
    if (file !== undefined) return file;
    const what = 'there is no such file in the repository';
    throw new FetchError({ what, where, got: asked, expected: names || 'a file of it' });
  }
  if (checkpoints.length === 0)
    throw new FetchError({
      what: 'the repository has no checkpoint',
      where,
      got:
        files
          .map(({ path }) => path)
          .slice(0, 8)
          .join(', ') || 'no files',
      expected: 'a file .safetensors, .pth, .pt or .bin',
    });
  if (checkpoints.length === 1) return checkpoints[0];
  throw new UsageError({
    what: 'the repository has more than one checkpoint',
    where,
    got: names,
    expected: 'one of them as `file`',
  });
}

async function findTokenizer(
  client: HubClient,
  listing: Listing,
): Promise<Pick<Wanted, 'listing' | 'file'> | undefined> {
  const own = TOKENIZERS.map((name) => listing.files.find(({ path }) => basename(path) === name));
  const file = own.find((each) => each !== undefined);
  if (file !== undefined) return { listing, file };
  const known = KNOWN_MODELS[listing.repository.name]?.tokenizer;
  if (known === undefined) return undefined;
  const other = await client.list(known.repository, 'main');
  const there = other.files.find(({ path }) => path === known.path);
  return there && { listing: other, file: there };
}

/**
 * The checkpoint of a model that was fetched; undefined where it was not, or the text is no name of a model.
 *
 * @param model `owner/name`, or `owner/name@revision`
 * @throws {CheckpointError} when several were fetched.
 */
export async function cachedModel(
  model: string,
): Promise<(CachedFile & { readonly name: string }) | undefined> {
  const parsed = parseModelName(model);
  if (parsed === undefined) return undefined;
  const { name } = parsed;
  const repository: Repository = { kind: 'model', name };
  const commit = await cachedRevision(repository, parsed.revision);
  if (commit === undefined) return undefined;
  const files = await cachedFiles(repository, commit);
  const checkpoints = files.filter(({ path }) => CHECKPOINT.test(path));
  if (checkpoints.length === 0) return undefined;
  if (checkpoints.length === 1) return { ...checkpoints[0], name };
  throw new CheckpointError({
    what: 'more than one checkpoint of it was fetched',
    where: model,
    got: checkpoints.map(({ origin }) => origin.path).join(', '),
    expected: `a path: ${checkpoints.map(({ path }) => path).join(' or ')}`,
  });
}
