import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Patience } from '../../../src/hub/patience.js';

/** Patience that remembers its waits in place of waiting. */
export function quickPatience(): Patience & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    attempts: 6,
    waits,
    wait: (seconds) => {
      waits.push(seconds);
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Variables for the tests of a suite; those that were there come back after each. */
export function environment(): (values: Readonly<Record<string, string | undefined>>) => void {
  const names = [
    'QSLM_HOME',
    'HF_ENDPOINT',
    'HF_TOKEN',
    'HF_HUB_OFFLINE',
    ...['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]),
  ];
  const before = new Map(names.map((name) => [name, process.env[name]]));
  const set = (values: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(values))
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  };
  beforeEach(() => {
    set(Object.fromEntries(names.map((name) => [name, undefined])));
  });
  after(() => {
    set(Object.fromEntries(before));
  });
  return set;
}

/** A new home for each test of a suite. */
export function temporaryHome(): { readonly path: () => string; files(): Promise<string[]> } {
  let path = '';
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'qslm-home-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));
  return {
    path: () => path,
    files: async () => {
      const entries = await readdir(path, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
        .sort();
    },
  };
}
