import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARITHMETIC_VARIABLE } from '../../src/backend/kernels/wasm-module.js';
import { readRun, readCandidates } from '../../src/experiment/record/folder.js';
import { openRun } from '../../src/experiment/record/open-run.js';
import {
  CANDIDATES_CSV,
  SELECTED_PLAN,
  TRACE_JSON,
  type RunJson,
  CANDIDATES_JSON,
} from '../../src/experiment/record/schema.js';
import { selectSaved } from '../../src/experiment/record/select-saved.js';
import { loadPaperResults } from '../../src/figures/paper-data.js';
import { runFigures } from '../../src/figures/run-figures.js';
import { openDescribed } from '../../src/model/structure.js';
import { exportPlan } from '../../src/quant/packed/export.js';
import { formatPlan } from '../../src/quant/plan-json.js';
import { compactPlan, planId, resolvePlan, type Plan } from '../../src/quant/plan.js';
import { fakeQuantize } from '../../src/quant/quantizer/quantize.js';
import { PRESETS } from '../../src/quant/scheme/presets.js';
import { affineMinMax, SIGN, UNQUANTIZED } from '../../src/quant/scheme/scheme.js';
import { openStore } from '../../src/store/index.js';
import { sha256File } from '../../src/util/hash.js';
import { canonicalJson, type Json } from '../../src/util/json.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { endProcesses, startCli } from '../cli/support/run.js';
import { json } from '../cli/support/study.js';
import { assertValid } from '../plots/support.js';
import { hierarchyFor } from '../support/spikegpt.js';
import { TOY, toyCheckpoint } from '../support/toy.js';
import { saveToy } from './support.js';

/*
 * A store, the three runs that filled it and a packed file, all written by 69c5c1a, which knew SpikeGPT alone,
 * with the arithmetic that any processor has. Nothing of it may be lost to those who have such files.
 */
const FIXTURES = join(__dirname, '..', 'fixtures', 'before-families');
const RUNS = join(FIXTURES, 'runs');
const STORE = join(FIXTURES, 'measurements.sqlite');
const PACKED = join(FIXTURES, 'packed-toy.safetensors');

interface KeptRun {
  readonly title: string;
  readonly id: string;
  /** Its files but for run.json that must come out the same to the byte. */
  readonly files: readonly string[];
  readonly figures: readonly string[];
}

const SEARCH_FILES = [CANDIDATES_CSV, SELECTED_PLAN, TRACE_JSON];
const KEPT: readonly KeptRun[] = [
  {
    title: 'a tiered search',
    id: '20261126-105912-30fb15',
    files: SEARCH_FILES,
    figures: ['pareto', 'lambda', 'trace', 'hierarchy', 'uniform', 'savings'],
  },
  {
    title: 'a knapsack search on divergences',
    id: '20261126-105928-a138f5',
    files: SEARCH_FILES,
    figures: ['pareto', 'lambda', 'trace', 'hierarchy', 'uniform', 'savings'],
  },
  {
    title: 'a sweep',
    id: '20261126-110020-0919ce',
    files: ['sensitivity.csv', 'sensitivity.json'],
    figures: ['hierarchy', 'sensitivity', 'flips', 'savings'],
  },
];
const SEARCHES = KEPT.slice(0, 2);

/** What of a run's report says that something was computed. */
interface Work {
  readonly measured: number;
  readonly stopped: number;
  readonly remembered: number;
  readonly fullEvaluations: { readonly computed: number };
}

/** `run.json`, and where it is, as a command prints them. */
type PrintedRun = RunJson & { readonly folder: string };

/** Gives the command line of a run again, with another store and another folder of runs. */
async function repeat(id: string, store: string, runs: string): Promise<PrintedRun> {
  const { command } = await readRun(join(RUNS, id));
  const argv = [...command!, '--store', store, '--runs', runs, '--json'];
  const { outcome } = startCli(argv, 'pipe', { [ARITHMETIC_VARIABLE]: 'separate' });
  return json(await outcome) as unknown as PrintedRun;
}

function assertUncomputed(work: Json): void {
  const { measured, stopped, remembered, fullEvaluations } = work as unknown as Work;
  assert.deepEqual([measured, stopped, fullEvaluations.computed], [0, 0, 0]);
  assert.ok(remembered > 0);
}

/** Candidates without the kind of embedding, which follows from the model. */
async function candidatesOf(folder: string): Promise<Json> {
  const text = await readFile(join(folder, CANDIDATES_JSON), 'utf8');
  const members = Object.entries(JSON.parse(text) as Readonly<Record<string, Json>>);
  return Object.fromEntries(members.filter(([name]) => name !== 'embedding'));
}

/** Of `after` the members that `before` has too: later versions say more. */
function knownPart(after: Json, before: Json): Json {
  if (Array.isArray(after) && Array.isArray(before))
    return after.map((each: Json, index) => knownPart(each, (before as readonly Json[])[index]));
  if (!isObject(after) || !isObject(before)) return after;
  const shared = Object.entries(after).filter(([name]) => name in before);
  return Object.fromEntries(shared.map(([name, value]) => [name, knownPart(value, before[name])]));
}

/** Of a table the columns that the one of before has too: later versions observe more. */
function knownColumns(after: string, before: string): string {
  const headOf = (text: string): string[] => text.split('\n', 1)[0].split(',');
  const known = headOf(before);
  const places = headOf(after).flatMap((name, place) => (known.includes(name) ? [place] : []));
  const pick = (line: string): string => {
    const cells = line.split(',');
    return line === '' ? line : places.map((place) => cells[place]).join(',');
  };
  return after.split('\n').map(pick).join('\n');
}

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A step's decision; its metric only of a candidate, since that of others depended on threads and store. */
function decided(trace: Json): Json {
  const { steps } = trace as { readonly steps: readonly Readonly<Record<string, Json>>[] };
  const measured = ['metric', 'low', 'high', 'bound'];
  return steps.map((step): Json => {
    const members = Object.entries(step);
    if (step.candidate === true) return step;
    return Object.fromEntries(members.filter(([name]) => !measured.includes(name)));
  });
}

type Result = Readonly<Record<string, Json>>;

/** The same result, but that λ goes beyond 1 now. */
function assertSameResult(after: Json, before: Json): void {
  type Interval = { readonly from: number; readonly to: number | null; readonly step: number };
  const { intervals, ...result } = after as Result;
  const { intervals: then, ...expected } = before as Result;
  assert.deepEqual(knownPart(result, expected), expected);
  if (!('intervals' in (before as Result))) return;
  const upToOne = (intervals as unknown as readonly Interval[])
    .filter(({ from }) => from < 1)
    .map(({ from, to, step }) => ({ from, to: Math.min(to ?? 1, 1), step }));
  assert.deepEqual(upToOne, then);
}

async function assertSameFiles({ id, files }: KeptRun, folder: string): Promise<void> {
  for (const name of files) {
    const [after, before] = await Promise.all(
      [folder, join(RUNS, id)].map((each) => readFile(join(each, name), 'utf8')),
    );
    if (name.endsWith('.json')) {
      const part = name === TRACE_JSON ? decided : (value: Json) => value;
      const [now, then] = [after, before].map((text) => part(JSON.parse(text) as Json));
      assert.deepEqual(knownPart(now, then), then, name);
    } else assert.equal(knownColumns(after, before), before, name);
  }
  const before = join(RUNS, id);
  if (files.includes(CANDIDATES_CSV))
    assert.deepEqual(
      knownPart(await candidatesOf(folder), await candidatesOf(before)),
      await candidatesOf(before),
    );
}

describe('what was kept before there were families', function () {
  // Divergences are not in the store: a minute of them, more on a machine that does other things too.
  this.timeout(300_000);
  const at = temporaryFolder();
  afterEach(endProcesses);

  for (const kept of KEPT) {
    it(`${kept.title} is repeated from the store alone, to the same end`, async () => {
      const [store, runs] = [at(`${kept.id}.sqlite`), at(kept.id)];
      await copyFile(STORE, store);
      const before = await readRun(join(RUNS, kept.id));
      const after = await repeat(kept.id, store, runs);
      assert.notEqual(after.id, before.id);
      assertUncomputed(after.work);
      assert.equal(canonicalJson(after.config), canonicalJson(before.config));
      assertSameResult(after.result, before.result);
      await assertSameFiles(kept, after.folder);
    });

    it(`${kept.title} that was interrupted is taken up`, async () => {
      const [store, runs] = [at(`${kept.id}-interrupted.sqlite`), at(`${kept.id}-interrupted`)];
      await copyFile(STORE, store);
      await mkdir(runs);
      await cp(join(RUNS, kept.id), join(runs, kept.id), { recursive: true });
      const opened = await openStore(store);
      opened.runs.update(kept.id, { state: 'interrupted' });
      opened.close();
      const before = await readRun(join(RUNS, kept.id));
      const after = await repeat(kept.id, store, runs);
      assert.equal(after.id, before.id);
      assert.equal(after.state, 'finished');
      assert.deepEqual(after.starts.slice(0, -1), before.starts);
      assertUncomputed(after.work);
      assertSameResult(after.result, before.result);
      await assertSameFiles(kept, after.folder);
    });

    it(`${kept.title} is read back, and all its figures are drawn`, async () => {
      const run = await openRun(kept.id, RUNS);
      assert.equal(run.study.options.file.family.id, 'spikegpt');
      const figures = runFigures(run, { paper: await loadPaperResults() });
      assert.deepEqual([...figures.keys()], kept.figures);
      for (const draw of figures.values()) assertValid(draw());
    });
  }

  for (const { title, id } of SEARCHES)
    it(`${title} gives its plans to a selection`, async () => {
      const run = await openRun(id, RUNS);
      assert.ok(run.kind === 'search');
      const { file } = run.study.options;
      const { hierarchy } = file;
      const kept = await readCandidates(run.folder);
      assert.ok(run.selections.length > 1);
      for (const { lambda, candidate } of run.selections) {
        const saved = selectSaved(kept, lambda, file)!;
        assert.equal(saved.candidate.step, candidate.step);
        assert.equal(planId(resolvePlan(saved.plan, hierarchy)), saved.candidate.plan);
      }
      const { plan } = selectSaved(kept, run.selected!.lambda, file)!;
      assert.equal(
        formatPlan(compactPlan(resolvePlan(plan, hierarchy), hierarchy)),
        await readFile(join(run.folder, SELECTED_PLAN), 'utf8'),
      );
    });

  describe('a packed file', () => {
    const config = { ...TOY, ffnPre: true };
    const hierarchy = hierarchyFor(config);
    const plan: Plan = new Map([
      ['*', affineMinMax(8)],
      ['input', SIGN],
      ['attention.1', PRESETS.best(5)],
      ['attention.1/SRFFN/key', affineMinMax(3)],
    ]);
    const resolved = resolvePlan(plan, hierarchy);
    const PLAN_ID = 'eb0b5e347b23e413';
    const SHA256 = '657f9b447c66fa11bc21d3ba6a3bb00d3539bfc6e8c09a492587361c3842f9f6';

    it('is opened as the model and the plan it was exported from, bit for bit', async () => {
      const { checkpoint, description } = await openDescribed(PACKED);
      try {
        assert.ok('planId' in checkpoint);
        assert.equal(checkpoint.planId, PLAN_ID);
        assert.deepEqual([...checkpoint.resolvedPlan], [...resolved]);
        // The head that a classifier does not use was left out.
        assert.deepEqual(description.config, { ...config, head: false });
        const toy = toyCheckpoint({ ffnPre: true });
        assert.deepEqual(
          [...checkpoint.tensors.keys()].sort(),
          [...toy.tensors.keys()].filter((name) => name !== 'head.weight').sort(),
        );
        for (const name of checkpoint.tensors.keys()) {
          const { shape } = toy.tensors.get(name)!;
          const scheme = resolved.get(name) ?? UNQUANTIZED;
          const expected = fakeQuantize(await toy.readFloat32(name), shape, scheme, name);
          const found = await checkpoint.readBytes(name);
          assert.ok(Buffer.from(expected.buffer).equals(found), name);
        }
      } finally {
        await checkpoint.close();
      }
    });

    it('is what the same plan is exported as now', async () => {
      assert.equal(await sha256File(PACKED), SHA256);
      const { checkpoint, description } = await openDescribed(
        await saveToy(at('toy.safetensors'), { ffnPre: true }),
      );
      try {
        const path = at('packed.safetensors');
        const again = resolvePlan(plan, description.hierarchy);
        const exported = await exportPlan(checkpoint, description.hierarchy, again, path);
        assert.equal(exported.planId, PLAN_ID);
        assert.equal(await sha256File(path), SHA256);
      } finally {
        await checkpoint.close();
      }
    });
  });
});
