import type { Command } from 'commander';
import { queueStatus, type QueueStatus } from '../../../queue/status.js';
import { formatCount, formatRate } from '../../../util/format.js';
import { formatTable, numberColumns } from '../../format/table.js';
import type { Host } from '../../host.js';
import { withCommonOptions } from '../../options/common.js';
import { QUEUE_HELP } from '../../options/queue.js';
import { Session, type CommonFlags } from '../../session.js';

interface StatusFlags extends CommonFlags {
  readonly queue: string;
}

export function addQueue(program: Command, host: Host): void {
  const group = program
    .command('queue')
    .description('look at a queue that machines share work over');
  const command = group
    .command('status')
    .description('workers, sessions, seats, shares, and who takes no part and why')
    .requiredOption('--queue <url>', 'the Redis server: redis://host:port, rediss:// for TLS');
  withCommonOptions(command)
    .addHelpText('after', QUEUE_HELP)
    .action((flags: StatusFlags) =>
      Session.run(host, flags, async (session) => {
        const status = await queueStatus(flags.queue);
        await session.result(status, statusText(status));
      }),
    );
}

const columns = (...titles: readonly string[]): { readonly title: string }[] =>
  titles.map((title) => ({ title }));

function statusText({ queue, workers, sessions }: QueueStatus): string {
  if (workers.length + sessions.length === 0) return `${queue}: no workers and no sessions`;
  const workerTable = formatTable(
    [
      ...columns('worker', 'computes', 'arithmetic', 'seats'),
      ...numberColumns('shares', 'tokens/s'),
    ],
    workers.map((one) => [
      `${one.host}, process ${one.pid}`,
      one.computes,
      one.arithmetic,
      `${one.seats} of ${one.threads}`,
      formatCount(one.shares),
      one.tokensPerSecond === null ? '' : formatRate(one.tokensPerSecond),
    ]),
  );
  const sessionTable = formatTable(
    [
      ...columns('session', 'of', 'model', 'arithmetic', 'seats held'),
      ...numberColumns('shares waiting', 'at work'),
    ],
    sessions.map((one) => [
      one.session,
      one.coordinator,
      one.model,
      one.arithmetic,
      `${one.held} of ${one.seats}`,
      formatCount(one.shares.waiting),
      formatCount(one.shares.active),
    ]),
  );
  const refused = sessions.flatMap((one) =>
    one.refused.map(({ worker, reason }) => `${worker} takes no part in ${one.session}: ${reason}`),
  );
  return [queue, workerTable, ...(sessions.length > 0 ? [sessionTable] : []), ...refused].join(
    '\n\n',
  );
}
