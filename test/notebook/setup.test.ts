import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeJupyter, installJupyter, type Host } from '../../scripts/jupyter-install.js';

/** Stand-ins are programs for a shell. */
const describeUnix = process.platform === 'win32' ? describe.skip : describe;

describeUnix('npm run setup:jupyter', () => {
  let folder: string;
  let bin: string;
  let host: Host;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-setup-'));
    bin = join(folder, 'bin');
    await mkdir(bin);
    // Has every subcommand.
    await program(join(folder, 'jupyter'), 'echo 1.0');
    host = {
      own: join(folder, 'own'),
      env: { PATH: bin },
      isRoot: false,
      tell: () => undefined,
    };
  });
  afterEach(() => rm(folder, { recursive: true }));

  const calls = (): Promise<string> => readFile(join(folder, 'calls'), 'utf8');

  /** A program that writes down how it was called. */
  async function program(path: string, body: string): Promise<void> {
    const log = `echo "\${0##*/} $*" >> "${folder}/calls"`;
    await writeFile(path, `#!/bin/sh\nPATH=/usr/bin:/bin\n${log}\n${body}\n`, { mode: 0o755 });
  }

  /** A python3 that makes an environment, whose own Python then does as told. */
  async function python(pip: string): Promise<void> {
    await program(join(folder, 'python'), pip);
    await program(join(bin, 'python3'), `mkdir -p "$3/bin" && cp ${folder}/python "$3/bin/"`);
  }

  it('makes an environment of its own, with JupyterLab from pip', async () => {
    await python(`cp ${folder}/jupyter ${folder}/own/bin/`);
    assert.equal(completeJupyter(host), undefined);
    assert.equal(installJupyter(host), true);
    assert.equal(completeJupyter(host), join(folder, 'own', 'bin', 'jupyter'));
    const made = await calls();
    assert.match(made, /^python3 -m venv \S*own\npython -m pip install .*\bjupyterlab nbconvert\b/);
  });

  it('leaves no half environment where pip fails, and asks nothing of a system that is not its own', async () => {
    await python('exit 1');
    await program(join(bin, 'apt-get'), 'exit 0');
    assert.equal(installJupyter(host), false);
    assert.equal(existsSync(host.own), false);
    assert.doesNotMatch(await calls(), /apt-get/);
  });

  it('takes Debian’s packages as root where pip fails', async () => {
    await python('exit 1');
    await program(join(bin, 'apt-get'), `[ "$1" = update ] || cp ${folder}/jupyter ${bin}/`);
    assert.equal(installJupyter({ ...host, isRoot: true }), true);
    assert.equal(completeJupyter(host), join(bin, 'jupyter'));
    assert.match(await calls(), /apt-get update\napt-get install -y .*\bjupyter-notebook\b/);
  });

  it('tells what is missing where there is neither', () => {
    const told: string[] = [];
    const tell = (line: string): unknown => told.push(line);
    assert.equal(installJupyter({ ...host, isRoot: true, tell }), false);
    assert.match(told.join('\n'), /python3 ENOENT[\s\S]*apt-get ENOENT/);
  });

  it('is not content with packages that lack a part', async () => {
    await program(join(folder, 'half'), '[ "$1" = lab ]');
    await python(`cp ${folder}/half ${folder}/own/bin/jupyter`);
    assert.equal(installJupyter(host), false);
  });
});
