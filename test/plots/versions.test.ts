import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createContext, runInContext } from 'node:vm';
import { energyChangeChart } from '../../src/plots/figures/energy-change.js';
import { energyChart } from '../../src/plots/figures/energy.js';
import { flipsChart } from '../../src/plots/figures/flips.js';
import { hierarchyChart } from '../../src/plots/figures/hierarchy.js';
import { landscapeChart } from '../../src/plots/figures/landscape.js';
import { operationsChart } from '../../src/plots/figures/operations.js';
import { paretoChart } from '../../src/plots/figures/pareto.js';
import { savingsChart } from '../../src/plots/figures/savings.js';
import { sensitivityChart } from '../../src/plots/figures/sensitivity.js';
import { traceChart } from '../../src/plots/figures/trace.js';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import { asVersion5, type ChartSpec } from '../../src/plots/parts/spec.js';
import { packagePath } from '../../src/util/paths.js';
import {
  CASE_A1,
  CASE_B1,
  ENERGY,
  LANDSCAPE,
  MATRICES,
  PAPER,
  SAVINGS,
  SENSITIVITY,
  SST2_BASELINE,
  toySearch,
  UNIFORM,
  WIKITEXT2_BASELINE,
} from './records.js';

/** The parts of vega and vega-lite that are used here. */
interface Compiler {
  readonly version: string;
  readonly compile: (spec: object, options: object) => { readonly spec: object };
}
interface Vega {
  parse(spec: object): object;
  View: new (
    runtime: object,
    options: object,
  ) => {
    runAsync(): Promise<unknown>;
    signal(name: string, value: unknown): unknown;
    scenegraph(): { toJSON(): string };
    finalize(): void;
  };
}

const searchOf = (accuracy: boolean) => ({
  steps: accuracy ? toySearch(SST2_BASELINE, CASE_A1) : toySearch(WIKITEXT2_BASELINE, CASE_B1),
  baseline: accuracy ? SST2_BASELINE : WIKITEXT2_BASELINE,
  limits: accuracy ? CASE_A1 : CASE_B1,
  name: accuracy ? 'a1' : 'b1',
});

const FIGURES: Readonly<Record<string, () => ChartSpec>> = {
  'pareto, accuracy': () => paretoChart({ ...searchOf(true), uniform: UNIFORM, paper: PAPER }),
  'pareto, perplexity': () => paretoChart({ ...searchOf(false), uniform: UNIFORM }),
  'trace, accuracy': () => traceChart(searchOf(true)),
  'trace, perplexity': () => traceChart(searchOf(false)),
  hierarchy: () => hierarchyChart(MATRICES, 'toy'),
  uniform: () => uniformChart(UNIFORM),
  sensitivity: () => sensitivityChart(SENSITIVITY, [SST2_BASELINE, WIKITEXT2_BASELINE]),
  flips: () => flipsChart(SENSITIVITY, [SST2_BASELINE, WIKITEXT2_BASELINE]),
  energy: () => energyChart(ENERGY),
  'energy change': () => energyChangeChart(ENERGY),
  operations: () =>
    operationsChart([{ model: 'toy', part: 'head', kind: 'elementwise', operations: 5 }]),
  savings: () => savingsChart(SAVINGS),
  landscape: () => landscapeChart(LANDSCAPE),
};

/** The marks of a figure, compiled by one version of vega-lite: places, colours, texts. */
async function sceneOf(
  { compile }: Compiler,
  spec: ChartSpec,
  signals: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const vega = (await import('vega')) as unknown as Vega;
  const complaints: string[] = [];
  const tell = (...parts: readonly unknown[]): void => {
    const text = parts.map(String).join(' ');
    if (!text.includes('Can not resolve event source')) complaints.push(text);
  };
  const logger = {
    level: () => logger,
    error: tell,
    warn: tell,
    info: () => logger,
    debug: () => logger,
  };
  const { spec: compiled } = compile(spec, { logger });
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logger });
  try {
    await view.runAsync();
    for (const [name, value] of Object.entries(signals)) view.signal(name, value);
    await view.runAsync();
    assert.deepEqual(complaints, []);
    return JSON.parse(view.scenegraph().toJSON()) as unknown;
  } finally {
    view.finalize();
  }
}

/** Both as a browser gets them: 5 is a script that finds vega among the globals. */
async function bothVersions(): Promise<readonly [Compiler, Compiler]> {
  const [vega, six] = await Promise.all([import('vega'), import('vega-lite')]);
  const file = packagePath('node_modules/vega-lite-5/build/vega-lite.js');
  const page: { readonly vegaLite?: Compiler } = createContext({ vega, structuredClone, console });
  runInContext(await readFile(file, 'utf8'), page);
  return [page.vegaLite!, six as unknown as Compiler];
}

const marksIn = (scene: unknown): number => JSON.stringify(scene).split('"marktype"').length - 1;

describe('plots under Vega-Lite 5, which JupyterLab carries, and 6', function () {
  this.timeout(60_000);

  for (const [name, figure] of Object.entries(FIGURES))
    it(`${name}: the same picture`, async () => {
      const [five, six] = await bothVersions();
      const spec = figure();
      const moved: Record<string, number> = name.startsWith('pareto')
        ? { lambda: 0.1 }
        : name.startsWith('trace')
          ? { step: 3 }
          : {};
      for (const signals of [{}, moved]) {
        const scene = await sceneOf(six, spec, signals);
        assert.ok(marksIn(scene) > 8);
        assert.deepEqual(await sceneOf(five, asVersion5(spec), signals), scene);
      }
    });

  it('are two versions, and the difference of two figures is seen', async () => {
    const [five, six] = await bothVersions();
    assert.match(`${five.version} ${six.version}`, /^5\.\S+ 6\./);
    const scenes = [
      await sceneOf(five, FIGURES.flips(), {}),
      await sceneOf(six, FIGURES.savings(), {}),
    ];
    assert.notDeepEqual(scenes[0], scenes[1]);
  });
});
