import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createContext, runInContext } from 'node:vm';
import { SPIKEGPT } from '../../src/model/spikegpt/family.js';
import { structureOf } from '../../src/model/structure.js';
import { architectureChart } from '../../src/plots/architecture/chart.js';
import { energyChangeChart } from '../../src/plots/figures/energy-change.js';
import { energyChart } from '../../src/plots/figures/energy.js';
import { flipsChart } from '../../src/plots/figures/flips.js';
import { hierarchyChart } from '../../src/plots/figures/hierarchy.js';
import { landscapeChart } from '../../src/plots/figures/landscape.js';
import { membraneChart } from '../../src/plots/figures/membrane.js';
import { operationsChart } from '../../src/plots/figures/operations.js';
import { paretoChart } from '../../src/plots/figures/pareto.js';
import { savingsChart } from '../../src/plots/figures/savings.js';
import { sensitivityChart } from '../../src/plots/figures/sensitivity.js';
import { traceChart } from '../../src/plots/figures/trace.js';
import { uniformChart } from '../../src/plots/figures/uniform.js';
import { frontsChart } from '../../src/plots/fronts/chart.js';
import { asVersion5, type ChartSpec } from '../../src/plots/parts/spec.js';
import { packagePath } from '../../src/util/paths.js';
import { TOY } from '../support/toy.js';
import {
  CASE_A1,
  CASE_B1,
  ENERGY,
  LANDSCAPE,
  MATRICES,
  MEMBRANE,
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
  readonly version: string;
  readonly textMetrics: { width: unknown };
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

interface Engine {
  readonly compiler: Compiler;
  readonly vega: Vega;
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
  fronts: () =>
    frontsChart([
      { ...searchOf(true), searches: [{ ...searchOf(true), name: 'tiered', selected: 4 }] },
      { ...searchOf(false), searches: [{ ...searchOf(false), name: 'knapsack' }] },
    ]),
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
  membrane: () => membraneChart(MEMBRANE, 'one neuron'),
  savings: () => savingsChart(SAVINGS),
  landscape: () => landscapeChart(LANDSCAPE),
  architecture: () => architectureChart({ ...structureOf(SPIKEGPT, TOY), name: 'toy' }),
};

/** The marks of a figure, compiled by one version of vega-lite: places, colours, texts. */
async function sceneOf(
  { compiler: { compile }, vega }: Engine,
  spec: ChartSpec,
  signals: Readonly<Record<string, unknown>>,
): Promise<unknown> {
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

/** As a browser gets them: the newest as modules, those of before as scripts of a page, one after the other. */
async function engines(): Promise<Readonly<Record<'newest' | 'jupyter' | 'vscode', Engine>>> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const five = await readFile(packagePath('node_modules/vega-lite-5/build/vega-lite.js'), 'utf8');
  const before = await readFile(packagePath('node_modules/vega-5/build/vega.js'), 'utf8');
  const page = (
    globals: object,
    ...scripts: readonly string[]
  ): { vega: Vega; vegaLite: Compiler } => {
    const context = createContext({ structuredClone, console, ...globals });
    for (const script of scripts) runInContext(script, context);
    return context as { vega: Vega; vegaLite: Compiler };
  };
  const jupyter = page({ vega }, five);
  const vscode = page({ setTimeout, clearTimeout }, before, five);
  // Whatever measures texts in this process does so for both.
  vscode.vega.textMetrics.width = (vega as unknown as Vega).textMetrics.width;
  return {
    newest: { compiler: vegaLite as unknown as Compiler, vega: vega as unknown as Vega },
    jupyter: { compiler: jupyter.vegaLite, vega: jupyter.vega },
    vscode: { compiler: vscode.vegaLite, vega: vscode.vega },
  };
}

/** A part of a scene: a mark with its items, or an item. */
interface ScenePart {
  readonly role?: string;
  readonly items?: readonly object[];
}

/**
 * What Vega 5 and 6 draw alike: all but the rows of legends, and the places of panels and titles that hang
 * on these. Vega 5 sets the rows a pixel or two nearer to each other.
 */
function apartFromRows(scene: unknown): unknown {
  return JSON.parse(
    JSON.stringify(scene, (_key, part: ScenePart | null) => {
      if (part?.role?.startsWith('legend')) return null;
      const isTitle = part?.role?.startsWith('title') === true;
      if (part?.role !== 'scope' && !isTitle) return part;
      const without = isTitle ? { x: null, y: null } : { y: null };
      return { ...part, items: part.items?.map((item) => ({ ...item, ...without })) };
    }),
  ) as unknown;
}

const marksIn = (scene: unknown): number => JSON.stringify(scene).split('"marktype"').length - 1;

/** Vega-Lite 5 is what JupyterLab carries; with Vega 5 it is what the renderer of VS Code carries. */
describe('plots under Vega-Lite 5 and Vega 5, and under 6', function () {
  this.timeout(60_000);

  for (const [name, figure] of Object.entries(FIGURES))
    it(`${name}: the same picture`, async () => {
      const { newest, jupyter, vscode } = await engines();
      const spec = figure();
      const moved: Record<string, number> = name.startsWith('pareto')
        ? { lambda: 0.1 }
        : name.startsWith('trace')
          ? { step: 3 }
          : {};
      for (const signals of [{}, moved]) {
        const scene = await sceneOf(newest, spec, signals);
        assert.ok(marksIn(scene) > 8);
        assert.deepEqual(await sceneOf(jupyter, asVersion5(spec), signals), scene);
        assert.deepEqual(
          apartFromRows(await sceneOf(vscode, asVersion5(spec), signals)),
          apartFromRows(scene),
        );
      }
    });

  it('are those versions, and the difference of two figures is seen', async () => {
    const { newest, jupyter, vscode } = await engines();
    assert.deepEqual(
      [newest, jupyter, vscode].map(({ vega, compiler }) =>
        [vega, compiler].map(({ version }) => version.split('.')[0]),
      ),
      [
        ['6', '6'],
        ['6', '5'],
        ['5', '5'],
      ],
    );
    const scenes = [
      await sceneOf(vscode, FIGURES.flips(), {}),
      await sceneOf(newest, FIGURES.savings(), {}),
    ];
    assert.notDeepEqual(scenes[0], scenes[1]);
  });
});
