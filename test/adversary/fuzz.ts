/*
 * npm run fuzz -- [--target pth|legacy|safetensors|zip|tokenizer|config|plan|run|store|packed|tsv|text]
 *                 [--seconds 60] [--seed N] [--repeat FOLDER]
 * Mutants of every kind of file that may come from anyone, each read in a child process within a budget of
 * time and memory. Ends with 1 where one crashed, hung, ended in an error that is none of ours, took too much,
 * or was read otherwise than an independent reader reads it; such a mutant is kept, cut down, with the command
 * that repeats it.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { beginningsOf, mutantOf } from './child.js';
import type { Files } from './mutate.js';
import { lay, TARGETS } from './targets.js';

const MOST_MS = 5_000;
const MOST_BYTES = 1e9;
const START_MS = 60_000;
const WATCH_MS = 50;

interface Told {
  readonly index: number;
  readonly done?: boolean;
  readonly refused?: boolean;
  readonly fault?: string;
}

interface Tally {
  cases: number;
  refused: number;
  /** The case at work when it ended, and why; undefined where the time was up. */
  failed?: { index: number; fault: string };
  slowestMs: number;
  peakBytes: number;
  /** Time at work, without the start. */
  ms: number;
}

/** Runs cases from `first` on until one fails or the time is up. */
function runChild(args: readonly string[], forMs: number): Promise<Tally> {
  const child: ChildProcess = fork(join(__dirname, 'child.ts'), [...args], {
    execArgv: ['--require', 'tsx/cjs', '--max-old-space-size=1000'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve) => {
    const tally: Tally = { cases: 0, refused: 0, slowestMs: 0, peakBytes: 0, ms: 0 };
    let [at, since] = [-1, Date.now()];
    // From the first case on: starting takes seconds on a busy machine.
    let untilMs = Infinity;
    const end = (fault?: string): void => {
      clearInterval(watch);
      child.kill('SIGKILL');
      if (fault !== undefined && tally.failed === undefined) tally.failed = { index: at, fault };
      tally.ms = at < 0 ? forMs : Date.now() - (untilMs - forMs);
      resolve(tally);
    };
    const watch = setInterval(() => {
      const bytes = residentBytes(child.pid!);
      tally.peakBytes = Math.max(tally.peakBytes, bytes);
      if (bytes > MOST_BYTES) end(`took ${bytes} bytes of memory`);
      else if (Date.now() - since > (at < 0 ? START_MS : MOST_MS))
        end(`took more than ${MOST_MS} ms`);
      else if (Date.now() > untilMs) end();
    }, WATCH_MS);
    child.on('message', ({ index, done, refused, fault }: Told) => {
      if (at < 0) untilMs = Date.now() + forMs;
      if (done !== true) [at, since] = [index, Date.now()];
      else {
        at = index;
        tally.cases++;
        tally.slowestMs = Math.max(tally.slowestMs, Date.now() - since);
        if (refused === true) tally.refused++;
        if (fault !== undefined) end(fault);
      }
    });
    child.on('exit', (code, signal) => {
      end(code === 0 ? undefined : `the process ended (${code ?? signal})`);
    });
  });
}

function residentBytes(pid: number): number {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  } catch {
    return 0;
  }
}

/** Cuts pieces out of a failing case for as long as it fails in the same way. */
async function cutDown(
  target: string,
  files: Files,
  fault: string,
  folder: string,
): Promise<Files> {
  let smallest = files;
  const deadline = Date.now() + 30_000;
  const kindOf = (text = ''): string => text.split('\n')[0].replace(/\d+/g, 'N').slice(0, 60);
  for (const name of Object.keys(files))
    for (let piece = files[name].length >> 1; piece >= 4 && Date.now() < deadline; piece >>= 1)
      for (let at = 0; at < smallest[name].length && Date.now() < deadline;) {
        const bytes = Buffer.concat([
          smallest[name].subarray(0, at),
          smallest[name].subarray(at + piece),
        ]);
        const fewer = { ...smallest, [name]: bytes };
        await lay(join(folder, 'fewer'), fewer);
        const { failed } = await runChild(
          [target, 'repeat', join(folder, 'fewer'), folder],
          START_MS,
        );
        if (kindOf(failed?.fault) === kindOf(fault)) smallest = fewer;
        else at += piece;
      }
  return smallest;
}

async function fuzz(
  target: string,
  seconds: number,
  seed: number,
  folder: string,
): Promise<boolean> {
  let left = 1000 * seconds;
  const all: Tally = { cases: 0, refused: 0, slowestMs: 0, peakBytes: 0, ms: 0 };
  const kinds = new Set<string>();
  let first = 0;
  while (left > 0 && kinds.size < 10) {
    const tally = await runChild([target, String(seed), String(first), folder], left);
    left -= tally.ms;
    all.cases += tally.cases;
    all.refused += tally.refused;
    all.slowestMs = Math.max(all.slowestMs, tally.slowestMs);
    all.peakBytes = Math.max(all.peakBytes, tally.peakBytes);
    const { failed } = tally;
    if (failed === undefined) break;
    first = failed.index + 1;
    const kind = failed.fault.split('\n').slice(0, 2).join(' ').replace(/\d+/g, 'N');
    if (kinds.has(kind)) continue;
    kinds.add(kind);
    const beginnings = await beginningsOf(target, folder);
    const smallest = await cutDown(
      target,
      mutantOf(target, beginnings, seed, Math.max(0, failed.index)),
      failed.fault,
      folder,
    );
    const kept = join('out', 'fuzz', `${target}-${seed}-${failed.index}`);
    await lay(kept, smallest);
    console.log(
      `${target}, mutant ${failed.index}: ${failed.fault.split('\n').slice(0, 3).join('\n')}`,
    );
    console.log(`  npm run fuzz -- --target ${target} --repeat ${kept}`);
  }
  const { cases, refused, slowestMs, peakBytes } = all;
  console.log(
    `${target.padEnd(12)} ${cases} cases, ${refused} refused, ${kinds.size} kinds of failure; ` +
      `slowest ${slowestMs} ms, peak ${Math.round(peakBytes / 1e6)} MB`,
  );
  return kinds.size === 0 && cases > 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      repeat: { type: 'string' },
    },
  });
  const { target, seconds = '60', seed = '1', repeat } = values;
  const names = target === undefined ? Object.keys(TARGETS) : [target];
  if (!names.every((name) => name in TARGETS))
    throw new Error(`no such target; there are ${Object.keys(TARGETS).join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'qslm-fuzz-'));
  try {
    if (repeat !== undefined) {
      const { failed } = await runChild([names[0], 'repeat', repeat, folder], START_MS);
      console.log(failed?.fault ?? 'no failure');
      process.exitCode = failed === undefined ? 0 : 1;
      return;
    }
    for (const name of names)
      if (!(await fuzz(name, Number(seconds), Number(seed), folder))) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (require.main === module) void main();
