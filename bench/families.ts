/**
 * A study of each family at a size of 5 to 20 million random parameters: sweep, searches of case a1 scaled,
 * packed export, report.
 *
 *     npm run bench:families [-- --families spikebert,spikelm,spikingbert --sentences 24 --surest 24]
 *     npm run bench:families -- --published [--rounds 3 --batch 4 --threads 2 --peer 'COMMAND' --folder DIR]
 *
 * Prints the seconds of each part and the most memory that the process has held so far (one process for all
 * families: name one alone for its own). Fails where a file read back does not answer each sentence as the
 * measured plan did, or is not as large as the search said. With --published it takes the published sizes and
 * measures sentences a second alone: `families-published.ts`.
 *
 * Of --surest sentences one is kept, of which the model is surest: a SpikeLM of random weights gives 13 of 60 sentences
 * another answer at 16 bits already, so that no plan keeps case a1 where nothing is chosen (--surest 1).
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { runCommandLine } from '../src/cli/run.js';
import { openModel } from '../src/experiment/open/model-file.js';
import { openStudy } from '../src/experiment/open/open-study.js';
import type { Study } from '../src/experiment/open/study.js';
import { writeToyStudy } from '../src/experiment/open/toy-study.js';
import { inThisThread, measurePlans } from '../src/experiment/runs/measure-plans.js';
import type { SearchRun } from '../src/experiment/runs/search-result.js';
import { runSearch } from '../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type SearchSettings } from '../src/experiment/runs/search-settings.js';
import { runSweep } from '../src/experiment/runs/sweep-run.js';
import type { ModelConfig } from '../src/model/config.js';
import { describeModel } from '../src/model/structure.js';
import { exportPlan } from '../src/quant/packed/export.js';
import { CASES } from '../src/search/constraints.js';
import { benchPublished } from './families-published.js';

const { values: flags } = parseArgs({
  options: {
    families: { type: 'string', default: 'spikebert,spikelm,spikingbert' },
    sentences: { type: 'string', default: '24' },
    surest: { type: 'string', default: '24' },
    published: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '4' },
    threads: { type: 'string', default: '2' },
    peer: { type: 'string' },
    folder: { type: 'string' },
  },
});

const SIZES = {
  ...{ vocabSize: 8192, width: 384, hiddenWidth: 1536, layers: 3, contextLength: 16 },
  ...{ classes: 2, head: false, heads: 8 },
};

/** As published but for sizes; SpikingBERT runs for fewer steps than its 125. */
const CONFIGS: Readonly<Record<string, ModelConfig>> = {
  spikebert: { ...SIZES, timeSteps: 4, tau: 2, threshold: 1 } as ModelConfig,
  spikelm: { ...SIZES, timeSteps: 4, types: 2 } as ModelConfig,
  spikingbert: { ...SIZES, timeSteps: 32, threshold: 1, types: 2 } as ModelConfig,
};

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(`  ${what.padEnd(24)} ${seconds.padStart(7)} s   ${megabytes} MiB at most so far`);
  return result;
}

async function runFamily(id: string, folder: string): Promise<void> {
  const [sentences, surest] = [Number(flags.sentences), Number(flags.surest)];
  const request = { family: id, config: CONFIGS[id], sentences, surest, words: 7 };
  const toy = await timed('made up', () => writeToyStudy(folder, request));
  console.log(`  ${(toy.parameters / 1e6).toFixed(1)} million parameters`);
  const runs = join(folder, 'runs');
  const study = await openStudy(toy.model, {
    ...{ backend: 'wasm', data: toy.search, heldOut: toy.heldOut },
    store: join(folder, 'store.sqlite'),
  });
  const settings: SearchSettings = {
    ...DEFAULT_SEARCH,
    ...{ case: 'a1', constraints: CASES.a1.constraints, bits: [16, 8, 6, 4] },
  };
  const searches: SearchRun[] = [];
  const folders: string[] = [];
  try {
    const sweep = await timed('sweep', () =>
      runSweep(
        study,
        { bits: [8, 4], levels: ['block', 'module'], quantizer: 'min-max', observables: true },
        { runs },
      ),
    );
    folders.push(sweep.folder);
    for (const method of ['tiered', 'knapsack'] as const)
      searches.push(
        await timed(`search a1, ${method}`, () =>
          runSearch(study, { ...settings, method }, { runs }),
        ),
      );
    await timed('export and reload', () =>
      exported(study, searches[0], { model: toy.model, folder }),
    );
  } finally {
    await study.close();
  }
  for (const search of searches) console.log(`  ${said(search, study.task.items)}`);
  await timed('report', async () => {
    const all = [...folders, ...searches.map((run) => run.folder)];
    const out = join(folder, 'report.html');
    const { stdout, stderr } = process;
    const host = { stdout, stderr, onInterrupt: () => () => undefined };
    assert.equal(await runCommandLine(['report', ...all, '--out', out, '--quiet'], host), 0);
    assert.ok((await stat(out)).size > 0);
  });
}

/** What a search found; where nothing keeps both limits, how far off the nearest plan is, in sentences. */
function said({ settings: { method }, outcome, selected }: SearchRun, items: number): string {
  const { trace, candidates, limits, nearest } = outcome;
  const allowed = Math.floor(limits.quality.allowedLoss * items + 1e-9);
  const found = `${method}: ${trace.length} plans tried, ${candidates.length} keep both limits`;
  if (selected) return `${found}, ${selected.candidate.bytes} bytes selected`;
  const { quality, bytes } = nearest!.misses;
  const more = Math.round(quality * items);
  return (
    `${found}; of ${items} sentences ${allowed} may be lost, and the nearest plan loses ` +
    `${allowed + more}${bytes > 0 ? `, and is ${bytes} bytes too large` : ''}`
  );
}

/** A packed file gives each sentence the answer that the plan was measured with. */
async function exported(
  study: Study,
  { space, outcome }: SearchRun,
  { model, folder }: { readonly model: string; readonly folder: string },
): Promise<void> {
  const { assignment } = outcome.candidates.at(-1) ?? outcome.trace.at(-1)!;
  const plan = space.resolve(assignment);
  const checkpoint = await openCheckpoint(model);
  const { hierarchy } = await describeModel(checkpoint);
  const path = join(folder, 'packed.safetensors');
  const { footprint } = await exportPlan(checkpoint, hierarchy, plan, path);
  await checkpoint.close();
  assert.equal(footprint.total, space.bytes(assignment));
  const measured = await study.evaluator.measure(plan, footprint.total);
  const packed = await openModel(path);
  const [read] = await inThisThread(packed, study.task, (subject) => measurePlans(subject, []));
  await packed.close();
  const answers = [measured, read.measurement].map((one) => one && 'correct' in one && one.correct);
  assert.ok(answers[0]);
  assert.deepEqual(answers[1], answers[0]);
}

async function runAll(): Promise<void> {
  for (const id of flags.families.split(',')) {
    console.log(id);
    const folder = await mkdtemp(join(tmpdir(), 'qslm-families-'));
    try {
      await runFamily(id, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

const { families, rounds, batch, threads, peer, folder } = flags;
const amounts = { rounds: Number(rounds), batch: Number(batch), threads: Number(threads) };
const work = flags.published ? benchPublished({ families, ...amounts, peer, folder }) : runAll();
work.catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
