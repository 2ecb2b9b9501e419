import { separateValues } from './arguments.js';
import { EXIT, errorText, exitCodeOf } from './exit-codes.js';
import type { Host } from './host.js';
import { buildProgram } from './program.js';

/**
 * Runs a command line to its end.
 *
 * @param argv the arguments after the program's name.
 * @returns the exit code; every error has been printed.
 */
export async function runCommandLine(argv: readonly string[], host: Host): Promise<number> {
  try {
    const program = buildProgram(host);
    await program.parseAsync(separateValues(program, argv), { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    const text = errorText(error, argv.includes('--debug'));
    if (text !== undefined) host.stderr.write(text);
    return exitCodeOf(error);
  }
}
