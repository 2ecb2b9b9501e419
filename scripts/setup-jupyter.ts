/**
 * Gets a Jupyter for the notebooks: JupyterLab in a virtual environment under out/, or, where Python
 * has none and the user may install packages, Debian's. Does nothing where one is there.
 *
 *   npm run setup:jupyter
 */
import { completeJupyter, DEBIAN_PACKAGES, installJupyter, type Host } from './jupyter-install.js';
import { OWN_JUPYTER } from './notebooks-jupyter.js';

function main(): void {
  const host: Host = {
    own: OWN_JUPYTER,
    env: process.env,
    isRoot: process.getuid?.() === 0,
    tell: (line) => process.stdout.write(`${line}\n`),
  };
  const there = completeJupyter(host);
  if (there !== undefined) {
    process.stdout.write(`Jupyter is there: ${there}. Start it with: npm run lab\n`);
    return;
  }
  if (installJupyter(host)) {
    process.stdout.write('Jupyter is ready. Start it with: npm run lab\n');
    return;
  }
  process.stderr.write(
    'Jupyter could not be installed: it needs python3 with venv and pip and a way to their packages, or ' +
      `Debian’s packages (as root: apt-get install ${DEBIAN_PACKAGES.join(' ')}).\n`,
  );
  process.exitCode = 1;
}

main();
