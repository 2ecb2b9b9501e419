import { startBackend, backendThreads } from '../backend/start.js';
import { codesHome } from '../quant/calibrated/codes-file.js';
import { QueueError } from '../util/errors.js';
import { arithmeticHere, arithmeticId } from './identity.js';
import { authorities, queueAddress } from './redis/address.js';
import { Blobs } from './worker/blobs.js';
import { ModelFolder } from './worker/models.js';
import { QueueWorker } from './worker/queue-worker.js';
import type { FindFile } from './worker/session.js';

export interface StartWorkerOptions {
  /** `redis://` or `rediss://`, without the password. */
  readonly url: string;
  /** Folder whose checkpoints this worker may read. */
  readonly models: string;
  /** Seats at once; by default what the backend is worth. */
  readonly threads?: number | undefined;
  readonly backend?: string;
  /** True fetches checkpoints over HTTP from other machines too, not over HTTPS alone. */
  readonly unencryptedFiles?: boolean | undefined;
  /** Told what happens, a line each. */
  readonly tell: (text: string) => void;
}

/**
 * Starts the backend and a worker of a queue in this process.
 *
 * @throws {UsageError} {BackendError} {QueueError} as their parts do.
 */
export async function startWorker(options: StartWorkerOptions): Promise<QueueWorker> {
  const address = queueAddress(options.url);
  const { name, description } = await startBackend(options.backend ?? 'auto');
  const folders = [options.models, codesHome()].map((path) => new ModelFolder(path));
  const ended = new AbortController();
  const { tell, unencryptedFiles: unencrypted = false } = options;
  const blobs = new Blobs({ ca: authorities(), unencrypted, tell, signal: ended.signal });
  const find: FindFile = async (wanted, { files }) => {
    for (const folder of folders) {
      const found = await folder.find(wanted);
      if (found !== undefined) return found;
    }
    if (files !== undefined) return blobs.find(wanted, files);
    throw new QueueError({
      what: 'a file of the session is not here',
      where: options.models,
      got: `no checkpoint of ${wanted.bytes} bytes with that content`,
      expected: `${wanted.name}, SHA-256 ${wanted.sha256}, or a coordinator that hands it out`,
    });
  };
  return QueueWorker.start({
    address,
    threads: options.threads ?? Math.max(1, backendThreads(name)),
    arithmetic: arithmeticId(arithmeticHere(name)),
    computes: description,
    ...{ find, tell },
    onClosing: () => {
      ended.abort();
    },
  });
}
