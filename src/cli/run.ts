import type { Command } from 'commander';
import { withFilesNamed } from '../util/errors.js';
import { separateValues } from './arguments.js';
import { EXIT, errorText, exitCodeOf } from './exit-codes.js';
import { terminalText } from './format/terminal.js';
import type { Host } from './host.js';
import { buildProgram } from './program.js';

/**
 * Runs a command line to its end.
 *
 * @param argv the arguments after the program's name.
 * @returns the exit code; every error has been printed.
 */
export async function runCommandLine(argv: readonly string[], host: Host): Promise<number> {
  const program = buildProgram(host);
  try {
    await program.parseAsync(separateValues(program, argv), { from: 'user' });
    return EXIT.ok;
  } catch (thrown) {
    const error = withFilesNamed(thrown);
    const text = errorText(error, argv.includes('--debug'), flagsOf(program, argv));
    if (text !== undefined) host.stderr.write(terminalText(text));
    return exitCodeOf(error);
  }
}

/** The flags of the command that was called, by the names of its options: another's may mean something else. */
function flagsOf(command: Command, argv: readonly string[]): Map<string, string> {
  const own = command.options
    .filter((option) => !option.negate)
    .map((option) => [option.attributeName(), option.long ?? ''] as const);
  const at = argv.findIndex((word) => command.commands.some((each) => each.name() === word));
  const called = command.commands.find((each) => each.name() === argv.at(at));
  if (at < 0 || called === undefined) return new Map(own);
  return new Map([...own, ...flagsOf(called, argv.slice(at + 1))]);
}
