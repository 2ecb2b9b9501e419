import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type RunningServer, type Server } from '../../../scripts/lab-server.js';
import {
  readNotebook,
  textOf,
  writeNotebook,
  type Notebook,
} from '../../../scripts/notebooks-file.js';
import { findJupyter } from '../../../scripts/notebooks-jupyter.js';
import { packagePath } from '../../../src/util/paths.js';

/** The classic Notebook, whose page these tests know. */
export function classicNotebook(): Server | undefined {
  const jupyter = findJupyter('notebook');
  if (jupyter === undefined || Number.parseInt(jupyter.version, 10) >= 7) return undefined;
  return { jupyter, subcommand: 'notebook', name: `classic Jupyter Notebook ${jupyter.version}` };
}

/** What Debian's Notebook reports on each of its pages: it looks for widgets, which are a package apart. */
export const NOTEBOOK_FAULTS = /\/nbextensions\/widgets\//;

/** A folder with notebooks/ in it; what their cells write to ../out stays in the folder. */
export interface Workspace {
  readonly folder: string;
  readonly notebooks: string;
  /** Copies a notebook of the package into it, without its outputs: what is shown there is new. */
  readonly add: (name: string, edit?: (source: string) => string) => Promise<Notebook>;
  /** Copies one as it is committed. */
  readonly copy: (name: string) => Promise<void>;
  /** Makes one of a cell whose output has these forms. */
  readonly show: (name: string, data: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function makeWorkspace(): Promise<Workspace> {
  const folder = await mkdtemp(join(tmpdir(), 'qslm-lab-'));
  const notebooks = join(folder, 'notebooks');
  await mkdir(notebooks);
  return {
    folder,
    notebooks,
    add: async (name, edit = (source) => source) => {
      const notebook = await readNotebook(packagePath('notebooks', name));
      const cells = notebook.cells.map((cell) =>
        cell.cell_type === 'code'
          ? { ...cell, source: edit(textOf(cell.source)), outputs: [] }
          : cell,
      );
      await writeNotebook(join(notebooks, name), { ...notebook, cells });
      return { ...notebook, cells };
    },
    copy: (name) => copyFile(packagePath('notebooks', name), join(notebooks, name)),
    show: async (name, data) => {
      const { metadata } = await readNotebook(packagePath('notebooks', '01-quick-start.ipynb'));
      const output = { output_type: 'display_data' as const, data: { ...data }, metadata: {} };
      const cell = { cell_type: 'code' as const, source: '', metadata: {}, outputs: [output] };
      const notebook = { cells: [{ ...cell, execution_count: 1 }], metadata };
      await writeNotebook(join(notebooks, name), {
        ...notebook,
        nbformat: 4,
        nbformat_minor: 5,
      } as Notebook);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * The server on a workspace, without the settings, the kernels and the signatures of trusted notebooks
 * that the user has: whatever kernel is found is found through JUPYTER_PATH.
 *
 * @param user name of the folder for these.
 */
export function startIn(
  server: Server,
  { folder, notebooks }: Workspace,
  user = 'user',
): RunningServer {
  const home = join(folder, user);
  return startServer(server, {
    folder: notebooks,
    env: {
      ...server.jupyter.env,
      HOME: home,
      JUPYTER_CONFIG_DIR: join(home, 'config'),
      JUPYTER_DATA_DIR: join(home, 'data'),
      JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
      IPYTHONDIR: join(home, 'ipython'),
    },
  });
}

/** An address of the server: its pages, or its REST interface. */
export function pageOf(address: string, path: string): string {
  const url = new URL(address);
  url.pathname = path;
  return url.href;
}
