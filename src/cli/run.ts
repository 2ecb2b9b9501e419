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
    const text = errorText(error, argv.includes('--debug'), flagsOf(program));
    if (text !== undefined) host.stderr.write(terminalText(text));
    return exitCodeOf(error);
  }
}

/** The flags of all commands by the names of their options. */
function flagsOf(program: Command): Map<string, string> {
  const own = program.options
    .filter((option) => !option.negate)
    .map((option) => [option.attributeName(), option.long ?? ''] as const);
  return new Map([...own, ...program.commands.flatMap((command) => [...flagsOf(command)])]);
}
