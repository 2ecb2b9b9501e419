/**
 * Starts JupyterLab, or else Notebook (7 or the classic one), on the notebooks, and prints its address.
 *
 *   npm run lab
 *   npm run lab -- --port 9000    (further options go to Jupyter)
 */
import { packagePath } from '../src/util/paths.js';
import { chooseServer, startServer } from './lab-server.js';
import { HOW_TO_GET } from './notebooks-jupyter.js';

function main(more: readonly string[]): void {
  const server = chooseServer();
  if (server === undefined) {
    process.stderr.write(`${HOW_TO_GET}\n`);
    process.exitCode = 1;
    return;
  }
  const { child, address } = startServer(server, {
    folder: packagePath('notebooks'),
    more,
    onText: (text) => process.stderr.write(text),
  });
  address.then(
    (url) => process.stdout.write(`\n${server.name} is ready: ${url}\nCtrl-C ends it.\n\n`),
    (error: unknown) => {
      // What it wrote before is on the screen already.
      if (child.pid === undefined) process.stderr.write(`${String(error)}\n`);
    },
  );
  // Jupyter stops its kernels and ends first; Ctrl-C has reached it as well.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => child.kill('SIGTERM'));
  child.on('error', () => (process.exitCode = 1));
  child.on('exit', (code) => {
    process.exitCode = code ?? 0;
  });
}

main(process.argv.slice(2));
