import type { Command } from 'commander';
import { startWorker } from '../../../queue/start-worker.js';
import type { Host } from '../../host.js';
import {
  positiveInteger,
  withBackendOption,
  withCommonOptions,
  type BackendFlags,
} from '../../options/common.js';
import { QUEUE_HELP, unencryptedFiles } from '../../options/queue.js';
import { Session } from '../../session.js';

interface WorkerFlags extends BackendFlags {
  readonly queue: string;
  readonly models: string;
  readonly threads?: number;
  readonly unencryptedFiles?: boolean;
}

export function addWorker(program: Command, host: Host): void {
  const command = program
    .command('worker')
    .description('score shares of searches that other machines run with --queue, until it is ended')
    .requiredOption('--queue <url>', 'the Redis server: redis://host:port, rediss:// for TLS')
    .requiredOption(
      '--models <folder>',
      'where checkpoints are looked for, by their content, before they are fetched',
    )
    .option(
      '--threads <count>',
      'seats at once, each with a model in memory; default: by backend and processor',
      positiveInteger,
    )
    .addOption(unencryptedFiles());
  withCommonOptions(withBackendOption(command))
    .addHelpText('after', QUEUE_HELP)
    .action((flags: WorkerFlags) => Session.run(host, flags, (session) => work(session, flags)));
}

async function work(session: Session, flags: WorkerFlags): Promise<void> {
  const { queue: url, models, threads, backend, unencryptedFiles } = flags;
  const tell = (text: string): void => {
    session.note(text);
  };
  const worker = await startWorker({ url, models, threads, backend, unencryptedFiles, tell });
  tell(`waiting for work on ${url}`);
  await worker.until(session.signal);
}
