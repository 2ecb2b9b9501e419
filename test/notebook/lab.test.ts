import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseServer, startServer } from '../../scripts/lab-server.js';
import { jupyterCommands } from '../../scripts/notebooks-jupyter.js';

/** A stand-in for Jupyter: a program for a shell. */
const itUnix = process.platform === 'win32' ? it.skip : it;

describe('npm run lab', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-jupyter-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A program called jupyter that has these subcommands in these versions, and serves as told. */
  async function standIn(
    name: string,
    versions: Readonly<Record<string, string>>,
    serve = '',
  ): Promise<string> {
    const bin = join(folder, name);
    await mkdir(bin);
    const cases = Object.entries(versions).map(
      ([subcommand, version]) => `"${subcommand} --version") echo ${version}; exit 0;;`,
    );
    const command = join(bin, 'jupyter');
    await writeFile(
      command,
      `#!/bin/sh\ncase "$1 $2" in\n${cases.join('\n')}\n*" --version") exit 1;;\nesac\n${serve}\n`,
    );
    await chmod(command, 0o755);
    return command;
  }

  itUnix('takes JupyterLab, wherever it is, before any Notebook', async () => {
    const notebook = await standIn('first', { notebook: '7.2.1' });
    const lab = await standIn('second', { notebook: '7.2.1', lab: '4.2.1' });
    const server = chooseServer([notebook, lab]);
    assert.equal(server?.name, 'JupyterLab 4.2.1');
    assert.equal(server.jupyter.command, lab);
    assert.equal(server.subcommand, 'lab');
  });

  itUnix('takes Notebook 7 or the classic one where there is no JupyterLab', async () => {
    const seven = await standIn('seven', { notebook: '7.2.1' });
    const classic = await standIn('classic', { notebook: '6.4.12' });
    assert.equal(chooseServer([seven])?.name, 'Jupyter Notebook 7.2.1');
    assert.equal(chooseServer([classic])?.name, 'classic Jupyter Notebook 6.4.12');
    assert.equal(chooseServer([classic])?.subcommand, 'notebook');
  });

  itUnix('passes over what is not there, and what has no server', async () => {
    const converter = await standIn('converter', { nbconvert: '6.5.3' });
    assert.equal(chooseServer([join(folder, 'nowhere', 'jupyter'), converter]), undefined);
  });

  it('looks for the one named, then for its own, then on the path', () => {
    const paths = jupyterCommands(join('a', 'own'), { PATH: join('a', 'bin'), JUPYTER: 'mine' });
    const [named, own, onPath] = paths;
    assert.equal(named, 'mine');
    assert.ok(own.startsWith(join('a', 'own')));
    assert.ok(onPath.startsWith(join('a', 'bin')));
  });

  itUnix('tells the address with its token, of whatever it is printed with', async () => {
    const command = await standIn(
      'lab',
      { lab: '4.2.1' },
      `echo "$PWD $JUPYTER_PATH $*" > ${join(folder, 'called')}
       printf '[I ServerApp] jupyterlab | extension was linked.\\n' >&2
       printf '[I ServerApp] http://localhost:8890/lab?to' >&2
       printf 'ken=0123abc\\n    http://127.0.0.1:8890/lab?token=0123abc\\n' >&2`,
    );
    const server = startServer(chooseServer([command])!, { folder, more: ['--port', '8890'] });
    assert.equal(await server.address, 'http://localhost:8890/lab?token=0123abc');
    await server.stop();
  });

  itUnix('says why where the server ends before it serves', async () => {
    const command = await standIn('broken', { lab: '4.2.1' }, 'echo "no such port" >&2; exit 3');
    const server = startServer(chooseServer([command])!, { folder });
    await assert.rejects(server.address, /ended before it served:\nno such port/);
  });
});
