import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors/write.js';
import { countOperations } from '../../src/energy/operations.js';
import { openModel } from '../../src/experiment/open/model-file.js';
import { openStudy, type OpenStudyOptions } from '../../src/experiment/open/open-study.js';
import type { Study } from '../../src/experiment/open/study.js';
import { openRun, type SavedRun } from '../../src/experiment/record/open-run.js';
import { runEnergy } from '../../src/experiment/runs/energy/energy-run.js';
import { inThisThread, measurePlans } from '../../src/experiment/runs/measure-plans.js';
import type { SearchRun } from '../../src/experiment/runs/search-result.js';
import { runSearch } from '../../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type SearchSettings } from '../../src/experiment/runs/search-settings.js';
import { runSweep } from '../../src/experiment/runs/sweep-run.js';
import { NO_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { energyFigure } from '../../src/figures/energy-figures.js';
import { runFigures } from '../../src/figures/run-figures.js';
import { describeModel, structureOf } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { loadSentimentSamples } from '../../src/tasks/data/samples.js';
import { sst2Task } from '../../src/tasks/sst2.js';
import { ModelError, EnergyError, UsageError } from '../../src/util/errors.js';
import { seededRandom } from '../../src/util/random.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { TOKENIZER } from '../cli/support/study.js';
import { TOY_FAMILY } from './toy-family.js';

const CONFIG = {
  ...{ vocabSize: 4096, width: 24, contextLength: 24, classes: 2 },
  ...{ layers: 1, head: false, gain: 1 },
};

const SETTINGS: SearchSettings = {
  ...DEFAULT_SEARCH,
  bits: [16, 12, 10, 8, 6, 4, 3, 2],
  constraints: { loss: { kind: 'absolute', value: 0.01 }, memory: { kind: 'share', share: 0.6 } },
  yardsticks: { uniform: true, random: 1, seed: 1 },
};

/** A checkpoint of the family with random weights, and something that its training left behind. */
async function saveCheckpoint(path: string): Promise<string> {
  const random = seededRandom(3);
  const { parameters } = structureOf(TOY_FAMILY, CONFIG).layout;
  const tensors = [...parameters, { name: 'optimizer.step', shape: [1] }].map(({ name, shape }) => {
    const size = shape.reduce((product, length) => product * length, 1);
    const values = Float32Array.from({ length: size }, () => 2.4 * (random.float() - 0.5));
    const bytes = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(values.buffer));
    return { name, shape, dtype: 'float32' as const, bytes };
  });
  await writeSafetensors(path, tensors, { gain: '1' });
  return path;
}

/** Sentences with the model's own answers, but every tenth: quantization can only hurt. */
async function saveSentences(model: string, path: string, from: number, to: number): Promise<void> {
  const { examples } = await loadSentimentSamples();
  await startBackend('wasm');
  const open = await openModel(model, { tokenizer: TOKENIZER });
  const zeros = examples
    .filter(({ sentence }) => open.tokenizer.encode(sentence).length <= CONFIG.contextLength)
    .slice(from, to)
    .map(({ sentence }) => ({ sentence, label: 0 as const }));
  const task = sst2Task({
    ...{ examples: zeros, tokenizer: open.tokenizer, source: 'toy', pooling: 'all-positions' },
    ...{ paddingId: 0, length: CONFIG.contextLength },
  });
  const { correct } = await task.evaluate(open.model);
  await open.close();
  const lines = zeros.map(
    ({ sentence }, index) =>
      `${sentence}\t${index % 10 === 9 ? correct[index] : 1 - correct[index]}\n`,
  );
  await writeFile(path, `sentence\tlabel\n${lines.join('')}`);
}

/** What must not depend on how a search was computed. */
function pathOf({ outcome, selected }: SearchRun): unknown {
  return {
    steps: outcome.trace.map(({ assignment, accepted, candidate }) => [
      assignment.key,
      accepted,
      candidate,
    ]),
    candidates: outcome.candidates.map(({ assignment, metric }) => [assignment.key, metric]),
    selected: selected?.planId,
  };
}

describe('a family that lives in a test', function () {
  this.timeout(120_000);
  const at = temporaryFolder();
  let path: string;
  const runs: SavedRun[] = [];
  before(async () => {
    path = await saveCheckpoint(at('toy.safetensors'));
    await saveSentences(path, at('search.tsv'), 0, 150);
    await saveSentences(path, at('dev.tsv'), 150, 220);
  });

  async function withStudy<T>(
    work: (study: Study) => Promise<T>,
    options: OpenStudyOptions = {},
  ): Promise<T> {
    const study = await openStudy(path, {
      ...{
        backend: 'wasm',
        data: at('search.tsv'),
        heldOut: at('dev.tsv'),
        model: { tokenizer: TOKENIZER },
      },
      accelerations: { workers: 2 },
      ...options,
    });
    try {
      return await work(study);
    } finally {
      await study.close();
    }
  }

  const kept = async (run: { readonly folder: string }): Promise<void> => {
    runs.push(await openRun(run.folder));
  };

  it('is described: its own names, stages and spikes, the reader ignoring what it may', async () => {
    const checkpoint = await openCheckpoint(path);
    const { family, config, layout, hierarchy, sources } = await describeModel(checkpoint);
    await checkpoint.close();
    assert.equal(family.id, 'toy');
    assert.deepEqual(config, CONFIG);
    assert.deepEqual(sources, { gain: 'checkpoint metadata' });
    assert.deepEqual(
      layout.spiking.map(({ levels }) => levels),
      ['ternary', 'ternary', 'ternary'],
    );
    assert.deepEqual(
      hierarchy.blocks.map((block) => block.modules.map((module) => module.path)).flat(),
      ['input/lookup', 'attention.0/gather', 'attention.0/spread', 'output/verdict'],
    );
    await assert.rejects(describeModel(checkpoint, { contextLength: 5 }), UsageError);
    const { stdout } = await runCli(['inspect', path]);
    assert.match(stdout, /family +Toy/);
    assert.match(stdout, /gather/);
  });

  it('is swept, with what happens inside the model', async () => {
    const sweep = await withStudy((study) =>
      runSweep(
        study,
        { bits: [8, 2], levels: ['block', 'module'], quantizer: 'min-max', observables: true },
        { runs: at('runs') },
      ),
    );
    const flips = sweep.table.rows.map(({ extras }) => extras!.flipRate);
    assert.ok(flips.some((rate) => rate > 0) && flips.every((rate) => rate < 1));
    // Its network does not tell of its neurons.
    assert.ok(sweep.table.rows.every(({ extras }) => !('membraneDrift' in extras!)));
    await kept(sweep);
  });

  it('is searched by tiers, the same with all accelerations and with none', async () => {
    const store = at('store.sqlite');
    const search = (study: Study): Promise<SearchRun> =>
      runSearch(study, SETTINGS, { runs: at('runs') });
    const all = await withStudy(search, { store });
    const plain = await withStudy(search, { accelerations: NO_ACCELERATIONS });
    assert.deepEqual(pathOf(all), pathOf(plain));
    assert.ok(all.outcome.trace.some(({ accepted }) => !accepted));
    assert.ok(all.selected !== undefined && all.heldOut !== undefined);
    const { work, fullWork } = all.report;
    assert.ok(fullWork > 0 && work.savedByPrefix > 0);
    assert.ok(work.savedByExit > 0, 'no sentence left early');
    const again = await withStudy(search, { store });
    assert.equal(again.report.measured + again.report.stopped, 0);
    await kept(all);
  });

  it('has no gate and no approximation: errors that say so', async () => {
    const gate = { observable: 'drift' } as const;
    for (const settings of [
      { ...SETTINGS, gate },
      { ...SETTINGS, order: 'least-sensitive-first', predictor: 'rates' } as const,
    ])
      await assert.rejects(
        withStudy((study) => runSearch(study, settings, { runs: at('refused') })),
        ModelError,
      );
  });

  it('is searched by a table', async () => {
    const run = await withStudy((study) =>
      runSearch(study, { ...SETTINGS, method: 'knapsack', predictor: 'kl' }, { runs: at('runs') }),
    );
    assert.ok(run.selected !== undefined);
    await kept(run);
  });

  it('is exported and read back as what was measured', async () => {
    const { space, outcome } = runs.flatMap((run) => (run.kind === 'search' ? [run] : []))[0];
    const [candidate] = outcome.candidates;
    const checkpoint = await openCheckpoint(path);
    const { hierarchy } = await describeModel(checkpoint);
    const plan = space.resolve(candidate.assignment);
    const { footprint } = await exportPlan(checkpoint, hierarchy, plan, at('packed.safetensors'));
    await checkpoint.close();
    assert.equal(footprint.total, candidate.bytes);
    const packed = await openModel(at('packed.safetensors'), { tokenizer: TOKENIZER });
    const [measured] = await withStudy((study) =>
      inThisThread(packed, study.task, (subject) => measurePlans(subject, [])),
    );
    await packed.close();
    assert.equal(measured.measurement!.value, candidate.metric);
    const evaluated = await runCli([
      ...['eval', at('packed.safetensors'), '--tokenizer', TOKENIZER],
      ...['--data', at('dev.tsv'), '--backend', 'wasm', '--json', '--quiet'],
    ]);
    assert.equal(evaluated.code, 0, evaluated.stderr);
  });

  it('has no modelled energy, and says so', async () => {
    const run = await withStudy((study) => runEnergy(study, [{ name: 'fp32', plan: new Map() }]));
    const rates = [...run.plans[0].firingRates];
    assert.equal(rates.length, 3);
    assert.ok(rates.every(([, rate]) => rate > 0 && rate < 1));
    assert.throws(() => countOperations(run.model), /Toy.*|not modelled/);
    const setting = { name: 'DRAM', memory: 'DRAM', tokensPerRead: 1 } as const;
    const study = { task: { name: 'sst2', title: 'toy' }, options: { file: { name: 'toy' } } };
    assert.throws(() => energyFigure(study, run, [setting]), EnergyError);
  });

  it('has every figure of its runs, and a report', async () => {
    const drawn = runs.map((run) => [...runFigures(run)].map(([name, draw]) => [name, draw()]));
    assert.deepEqual(
      drawn.map((figures) => figures.map(([name]) => name)),
      [
        ['hierarchy', 'sensitivity', 'flips', 'firing-rates', 'savings'],
        ['pareto', 'lambda', 'trace', 'hierarchy', 'uniform', 'savings'],
        ['pareto', 'lambda', 'trace', 'hierarchy', 'uniform', 'savings'],
      ],
    );
    const out = at('report.html');
    const outcome = await runCli(['report', ...runs.map(({ folder }) => folder), '--out', out]);
    assert.equal(outcome.code, 0, outcome.stderr);
    const html = await readFile(out, 'utf8');
    assert.match(html, /attention\.0\/gather/);
  });
});
