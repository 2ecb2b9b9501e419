import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '../util/errors.js';

/** The public hub, unless `HF_ENDPOINT` names another. */
const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** The surroundings of a fetch, by the names that the hub's own tools read them under. */
export interface HubSettings {
  /** Without a slash at its end. `HF_ENDPOINT` */
  readonly endpoint: string;
  /** Sent to the endpoint alone. `HF_TOKEN` */
  readonly token: string | undefined;
  /** No request is made. `HF_HUB_OFFLINE` */
  readonly offline: boolean;
}

/**
 * The settings in the environment.
 *
 * @throws {UsageError} for an endpoint that is no address, or a token that is none.
 */
export function hubSettings(environment: NodeJS.ProcessEnv = process.env): HubSettings {
  const given = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const endpoint = (given('HF_ENDPOINT') ?? DEFAULT_ENDPOINT).replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint))
    throw new UsageError({
      what: 'no address of a hub',
      where: 'HF_ENDPOINT',
      got: endpoint,
      expected: `an address as ${DEFAULT_ENDPOINT}`,
    });
  const token = given('HF_TOKEN');
  if (token !== undefined && !/^hf_[\w-]+$/.test(token))
    throw new UsageError({
      what: 'no token of the hub',
      where: 'HF_TOKEN',
      // Never the token itself: messages end up in logs.
      got: `${token.length} characters that do not begin with hf_, or hold others than letters and digits`,
      expected: 'hf_…, as its settings page gives it',
    });
  const offline = /^(1|on|yes|true)$/i.test(given('HF_HUB_OFFLINE') ?? '');
  return { endpoint, token, offline };
}

/** The folder that fetched files are kept in: `QSLM_HOME`, else `~/.cache/qslm`. */
export function cacheHome(environment: NodeJS.ProcessEnv = process.env): string {
  const given = environment.QSLM_HOME?.trim();
  return given ? resolve(given) : join(homedir(), '.cache', 'qslm');
}
