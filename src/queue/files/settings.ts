import { readFileSync } from 'node:fs';
import { UsageError } from '../../util/errors.js';
import { systemReason } from '../../util/system-errors.js';

/** Environment variables that hold the paths (PEM) of the certificate that files are handed out with, and its key. */
export const CERTIFICATE_VARIABLE = 'QSLM_QUEUE_CERT';
export const KEY_VARIABLE = 'QSLM_QUEUE_KEY';

/** An address that files are handed out from. */
export interface HandOut {
  /** The name that other machines reach this one by. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly loopback: boolean;
  /** Absent for HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

const EXPECTED = 'https://host:port, or http://127.0.0.1:port on this machine alone';

/**
 * Reads the address that files are handed out from, with certificate and key from the environment.
 *
 * @param unencrypted HTTP may be spoken beyond this machine
 * @throws {UsageError} for what is no such address, HTTP beyond this machine, and HTTPS without a certificate.
 */
export function handOutSettings(
  url: string,
  unencrypted = false,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HandOut {
  const { hostname, port, protocol } = fileAddress(url, unencrypted, 'hand-out');
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const place = { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
  const loopback = isLoopback(hostname);
  if (protocol === 'http:') return { ...place, loopback, tls: undefined };
  const text = (variable: string): string => {
    const path = environment[variable];
    const [where, expected] = [variable, 'the path of a file in PEM'];
    if (path === undefined)
      throw new UsageError({ what: 'https:// takes a certificate and its key', where, expected });
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const got = systemReason(error);
      throw new UsageError({ what: `cannot read ${path}`, where, got, expected });
    }
  };
  return { ...place, loopback, tls: { cert: text(CERTIFICATE_VARIABLE), key: text(KEY_VARIABLE) } };
}

/**
 * An address that files come from: HTTPS, and HTTP from this machine or where it is allowed.
 *
 * @param where for the message
 * @throws {UsageError} for any other.
 */
export function fileAddress(url: string, unencrypted: boolean, where: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isOne =
    parsed !== undefined &&
    (parsed.protocol === 'https:' || parsed.protocol === 'http:') &&
    parsed.username + parsed.password + parsed.search + parsed.hash === '' &&
    parsed.pathname === '/';
  if (!isOne)
    throw new UsageError({ what: 'no address for files', where, got: url, expected: EXPECTED });
  if (parsed.protocol === 'http:' && !unencrypted && !isLoopback(parsed.hostname))
    throw new UsageError({
      what: 'files would cross the network unencrypted, and their token with them',
      where,
      got: url,
      expected: `${EXPECTED}; --unencrypted-files allows it`,
    });
  return parsed;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
