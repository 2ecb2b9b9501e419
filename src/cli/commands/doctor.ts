import type { Command } from 'commander';
import { surveyBackends, type BackendSurvey } from '../../backend/start.js';
import { formatFacts, type Fact } from '../format/table.js';
import type { Host } from '../host.js';
import { withResultOptions } from '../options/common.js';
import { Session, type CommonFlags } from '../session.js';

export function addDoctor(program: Command, host: Host): void {
  withResultOptions(
    program
      .command('doctor')
      .description('say which backends start here, which one auto takes, and why not the others'),
  ).action((flags: CommonFlags) =>
    Session.run(host, flags, async (session) => {
      const backends = await surveyBackends();
      const auto = backends.find(({ description }) => description !== undefined)?.name;
      const machine = { node: process.version, platform: `${process.platform} ${process.arch}` };
      const facts: Fact[] = [
        ['Node', `${machine.node}, ${machine.platform}`],
        ...backends.map((backend): Fact => [backend.name, stateOf(backend)]),
        ['auto takes', auto ?? 'none'],
      ];
      await session.result({ machine, backends, auto }, formatFacts(facts), flags.out);
    }),
  );
}

function stateOf({ description, identity, reason, needs }: BackendSurvey): string {
  if (description !== undefined) return `${description}; stored as ${String(identity)}`;
  return `does not start: ${String(reason)}; needs ${String(needs)}`;
}
