import { Option, type Command } from 'commander';
import { openQueue, type ScoringQueue } from '../../queue/open-queue.js';
import type { Session } from '../session.js';
import { positiveInteger } from './common.js';

/** Flags of commands that can have other machines score. */
export interface QueueFlags {
  readonly queue?: string;
  readonly seats?: number;
  readonly handOut?: string;
  readonly unencryptedFiles?: boolean;
}

/** For the help of commands with a queue. */
export const QUEUE_HELP = `
The password of the server is read from QSLM_QUEUE_PASSWORD, or from the file that QSLM_QUEUE_PASSWORD_FILE
names; one in the address is refused. QSLM_QUEUE_CA names a file of certificates for rediss:// and https://.`;

export function withQueueOptions(command: Command): Command {
  return command
    .option(
      '--queue <url>',
      'have `qslm worker` processes score, over this Redis server: redis://host:port, rediss:// for TLS',
    )
    .addOption(
      new Option(
        '--seats <count>',
        'shares that an evaluation is cut into; default: a share for each thread of the workers',
      ).argParser(positiveInteger),
    )
    .option(
      '--hand-out <url>',
      'give the checkpoint to workers that lack it, from https://host:port of this machine; QSLM_QUEUE_CERT and QSLM_QUEUE_KEY name certificate and key',
    )
    .addOption(unencryptedFiles());
}

/** For who hands checkpoints out, and who fetches them. */
export function unencryptedFiles(): Option {
  return new Option('--unencrypted-files', 'let checkpoints cross the network over http:// too');
}

/** The queue that the flags ask for. */
export function queueOf(session: Session, flags: QueueFlags): ScoringQueue | undefined {
  const { queue, seats, handOut: url, unencryptedFiles: unencrypted = false } = flags;
  if (queue === undefined) return undefined;
  return openQueue(queue, {
    ...(seats !== undefined && { seats }),
    ...(url !== undefined && { handOut: { url, unencrypted } }),
    onNews: (text) => {
      session.note(text);
    },
  });
}
