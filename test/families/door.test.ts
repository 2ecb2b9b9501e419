import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Accounting } from '../../src/energy/accounting.js';
import { modelEnergy } from '../../src/energy/model-energy.js';
import { countOperations } from '../../src/energy/operations.js';
import { openModel } from '../../src/experiment/open/model-file.js';
import { openStudy } from '../../src/experiment/open/open-study.js';
import type { Study } from '../../src/experiment/open/study.js';
import { openRun, type SavedRun } from '../../src/experiment/record/open-run.js';
import { runEnergy } from '../../src/experiment/runs/energy/energy-run.js';
import { inThisThread, measurePlans } from '../../src/experiment/runs/measure-plans.js';
import type { SearchRun } from '../../src/experiment/runs/search-result.js';
import { runSearch } from '../../src/experiment/runs/search-run.js';
import { DEFAULT_SEARCH, type SearchSettings } from '../../src/experiment/runs/search-settings.js';
import { runSweep } from '../../src/experiment/runs/sweep-run.js';
import { runFigures } from '../../src/figures/run-figures.js';
import { describeModel } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { resolvePlan } from '../../src/quant/plan.js';
import { meetsLimit } from '../../src/search/constraints.js';
import { passes } from '../../src/search/evaluation.js';
import { knapsackSearch } from '../../src/search/knapsack/knapsack-search.js';
import { loadSentimentSamples } from '../../src/tasks/data/samples.js';
import { sst2Task } from '../../src/tasks/sst2.js';
import { EnergyError, ModelError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { FAMILY_TOYS, resized, saveBalancedToy, saveFamilyToy } from './toys.js';

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
/** Positions of a sentence, special tokens included. */
const LENGTH = 20;

const SETTINGS: SearchSettings = {
  ...DEFAULT_SEARCH,
  bits: [16, 12, 8, 6, 4, 3],
  constraints: { loss: { kind: 'absolute', value: 0.03 }, memory: { kind: 'share', share: 0.6 } },
  yardsticks: { uniform: true, random: 1, seed: 1 },
};

/** The commonest words of some sentences, and the letters that any other is spelled with. */
function piecesOf(sentences: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const word of sentences.flatMap((sentence) => sentence.split(' ')))
    if (/^[a-z]+$/.test(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz.,!?');
  const common = words.slice(0, 150).map(([word]) => word);
  return [
    ...new Set([...SPECIAL, ...letters, ...letters.map((letter) => `##${letter}`), ...common]),
  ];
}

/** All that a study does, through the same functions and commands as for any other model. */
for (const toy of FAMILY_TOYS)
  describe(`${toy.family.title} through the same door`, function () {
    this.timeout(120_000);
    const at = temporaryFolder();
    const runs: SavedRun[] = [];
    let model: string;

    before(async () => {
      const { examples } = await loadSentimentSamples();
      const pieces = piecesOf(examples.map(({ sentence }) => sentence));
      const sized = resized(toy, { vocabSize: pieces.length, contextLength: LENGTH });
      await mkdir(at('model'));
      model = at('model/model.safetensors');
      await saveFamilyToy(model, sized);
      await writeFile(at('model/vocab.txt'), `${pieces.join('\n')}\n`);
      await startBackend('wasm');
      const { tokenizer, ...file } = await openModel(model);
      const short = examples
        .filter(({ sentence }) => tokenizer.encode(sentence).length <= LENGTH - 2)
        .slice(0, 160);
      assert.ok(short.length > 80, `${short.length} sentences`);
      const { poolings, length } = toy.family.tokens(sized.config);
      const task = sst2Task({
        examples: short.map(({ sentence }) => ({ sentence, label: 0 as const })),
        ...{ tokenizer, source: 'toy', paddingId: 0, pooling: poolings[0] },
        ...{ length: length === 'longest' ? undefined : length, before: [2], after: [3] },
      });
      await file.close();
      await saveBalancedToy(model, sized, task.batches);
      const opened = await openModel(model);
      const { correct } = await task.evaluate(opened.model);
      await opened.close();
      const lines = short.map(
        ({ sentence }, index) =>
          `${sentence}\t${index % 10 === 9 ? correct[index] : 1 - correct[index]}\n`,
      );
      const half = Math.floor(lines.length / 2);
      const header = 'sentence\tlabel\n';
      await writeFile(at('search.tsv'), header + lines.slice(0, half).join(''));
      await writeFile(at('dev.tsv'), header + lines.slice(half).join(''));
    });

    async function withStudy<T>(work: (study: Study) => Promise<T>): Promise<T> {
      const study = await openStudy(model, {
        ...{ backend: 'wasm', data: at('search.tsv'), heldOut: at('dev.tsv') },
        accelerations: { workers: 1 },
      });
      try {
        return await work(study);
      } finally {
        await study.close();
      }
    }

    it('is inspected', async () => {
      const { stdout, code } = await runCli(['inspect', model]);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`family +${toy.family.title}`));
      for (const { name } of toy.family.choices)
        assert.ok(name in toy.config, `${name} is no member of the configuration`);
    });

    it('is swept, with what happens inside the model', async () => {
      const sweep = await withStudy((study) =>
        runSweep(
          study,
          { bits: [8, 3], levels: ['block', 'module'], quantizer: 'min-max', observables: true },
          { runs: at('runs') },
        ),
      );
      const flips = sweep.table.rows.map(({ extras }) => extras!.flipRate);
      assert.ok(flips.some((rate) => rate > 0) && flips.every((rate) => rate < 1));
      const drifts = sweep.table.rows.map(({ extras }) => extras!.membraneDrift);
      assert.ok(drifts.some((drift) => drift > 0) && drifts.every((drift) => drift >= 0));
      const read = await openRun(sweep.folder);
      assert.ok(read.kind === 'sweep');
      assert.deepEqual(read.firingRates, sweep.firingRates);
      // A cell of the figure for each layer at each of its steps.
      const { layout } = read.study.options.file;
      const cells = layout.spiking.reduce((sum, { steps = 1 }) => sum + steps, 0);
      const { data } = runFigures(read).get('firing-rates')!();
      assert.equal((data as { values: readonly unknown[] }).values.length, cells);
      runs.push(read);
    });

    it('is searched with a gate, which changes no value and refuses what drifts too far', async () => {
      const plain = await withStudy((study) => runSearch(study, SETTINGS, { runs: at('runs') }));
      const gate = { observable: 'drift' } as const;
      const run = await withStudy((study) =>
        runSearch(study, { ...SETTINGS, gate }, { runs: at('runs') }),
      );
      const values = new Map(
        plain.outcome.trace.map((step) => [step.assignment.key, step.evaluation] as const),
      );
      for (const { assignment, evaluation, gate: sight } of run.outcome.trace) {
        const other = values.get(assignment.key);
        if (sight !== undefined) assert.ok(sight.drift > run.gate!.threshold!);
        else if (other?.kind === 'exact' && evaluation.kind === 'exact')
          assert.equal(evaluation.metric, other.metric);
      }
      const { refused, drifts, observed } = run.gate!;
      assert.equal(refused, run.outcome.trace.filter(({ gate }) => gate).length);
      assert.ok(drifts >= refused);
      assert.equal(observed, 'first 16 sentences');
      const read = await openRun(run.folder);
      assert.ok(read.kind === 'search');
      assert.deepEqual(read.gate, run.gate);
      assert.deepEqual(read.gateWork, run.gateWork);
      // Taken up again it finds the same; only what that took is another matter.
      const again = await withStudy((study) =>
        runSearch(study, { ...SETTINGS, gate }, { runs: at('runs') }),
      );
      assert.ok(run.gateWork!.computed > 0 && again.gateWork!.computed > 0);
      assert.notEqual(again.folder, run.folder);
      assert.deepEqual((await openRun(again.folder)).json.result, read.json.result);
      assert.deepEqual(
        read.outcome.trace.map(({ gate, reason }) => [gate, reason]),
        run.outcome.trace.map(({ gate, reason }) => [gate, reason]),
      );
      const { stdout } = await runCli(['runs', 'show', run.id, '--runs', at('runs')]);
      assert.match(stdout, /gate refused/);
    });

    it('is ordered by firing rates where one pass approximates it, and decided as ever', async () => {
      const search = (predictor: 'metric' | 'rates'): Promise<SearchRun> =>
        withStudy((study) =>
          runSearch(
            study,
            { ...SETTINGS, order: 'least-sensitive-first', predictor },
            { runs: at('runs') },
          ),
        );
      if (toy.family.rateProxy !== true) {
        await assert.rejects(search('rates'), ModelError);
        const opened = await openModel(model);
        const tokens = { batch: 1, time: 3, ids: Int32Array.of(2, 5, 3) };
        await assert.rejects(opened.model.rateLogits(tokens), ModelError);
        await opened.close();
        return;
      }
      const run = await search('rates');
      assert.equal(run.evaluations.table, 1);
      assert.ok(run.table!.rows.every(({ loss, metric }) => loss >= 0 && Number.isNaN(metric)));
      assert.ok(run.table!.rows.some(({ loss }) => loss > 0));
      // Whatever the order: a plan that both tried has the same value and the same verdict.
      const steps = (await search('metric')).outcome.trace;
      const values = new Map(steps.map((step) => [step.assignment.key, step] as const));
      let shared = 0;
      for (const { assignment, evaluation, accepted, reason } of run.outcome.trace) {
        const other = values.get(assignment.key);
        if (other === undefined) continue;
        shared++;
        assert.equal(accepted, other.accepted);
        assert.equal(reason, other.reason);
        if (evaluation.kind === 'exact' && other.evaluation.kind === 'exact')
          assert.equal(evaluation.metric, other.evaluation.metric);
      }
      assert.ok(shared > 0);
    });

    if (toy.family.rateProxy === true)
      it('is searched by a knapsack over firing rates, which say what is tried and decide nothing', () =>
        withStudy(async (study) => {
          const how = { method: 'knapsack', predictor: 'rates', maxEvaluations: 8 } as const;
          const settings = { ...SETTINGS, ...how };
          const { outcome, space, evaluations, table } = await runSearch(study, settings, {
            runs: at('runs'),
          });
          const { trace, limits } = outcome;
          assert.equal(evaluations.table, 1);
          assert.ok(outcome.candidates.length > 0 && outcome.candidates.length < trace.length);
          const verdicts = new Map<string, boolean>();
          // A study that knows nothing of the search measures each plan that was tried.
          await withStudy(async ({ evaluator }) => {
            for (const { assignment, evaluation, candidate, bytes } of trace) {
              const { value } = await evaluator.measure(space.resolve(assignment), bytes);
              if (evaluation.kind === 'exact') assert.equal(evaluation.metric, value);
              const keeps = meetsLimit(limits.quality, value);
              assert.equal(passes(evaluation, limits.quality), keeps);
              assert.equal(candidate, keeps && bytes <= limits.maxBytes);
              verdicts.set(assignment.key, candidate);
            }
          });
          // With the rates' opinion turned round other plans are tried; of the same ones the verdict is the same.
          const most = Math.max(...table!.rows.map(({ loss }) => loss));
          const rows = table!.rows.map((row) => ({ ...row, loss: most - row.loss }));
          const { constraints, granularity: level, slack, objective, maxEvaluations } = settings;
          const turned = await knapsackSearch(
            space,
            study.evaluator.evaluateIn(space),
            { ...table!, rows },
            {
              ...{ constraints, level, slack, objective, maxEvaluations },
              lossOf: ({ loss }) => loss,
            },
          );
          const tried = turned.trace.map(({ assignment }) => assignment.key);
          assert.ok(tried.some((key) => !verdicts.has(key)));
          for (const { assignment, candidate } of turned.trace)
            assert.equal(candidate, verdicts.get(assignment.key) ?? candidate);
        }));

    for (const method of ['tiered', 'knapsack'] as const)
      it(`is searched by ${method}`, async () => {
        const run = await withStudy((study) =>
          runSearch(
            study,
            { ...SETTINGS, method, ...(method === 'knapsack' && { predictor: 'kl' as const }) },
            { runs: at('runs') },
          ),
        );
        assert.ok(run.selected !== undefined && run.heldOut !== undefined);
        runs.push(await openRun(run.folder));
      });

    it('is exported and read back, bit for bit what was measured', async () => {
      const { space, outcome } = runs.flatMap((run) => (run.kind === 'search' ? [run] : []))[0];
      const candidate = outcome.candidates.at(-1)!;
      const checkpoint = await openCheckpoint(model);
      const { hierarchy } = await describeModel(checkpoint);
      const plan = space.resolve(candidate.assignment);
      const packedPath = at('model/packed.safetensors');
      const { footprint } = await exportPlan(checkpoint, hierarchy, plan, packedPath);
      await checkpoint.close();
      assert.equal(footprint.total, candidate.bytes);
      const packed = await openModel(packedPath);
      assert.deepEqual(packed.config, (await openDescription(model)).config);
      const [measured] = await withStudy((study) =>
        inThisThread(packed, study.task, (subject) => measurePlans(subject, [])),
      );
      await packed.close();
      assert.equal(measured.measurement!.value, candidate.metric);
      const evaluated = await runCli([
        ...['eval', packedPath, '--data', at('dev.tsv')],
        ...['--backend', 'wasm', '--json', '--quiet'],
      ]);
      assert.equal(evaluated.code, 0, evaluated.stderr);
    });

    it('has firing rates of every layer', async () => {
      const run = await withStudy((study) => runEnergy(study, [{ name: 'fp32', plan: new Map() }]));
      const rates = [...run.plans[0].firingRates];
      const { layout } = await openDescription(model);
      assert.deepEqual(
        rates.map(([path]) => path),
        layout.spiking.map(({ path }) => path),
      );
      assert.ok(rates.every(([, rate]) => rate >= 0 && rate <= 1));
      assert.ok(rates.filter(([, rate]) => rate > 0 && rate < 1).length >= rates.length - 1);
    });

    it('has modelled energy: products as many as its stages, each of spikes that are measured', async () => {
      const description = await openDescription(model);
      const { layout } = description;
      const { products, elementwise } = countOperations(description, { sentenceTokens: 10 });
      const macsOf = (path: string): number =>
        products
          .filter(({ matrix }) => matrix.path.startsWith(`${path}/`))
          .reduce((sum, { macs }) => sum + macs, 0);
      for (const { path, macs } of layout.stages) assert.equal(macsOf(path), macs, path);
      const paths = layout.spiking.map(({ path }) => path);
      const unknown = products.filter(({ spikesOf }) => spikesOf && !paths.includes(spikesOf));
      assert.deepEqual(unknown, []);
      assert.ok(products.filter(({ spikesOf }) => spikesOf).length > products.length / 2);
      for (const [part, counts] of elementwise)
        for (const count of Object.values(counts)) assert.ok(count >= 0, part);
      const firingRates = new Map(paths.map((path) => [path, 0.25]));
      const whole = resolvePlan(new Map(), description.hierarchy);
      const energyOf = (accounting: Accounting): number =>
        modelEnergy(description, whole, { accounting, firingRates }).products;
      assert.ok(energyOf('idealized') < energyOf('as built'));
      assert.throws(() => countOperations(description, { sentenceTokens: 0 }), EnergyError);
    });

    it('has every figure of its runs, and a report', async () => {
      for (const run of runs) for (const [, draw] of runFigures(run)) draw();
      const out = at('report.html');
      const outcome = await runCli(['report', ...runs.map(({ folder }) => folder), '--out', out]);
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.match(await readFile(out, 'utf8'), /attention\.0\//);
    });
  });

/** The description of a checkpoint's model. */
async function openDescription(path: string) {
  const checkpoint = await openCheckpoint(path);
  try {
    return await describeModel(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
