import type { DataSetName } from '../hub/catalogue.js';
import * as data from '../hub/data.js';
import type { FetchOptions } from '../hub/fetch.js';
import * as models from '../hub/models.js';
import { progress } from './progress.js';

/**
 * Fetches a model of the hub, its checkpoint and its tokenizer, into `~/.cache/qslm` (`QSLM_HOME`), with a
 * live bar below the cell. What is there and intact is not fetched again; what was broken off goes on. From
 * then on `openStudy` and all else take its name.
 *
 *     await fetchModel('ridger/SpikeGPT-OpenWebText-216M');
 *
 * @param name `owner/name`, or `owner/name@revision`
 * @throws {UsageError} {FetchError} {OutputError} for what cannot be fetched or kept; {AbortedError} after an
 *   interrupt.
 */
export function fetchModel(
  name: string,
  options: Pick<models.FetchModelOptions, 'revision' | 'file'> = {},
): Promise<models.FetchedModel> {
  return progress((run) => models.fetchModel(name, { ...options, ...run }), `Fetching ${name}`);
}

/**
 * The same for data: `sst2`, `wikitext2` or `wikitext2-raw`, which `data` then takes as `sst2:validation` or
 * `wikitext2:test`.
 *
 * @throws as {@link fetchModel}.
 */
export function fetchData(
  name: DataSetName,
  options: Pick<FetchOptions, 'revision'> = {},
): Promise<data.FetchedData> {
  return progress((run) => data.fetchData(name, { ...options, ...run }), `Fetching ${name}`);
}
