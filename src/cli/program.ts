import { Command } from 'commander';
import { addConvert } from './commands/convert.js';
import { addDemo } from './commands/demo.js';
import { addDoctor } from './commands/doctor.js';
import { addEnergy } from './commands/energy/energy.js';
import { addEval } from './commands/eval.js';
import { addExport } from './commands/export/export.js';
import { addFetch } from './commands/fetch.js';
import { addGenerate } from './commands/generate.js';
import { addHelp } from './commands/help.js';
import { addInspect } from './commands/inspect.js';
import { addPlot } from './commands/plot.js';
import { addQueue } from './commands/queue/status.js';
import { addWorker } from './commands/queue/worker.js';
import { addReport } from './commands/report.js';
import { addRuns } from './commands/runs.js';
import { addSearch } from './commands/search.js';
import { addSelect } from './commands/select/select.js';
import { addSweep } from './commands/sweep.js';
import { addFineTune } from './commands/train/finetune.js';
import { EXIT_HELP } from './exit-codes.js';
import { terminalText } from './format/terminal.js';
import type { Host } from './host.js';
import { packageVersion } from './version.js';

/** Width of the help where there is no terminal. */
const HELP_COLUMNS = 80;

/** The command line: one file a command. */
export function buildProgram(host: Host): Command {
  // Settings are handed down to commands that are added after them.
  const program = new Command('qslm')
    .description('Quantize spiking language models, and measure what it costs.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', `\n${EXIT_HELP}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(terminalText(text)),
      getOutHelpWidth: () => host.stdout.columns ?? HELP_COLUMNS,
      getErrHelpWidth: () => host.stderr.columns ?? HELP_COLUMNS,
    });
  for (const add of [
    addDemo,
    addFetch,
    addInspect,
    addEval,
    addGenerate,
    addConvert,
    addFineTune,
    addSweep,
    addSearch,
    addSelect,
    addEnergy,
    addExport,
    addPlot,
    addReport,
    addRuns,
    addWorker,
    addQueue,
    addDoctor,
  ])
    add(program, host);
  addHelp(program);
  for (const command of program.commands)
    command.showHelpAfterError(`See: qslm ${command.name()} --help`);
  return program.showHelpAfterError('See: qslm --help');
}
