import type { Command } from 'commander';

/** `qslm help [command…]`: commander's own takes a name that there is not for none at all. */
export function addHelp(program: Command): void {
  program
    .command('help')
    .description('print the help of a command')
    .argument('[command...]', 'its name: eval, or runs list')
    .helpOption(false)
    .action((names: readonly string[]) => {
      let command = program;
      for (const name of names) {
        const next = command.commands.find((each) => each.name() === name);
        command = next ?? command.error(`error: unknown command '${name}'`);
      }
      command.help();
    });
}
