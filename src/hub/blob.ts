import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Agent, fetch as send, type Response } from 'undici';
import { AbortedError, FetchError } from '../util/errors.js';
import type { RunOptions } from '../util/progress.js';
import { download } from './download.js';
import { PATIENCE, type Patience } from './patience.js';
import { PartRefused, PassingFault, reasonOf } from './request.js';
import { cacheHome } from './settings.js';

/** A machine that hands out files by their SHA-256, at `<url>/blobs/<sha256>`. */
export interface BlobPlace {
  /** http:// or https://, without a slash at its end. */
  readonly url: string;
  /** Sent with every request, and to nobody else: redirections are not followed. */
  readonly token: string;
  /** Certificates (PEM) that it is checked against, beside the usual ones. */
  readonly ca?: string | undefined;
}

/** A file by its content. */
export interface Blob {
  readonly sha256: string;
  readonly bytes: number;
  /** For people: no path is made of it. */
  readonly name: string;
}

export interface FetchBlobOptions extends RunOptions {
  /** For tests. */
  readonly patience?: Patience;
}

/** Milliseconds without an answer, or without a byte of one. */
const SILENCE_MS = 60_000;

/**
 * Brings a file into the cache, below its hash: taken up where it was broken off, and under its name only once its
 * hash is right. One that is there is left alone.
 *
 * @returns its path, `<home>/blobs/<sha256>`
 * @throws {FetchError} for a file of another content, of which nothing is kept; for a token that is not taken, a
 *   certificate that is not known, a place that cannot be reached or does not have it.
 * @throws {OutputError} {AbortedError} as `download`.
 */
export async function fetchBlob(
  place: BlobPlace,
  { sha256, bytes, name }: Blob,
  { patience = PATIENCE, ...run }: FetchBlobOptions = {},
): Promise<string> {
  const target = join(cacheHome(), 'blobs', sha256);
  const { url, ca } = place;
  const agent = new Agent({
    ...{ headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS },
    ...(ca !== undefined && { connect: { ca: [...rootCertificates, ca] } }),
  });
  const where = `${url}: ${name}`;
  try {
    const source = {
      ...{ path: name, bytes, where, patience, word: 'the session names' },
      digest: { algorithm: 'sha256', hex: sha256 } as const,
      read: (offset: number) => read(place, { sha256, where }, offset, agent, run.signal),
    };
    await download(source, target, run);
    return target;
  } finally {
    await agent.destroy();
  }
}

async function* read(
  { url, token }: BlobPlace,
  { sha256, where }: { readonly sha256: string; readonly where: string },
  offset: number,
  dispatcher: Agent,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    const response = await send(`${url}/blobs/${sha256}`, {
      headers: {
        authorization: `Bearer ${token}`,
        ...(offset > 0 && { range: `bytes=${offset}-` }),
      },
      // Another machine would get the token.
      redirect: 'manual',
      dispatcher,
      ...(signal && { signal }),
    });
    if (response.status !== (offset > 0 ? 206 : 200)) {
      await response.body?.cancel().catch(() => undefined);
      if (offset > 0 && response.status === 200) throw new PartRefused();
      throw refusal(response, where);
    }
    if (response.body !== null) yield* response.body as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof PartRefused || error instanceof PassingFault) throw error;
    if (error instanceof FetchError) throw error;
    if (error instanceof Error && error.name === 'AbortError') throw new AbortedError(where);
    throw faultOf(error, where);
  }
}

function faultOf(cause: unknown, where: string): Error {
  const { got, unreachable, certificate } = reasonOf(cause);
  const expected = certificate
    ? 'a certificate that QSLM_QUEUE_CA or the system knows'
    : 'a connection to the machine that searches';
  const what = certificate ? 'its certificate is not to be trusted' : 'the file cannot be fetched';
  const error = new FetchError({ what, where, got, expected }, { cause });
  return certificate ? error : new PassingFault(error, undefined, unreachable);
}

function refusal({ status, statusText }: Response, where: string): Error {
  const got = `${status} ${statusText}`.trim();
  const error = (what: string, expected: string): FetchError =>
    new FetchError({ what, where, got, expected });
  if (status === 401) return error('the token is not taken', 'the one of the session');
  if (status === 404) return error('the file is not handed out', 'one that the session names');
  if (status === 408 || status === 429 || status >= 500)
    return new PassingFault(error('the file is not handed out now', 'the file'));
  return error('the answer makes no sense', '200 OK or 206 Partial Content');
}
