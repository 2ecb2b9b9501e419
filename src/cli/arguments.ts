import type { Command, Option } from 'commander';

/**
 * A command line in which each value of an option with several values carries its flag, so that what follows
 * the last value is an argument again: `plot --figure pareto RUN` as much as `plot RUN --figure pareto trace`.
 * Values may also be joined by commas. An option with a list of choices takes what follows as long as it is on
 * the list; any other takes one value and is repeated.
 */
export function separateValues(program: Command, argv: readonly string[]): string[] {
  const command = commandOf(program, argv);
  if (command === undefined) return [...argv];
  const separated: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    if (argv[at] === '--') return [...separated, ...argv.slice(at)];
    const option = severalValues(command, argv[at]);
    const first = argv.at(at + 1);
    if (option === undefined || first === undefined) {
      separated.push(argv[at]);
      continue;
    }
    const values = first.split(',');
    at++;
    while (at + 1 < argv.length && areChoices(option, argv[at + 1]))
      values.push(...argv[++at].split(','));
    separated.push(...values.map((value) => `${option.long!}=${value}`));
  }
  return separated;
}

/** The command that the first words name, sub-commands included. */
function commandOf(program: Command, argv: readonly string[]): Command | undefined {
  let found: Command | undefined;
  for (const word of argv) {
    const next = (found ?? program).commands.find((command) => command.name() === word);
    if (next === undefined) break;
    found = next;
  }
  return found;
}

function severalValues(command: Command, word: string): Option | undefined {
  return command.options.find((option) => option.variadic && option.long === word);
}

function areChoices({ argChoices }: Option, word: string): boolean {
  return argChoices !== undefined && word.split(',').every((each) => argChoices.includes(each));
}
