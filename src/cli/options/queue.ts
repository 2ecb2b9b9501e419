import { Option, type Command } from 'commander';
import { openQueue, type ScoringQueue } from '../../queue/open-queue.js';
import type { Session } from '../session.js';
import { positiveInteger } from './common.js';

/** Flags of commands that can have other machines score. */
export interface QueueFlags {
  readonly queue?: string;
  readonly seats?: number;
}

/** For the help of commands with a queue. */
export const QUEUE_HELP = `
The password of the server is read from QSLM_QUEUE_PASSWORD, or from the file that QSLM_QUEUE_PASSWORD_FILE
names; one in the address is refused. QSLM_QUEUE_CA names a file of certificates for rediss://.`;

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
    );
}

/** The queue that the flags ask for. */
export function queueOf(session: Session, flags: QueueFlags): ScoringQueue | undefined {
  const { queue, seats } = flags;
  if (queue === undefined) return undefined;
  return openQueue(queue, {
    ...(seats !== undefined && { seats }),
    onNews: (text) => {
      session.note(text);
    },
  });
}
