import { readFileSync } from 'node:fs';
import { UsageError } from '../../util/errors.js';
import { systemReason } from '../../util/system-errors.js';

/** Environment variables that hold the password of the queue, or the path of a file with it. */
export const PASSWORD_VARIABLE = 'QSLM_QUEUE_PASSWORD';
export const PASSWORD_FILE_VARIABLE = 'QSLM_QUEUE_PASSWORD_FILE';
/** Path of the certificates (PEM) that `rediss://` and `https://` are checked against, beside the usual ones. */
export const CA_VARIABLE = 'QSLM_QUEUE_CA';

/** A server, and how to be let in. */
export interface QueueAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: { readonly ca: string | undefined; readonly servername: string } | undefined;
  /** For people: without the password. */
  readonly text: string;
}

const DEFAULT_PORT = 6379;
const EXPECTED = 'redis://[user@]host[:port][/database], or rediss:// for TLS';

/**
 * Reads an address, with the password from the environment: `QSLM_QUEUE_PASSWORD`, or the file that
 * `QSLM_QUEUE_PASSWORD_FILE` names.
 *
 * @throws {UsageError} for what is no address, and for one with a password in it: arguments are seen by everyone
 *   on the machine and end in histories.
 */
export function queueAddress(
  url: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): QueueAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const scheme = parsed?.protocol;
  if (parsed === undefined || (scheme !== 'redis:' && scheme !== 'rediss:')) {
    const what = 'not the address of a Redis server';
    throw new UsageError({ what, where: 'queue', got: withoutPassword(url), expected: EXPECTED });
  }
  if (parsed.password !== '')
    throw new UsageError({
      what: 'a password in an address can be read by everyone on the machine',
      where: 'queue',
      got: withoutPassword(url),
      expected: `the address without it, and ${PASSWORD_VARIABLE} or ${PASSWORD_FILE_VARIABLE} in the environment`,
    });
  const database = /^\/?(\d{0,4})$/.exec(parsed.pathname)?.[1];
  if (
    parsed.hostname === '' ||
    database === undefined ||
    parsed.search !== '' ||
    parsed.hash !== ''
  )
    throw new UsageError({ what: 'not a queue', where: 'queue', got: url, expected: EXPECTED });
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    db: Number(database),
    username: parsed.username === '' ? undefined : decodeURIComponent(parsed.username),
    password: environment[PASSWORD_VARIABLE] ?? passwordIn(environment[PASSWORD_FILE_VARIABLE]),
    tls: scheme === 'rediss:' ? { ca: authorities(environment), servername: host } : undefined,
    text: `${scheme}//${parsed.host}${parsed.pathname}`,
  };
}

/** The certificates that `QSLM_QUEUE_CA` names, in PEM. @throws {UsageError} for a file that cannot be read. */
export function authorities(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const path = environment[CA_VARIABLE];
  return path === undefined ? undefined : textOf(path, CA_VARIABLE);
}

function passwordIn(path: string | undefined): string | undefined {
  return path === undefined
    ? undefined
    : textOf(path, PASSWORD_FILE_VARIABLE).replace(/\r?\n$/, '');
}

function textOf(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const got = systemReason(error);
    throw new UsageError({ what: `cannot read ${path}`, where: variable, got, expected: 'a file' });
  }
}

/** Everything between "//" and the last "@" may be a secret, whatever the rest is. */
function withoutPassword(url: string): string {
  return url.replace(/(\/\/|^)[^/]*@/, '$1…@');
}
