/**
 * The tiered search, cases a1 and b1 scaled to the bundled models, on wasm with two workers beside the
 * PyTorch reference with two threads, in turns within one run.
 *
 *     npm run bench:search [-- --rounds 3 --cases a1,b1]
 *
 * Prints seconds and the ratio to the reference, the evaluations in equivalents of a full one, and what
 * each acceleration saved. Needs the developers' shared folder and the reference's packages.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { modelSpace } from '../src/experiment/open/model-space.js';
import { Evaluator, type EvaluatorReport } from '../src/experiment/scoring/evaluator.js';
import { describeModel } from '../src/model/structure.js';
import type { Strategy } from '../src/search/tiers/descent.js';
import { tieredSearch } from '../src/search/tiers/tiers.js';
import { readSst2Tsv } from '../src/tasks/data/tsv.js';
import { sst2Task } from '../src/tasks/sst2.js';
import type { Task } from '../src/tasks/task.js';
import { wikitext2Task } from '../src/tasks/wikitext2.js';
import { loadTokenizer, type Tokenizer } from '../src/tokenizer/tokenizer.js';
import { sharedPath } from '../test/support/shared.js';
import { median, numberIn, runReference } from './reference.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    cases: { type: 'string', default: 'a1,b1' },
    strategies: { type: 'string', default: 'exact,bisection,bracketing' },
  },
});

const THREADS = 2;
const PADDING = 1;

interface BenchCase {
  readonly name: string;
  readonly model: string;
  readonly data: string;
  readonly task: string;
  readonly maxLoss: number;
  readonly maxMB: number;
  readonly referenceArgs: readonly string[];
  readonly makeTask: (path: string, tokenizer: Tokenizer) => Promise<Task>;
}

const CASES: readonly BenchCase[] = [
  {
    name: 'a1',
    model: 'models/spikegpt-mini-sst2.pth',
    data: 'data/sst2/search.tsv',
    task: 'sst2',
    maxLoss: 0.02,
    maxMB: 6.82,
    referenceArgs: [],
    makeTask: async (path, tokenizer) =>
      sst2Task({
        examples: await readSst2Tsv(path),
        tokenizer,
        source: 'SST-2 search',
        paddingId: PADDING,
      }),
  },
  {
    name: 'b1',
    model: 'models/spikegpt-mini.pth',
    data: 'data/wikitext2/valid.txt',
    task: 'wikitext2',
    maxLoss: 1,
    maxMB: 8.28,
    referenceArgs: ['--tokens', '16384'],
    makeTask: async (path, tokenizer) =>
      wikitext2Task({
        text: await readFile(path, 'utf8'),
        tokenizer,
        source: 'WikiText-2 valid',
        limitTokens: 16384,
      }),
  },
];

interface Ours {
  readonly seconds: number;
  readonly evaluations: number;
  readonly final: string;
  readonly report: EvaluatorReport;
}

/** From opening the model to the final plan: what the reference's own seconds cover, and the opening. */
async function ours(one: BenchCase, model: string, task: Task, strategy: Strategy): Promise<Ours> {
  const checkpoint = await openCheckpoint(model);
  const described = await describeModel(checkpoint, { contextLength: 256 });
  const space = modelSpace(described.hierarchy);
  const evaluator = Evaluator.open({
    checkpoint: model,
    checkpointHash: await checkpoint.sha256(),
    model: described,
    backend: 'wasm',
    task,
    split: 'search',
    accelerations: { workers: THREADS },
  });
  const started = performance.now();
  try {
    const result = await tieredSearch(space, evaluator.evaluateIn(space), {
      metric: task.metric,
      constraints: {
        loss: { kind: 'absolute', value: one.maxLoss },
        memory: { kind: 'absolute', value: one.maxMB * 1e6 },
      },
      bits: [16, 14, 12, 10, 8, 6, 4],
      strategy,
    });
    return {
      seconds: (performance.now() - started) / 1000,
      evaluations: result.evaluations,
      final: result.final.key,
      report: evaluator.report(),
    };
  } finally {
    await evaluator.close();
    await checkpoint.close();
  }
}

function describe({ evaluations, report }: Ours): string {
  const { work, fullWork } = report;
  const share = (amount: number): string => (amount / fullWork).toFixed(2);
  return (
    `${evaluations} evaluations = ${share(work.done)} computed + ${share(work.savedByPrefix)} kept ` +
    `prefixes + ${share(work.savedByExit)} early exits + ${share(work.savedByVerdict)} certain verdicts`
  );
}

async function runCase(one: BenchCase): Promise<void> {
  const [model, data, vocabulary, script] = [
    one.model,
    one.data,
    'models/tokenizer.json',
    'tools/reference_qslm.py',
  ].map(sharedPath);
  if (!model || !data || !vocabulary || !script) {
    console.log(`skipped: case ${one.name} needs the shared folder`);
    return;
  }
  const task = await one.makeTask(data, await loadTokenizer(vocabulary));
  const limits = ['--max-drop', String(one.maxLoss), '--max-mb', String(one.maxMB)];
  const strategies = flags.strategies.split(',') as Strategy[];
  const reference: number[] = [];
  const runs = new Map<Strategy, Ours[]>(strategies.map((strategy) => [strategy, []]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    const args = [model, vocabulary, one.task, data, ...limits, ...one.referenceArgs];
    const printed = await runReference(script, THREADS, args);
    reference.push(numberIn(printed, /evaluations, ([\d.]+) s/));
    for (const [strategy, list] of runs) list.push(await ours(one, model, task, strategy));
  }
  const seconds = (values: readonly number[]): string =>
    `${median(values).toFixed(1)} s (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;
  console.log(`\n${one.name}: PyTorch reference ${seconds(reference)}`);
  const exact = runs.get('exact')?.[0];
  for (const [strategy, list] of runs) {
    const ratios = list.map((run, round) => run.seconds / reference[round]);
    const same = !exact || list.every((run) => run.final === exact.final) ? 'same' : 'OTHER';
    console.log(
      `  ${strategy.padEnd(10)} ${seconds(list.map((run) => run.seconds))}, ` +
        `${median(ratios).toFixed(2)} of the reference, ${same} final plan`,
    );
    console.log(`             ${describe(list[0])}`);
  }
}

async function main(): Promise<void> {
  console.log(
    `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}; ${THREADS} threads each`,
  );
  for (const name of flags.cases.split(',')) {
    const one = CASES.find((known) => known.name === name);
    if (!one) throw new Error(`unknown case ${name}; known: a1, b1`);
    await runCase(one);
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
