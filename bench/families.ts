/**
 * A study of each family at a size of 5 to 20 million random parameters: sweep, searches of case a1 scaled,
 * packed export, report.
 *
 *     npm run bench:families [-- --families spikebert,spikelm,spikingbert --sentences 24]
 *
 * Prints the seconds of each part and the most memory that the process has held so far (one process for all
 * families: name one alone for its own). Fails where a file read back is not the measured plan bit for bit.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { runCommandLine } from '../src/cli/run.js';
import { openStudy } from '../src/experiment/open/open-study.js';
import { writeToyStudy } from '../src/experiment/open/toy-study.js';
import type { SearchRun } from '../src/experiment/runs/search-result.js';
import { runSearch } from '../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type SearchSettings } from '../src/experiment/runs/search-settings.js';
import { runSweep } from '../src/experiment/runs/sweep-run.js';
import type { ModelConfig } from '../src/model/config.js';
import { describeModel } from '../src/model/structure.js';
import { exportPlan } from '../src/quant/packed/export.js';
import { CASES } from '../src/search/constraints.js';

const { values: flags } = parseArgs({
  options: {
    families: { type: 'string', default: 'spikebert,spikelm,spikingbert' },
    sentences: { type: 'string', default: '24' },
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
  const request = { family: id, config: CONFIGS[id], sentences: Number(flags.sentences), words: 7 };
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
  } finally {
    await study.close();
  }
  for (const {
    settings: { method },
    outcome,
    selected,
  } of searches)
    console.log(
      `  ${method}: ${outcome.trace.length} plans tried, ${outcome.candidates.length} keep both limits` +
        (selected ? `, ${selected.candidate.bytes} bytes selected` : ''),
    );
  await timed('export and reload', () =>
    exported(toy, searches[0], join(folder, 'packed.safetensors')),
  );
  await timed('report', async () => {
    const all = [...folders, ...searches.map((run) => run.folder)];
    const out = join(folder, 'report.html');
    const { stdout, stderr } = process;
    const host = { stdout, stderr, onInterrupt: () => () => undefined };
    assert.equal(await runCommandLine(['report', ...all, '--out', out, '--quiet'], host), 0);
    assert.ok((await stat(out)).size > 0);
  });
}

/** The weights of the packed file are those that the plan was measured with, and so are its answers. */
async function exported(
  { model, heldOut }: { model: string; heldOut: string },
  { space, outcome }: SearchRun,
  path: string,
): Promise<void> {
  const { assignment } = outcome.candidates.at(-1) ?? outcome.trace.at(-1)!;
  const plan = space.resolve(assignment);
  const checkpoint = await openCheckpoint(model);
  const { hierarchy } = await describeModel(checkpoint);
  await exportPlan(checkpoint, hierarchy, plan, path);
  await checkpoint.close();
  const valueOf = async (of: string, measured = plan): Promise<number[]> => {
    const study = await openStudy(of, { backend: 'wasm', data: heldOut });
    try {
      const { hierarchy: units } = study.options.file;
      const all = await study.evaluator.measure(measured, units.fp32Bytes);
      return [all.value, ...('correct' in all ? all.correct : [])];
    } finally {
      await study.close();
    }
  };
  assert.deepEqual(await valueOf(path, new Map()), await valueOf(model));
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

runAll().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
