import { EnvHttpProxyAgent, fetch as send, type RequestInit, type Response } from 'undici';
import { AbortedError, FetchError } from '../util/errors.js';
import type { HubSettings } from './settings.js';

/** A fault that may be over in a while. Never leaves this folder: the error within it does. */
export class PassingFault extends Error {
  constructor(
    readonly error: FetchError,
    /** Seconds to wait, where the hub said so. */
    readonly seconds?: number,
    /** True where no answer came at all. */
    readonly unreachable = false,
  ) {
    super(error.message);
  }
}

/** The answer to a request for a part of a file was the whole of it. */
export class PartRefused extends Error {}

/** Milliseconds without an answer, or without a byte of one. */
const SILENCE_MS = 60_000;

/**
 * Requests to one hub: through the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, with the token on
 * requests to the hub itself alone, and with errors that tell what to do.
 */
export class HubRequests {
  private readonly agent = new EnvHttpProxyAgent({
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });
  /** The fault of the last request: streams of the library pass on no more than its message. */
  fault: unknown;
  /** The repository, or the file of it, that requests are about: for messages. */
  about = '';

  constructor(
    readonly settings: HubSettings,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** For the library, in place of the global function. */
  readonly fetch = (async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    this.fault = undefined;
    try {
      return await this.request(url, init);
    } catch (error) {
      this.fault = error;
      throw error;
    }
  }) as unknown as typeof globalThis.fetch;

  private async request(url: string | URL, init: RequestInit): Promise<Response> {
    const { endpoint, token } = this.settings;
    const headers = new Headers(init.headers as Record<string, string>);
    if (token === undefined || new URL(url).origin !== new URL(endpoint).origin)
      headers.delete('authorization');
    const options = {
      ...init,
      headers: Object.fromEntries(headers),
      dispatcher: this.agent,
      ...(this.signal && { signal: this.signal }),
    };
    const response = await send(url, options).catch((error: unknown) => {
      throw transportFault(this.about, error, endpoint);
    });
    const entryMissing = response.headers.get('x-error-code') === 'EntryNotFound';
    // The library turns this one into an answer of its own.
    if (response.status === 404 && entryMissing) return response;
    if (!response.ok) {
      await response.body?.cancel().catch(() => undefined);
      throw refusal(response, this.about, token);
    }
    const part = /^bytes=(\d+)-/.exec(headers.get('range') ?? '');
    if (part !== null && part[1] !== '0' && response.status !== 206) {
      await response.body?.cancel().catch(() => undefined);
      throw new PartRefused();
    }
    return response;
  }

  /** Closes the connections. */
  close(): Promise<void> {
    return this.agent.destroy();
  }
}

/** Codes of a hub that does not answer at all, in words. */
const CODES: Readonly<Record<string, string | undefined>> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'no answer of the name server',
  ECONNREFUSED: 'connection refused',
  ENETUNREACH: 'no network',
  EHOSTUNREACH: 'no way to the host',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'nothing more came',
  ECONNRESET: 'connection broken off',
  EPIPE: 'connection broken off',
  UND_ERR_SOCKET: 'connection broken off',
};
const UNREACHABLE = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH'];

/** An error of the connection as one of ours. @param where the address, or the file that was coming */
export function transportFault(where: string, error: unknown, endpoint: string): Error {
  if (error instanceof Error && error.name === 'AbortError') return new AbortedError(where);
  const { got, unreachable } = reasonOf(error);
  const broken = new FetchError(
    {
      what: unreachable ? 'the hub cannot be reached' : 'the connection failed',
      where,
      got,
      expected: `a connection to ${endpoint}; HTTPS_PROXY names a proxy, HF_ENDPOINT another hub, and a file that is brought here by other means is taken by its path`,
    },
    { cause: error },
  );
  return new PassingFault(broken, undefined, unreachable);
}

/** Why a connection failed, in words; `certificate` where who answered is not believed to be who was asked. */
export function reasonOf(error: unknown): {
  readonly got: string;
  readonly unreachable: boolean;
  readonly certificate: boolean;
} {
  const code = codeOf(error);
  const words = CODES[code] ?? (error instanceof Error ? error.message : String(error));
  return {
    got: code === '' ? words : `${code} (${words})`,
    unreachable: UNREACHABLE.includes(code),
    certificate: /CERT|ERR_TLS|ERR_SSL|UNABLE_TO_/.test(code),
  };
}

function codeOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at instanceof AggregateError && at.errors.length > 0) return codeOf(at.errors[0]);
  }
  return '';
}

/** An answer that is no success as an error. */
function refusal(response: Response, where: string, token: string | undefined): Error {
  const { status, statusText, headers } = response;
  const code = headers.get('x-error-code');
  const said = [status, statusText, code && `(${code})`].filter(Boolean).join(' ');
  const shown = token === undefined ? 'without a token' : 'with the token of HF_TOKEN';
  const error = (what: string, expected: string, got = said): FetchError =>
    new FetchError({ what, where, got, expected });
  if (status === 401)
    return error(
      'the hub gives this to nobody it does not know, or has no such repository',
      'a name that exists, or HF_TOKEN of an account that may read it',
      `${said} ${shown}`,
    );
  if (status === 403)
    return error(
      'the hub refuses access',
      'the terms accepted on its page, and HF_TOKEN of the account that accepted them',
      `${said} ${shown}`,
    );
  if (status === 404 && code === 'RevisionNotFound')
    return error('there is no such revision', 'a branch, a tag or a commit of the repository');
  if (status === 404)
    return error('there is no such repository', 'owner/name as the hub spells it');
  if (status === 429) {
    const seconds = secondsOf(headers.get('retry-after'));
    const wait = seconds === undefined ? 'a while' : `${Math.ceil(seconds)} s`;
    const busy = `the same command again after ${wait}, or HF_TOKEN, which raises the limit`;
    return new PassingFault(error('the hub was asked too often', busy), seconds);
  }
  if (status === 408 || status >= 500)
    return new PassingFault(
      error('the hub is not well', 'the same command again later'),
      secondsOf(headers.get('retry-after')),
    );
  return error('the hub refuses the request', 'an address of a hub in HF_ENDPOINT');
}

/** Retry-After: seconds, or a date. */
function secondsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}
