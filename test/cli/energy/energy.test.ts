import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { realSection } from '../../../src/cli/report/measured-section.js';
import type { MeasuredEnergyRow } from '../../../src/experiment/runs/energy/measured-energy.js';
import {
  openEnergyRun,
  type SavedEnergy,
} from '../../../src/experiment/runs/energy/saved-energy.js';
import { energyRunFigures } from '../../../src/figures/energy-run-figures.js';
import { loadPaperPower } from '../../../src/figures/paper-data.js';
import { renderSvg } from '../../../src/plots/render/headless.js';
import { openStore } from '../../../src/store/index.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from '../support/study.js';

/**
 * A powercap tree whose package draws 100 W while the test lasts: counted by a process of its own, since
 * this one is busy evaluating.
 */
async function poweredTree(folder: string): Promise<{ powercap: string; stop: () => void }> {
  const zone = join(folder, 'intel-rapl:0');
  mkdirSync(zone, { recursive: true });
  writeFileSync(join(zone, 'name'), 'package-0\n');
  writeFileSync(join(zone, 'max_energy_range_uj'), '262143328850\n');
  // Whole or not at all, as the kernel's file is read.
  const script = `
    const { renameSync, writeFileSync } = require('node:fs');
    const begun = performance.now();
    setInterval(() => {
      writeFileSync('next', Math.round(100_000 * (performance.now() - begun)) + '\\n');
      renameSync('next', 'intel-rapl:0/energy_uj');
    }, 5);
    setTimeout(() => process.exit(), 110_000);`;
  const child = spawn(process.execPath, ['-e', script], { cwd: folder, stdio: 'ignore' });
  while (!existsSync(join(zone, 'energy_uj'))) await wait(10);
  return { powercap: folder, stop: () => void child.kill('SIGKILL') };
}

/** Figures and a report of the run alone: measured and modelled apart, with the paper's range beside. */
async function assertDrawn(toy: ToyCommands, run: string): Promise<void> {
  const plotted = json(await toy.runs('plot', run, '--json')) as unknown as {
    readonly figures: readonly { readonly figure: string; readonly path: string }[];
  };
  // Of a machine that draws the same at rest nothing is left above idle: no bar, and no figure of bars.
  const saved = await openEnergyRun(run);
  const above = saved.rows.filter(({ joulesPerToken }) => (joulesPerToken?.value ?? 0) > 0);
  const isCompared =
    above.some(({ verdict }) => verdict === 'baseline') &&
    above.some(({ energyChange }) => energyChange !== undefined);
  assert.deepEqual(
    plotted.figures.map(({ figure }) => figure),
    isCompared ? ['energy', 'landscape'] : ['landscape'],
  );
  assert.match(readFileSync(plotted.figures.at(-1)!.path, 'utf8'), /toy/);
  const estimate = { value: 0.002, low: 0.001, high: 0.003, repeats: 2 };
  const change = { value: -0.02, low: -0.03, high: -0.01, repeats: 2 };
  const rows = saved.rows.map((row) => ({
    ...{ ...row, joulesPerToken: estimate },
    energyChange: row.verdict === 'baseline' ? undefined : change,
  }));
  const power = await loadPaperPower();
  const energy = await renderSvg(energyRunFigures({ ...saved, rows }, { power }).get('energy')!());
  assert.match(energy, /measured/i);
  assert.match(energy, /modelled/i);
  assert.match(energy, /the paper/);
  const page = json(await toy.runs('report', run, '--json')) as { path?: string };
  const html = readFileSync(page.path!, 'utf8');
  assert.match(html, /What of the saving is real where/);
  assert.match(html, /not measured here/);
  assert.match(html, /Absent: nvidia-smi: there is no such program/);
  const refused = await toy.runs('plot', run, '--figure', 'pareto');
  assert.equal(refused.code, 2);
}

/** Measured with packed matrices, and laid beside the run that simulates. */
async function assertPackedBeside(
  toy: ToyCommands,
  more: readonly string[],
  simulated: string,
): Promise<void> {
  const { code, stdout, stderr } = await toy.study(
    ...['energy', ...more, '--backend', 'wasm', '--packed'],
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^fp32 +measured +RAPL package +float32 \(wasm\)/m);
  assert.match(stdout, /^8 bits +measured +RAPL package +packed \(wasm\)/m);
  assert.match(stdout, /^power, measured +not measured here +not measured here +8 bits: /m);
  const packed = /^run +(\S+)$/m.exec(stdout)![1];
  const { path } = json(await toy.runs('report', simulated, packed, '--json'));
  const page = readFileSync(path as string, 'utf8');
  const cell = '8 bits: [^<]*\\(RAPL package\\)';
  const line = `power, measured</t[hd]>\\s*<td[^>]*>${cell}</td>\\s*<td[^>]*>not measured here</td>\\s*<td[^>]*>${cell}`;
  assert.match(page, new RegExp(line));
}

const NO_CARD = ['--nvidia-smi', '/nowhere/nvidia-smi'];

describe('cli: energy', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });

  it('models without a meter, says so in each line, and what of the saving is real', async () => {
    const { code, stdout, stderr } = await toy.study('energy', '--bits', '8');
    assert.equal(code, 0, stderr);
    const [modelled] = stdout.split('\n\n');
    const [head, ...lines] = modelled.split('\n');
    assert.match(head, /modelled µJ\/token/);
    for (const line of lines.filter((each) => /\d/.test(each))) assert.match(line, /modelled/);
    assert.match(stdout, /^power, measured( +not measured here){3} *$/m);
  });

  it('refuses a limit on speed where a plan changes none, before anything is measured', async () => {
    const { code, stderr } = await toy.study('search', '--min-speed', '100');
    assert.notEqual(code, 0);
    assert.match(stderr, /--min-speed: a plan does not change the speed of a search/);
    assert.match(stderr, /`qslm select <run> --min-speed`, which measures packed execution/);
  });

  it('tells the plans of two models apart in the table of what is real where, and only then', () => {
    const change = { value: -0.02, low: -0.03, high: -0.01, repeats: 5 };
    const runOf = (model: string): SavedEnergy => {
      const row = {
        ...{ plan: '8 bits', meter: 'GPU 0', verdict: 'lower', execution: 'packed' },
        ...{ energyChange: change, powerChange: change, model, task: 'sst2', machine: 'M' },
      };
      return { rows: [row] } as unknown as SavedEnergy;
    };
    const cellsOf = (...models: readonly string[]): string =>
      JSON.stringify(realSection(models.map(runOf)));
    const number = '−2.0 % (−3.0 to −1.0 %) (GPU 0)';
    assert.ok(cellsOf('small').includes(`"8 bits: ${number}"`));
    const both = `8 bits, small on sst2, M: ${number}; 8 bits, large on sst2, M: ${number}`;
    assert.ok(cellsOf('small', 'large').includes(`"${both}"`), cellsOf('small', 'large'));
  });

  it('refuses packed execution where nothing is measured', async () => {
    const { code, stderr } = await toy.study('energy', '--packed');
    assert.equal(code, 2);
    assert.match(stderr, /--packed: modelled energy supposes no execution; got without --measure/);
  });

  it('refuses to measure without a meter, with each reason, and records nothing', async () => {
    const none = ['--measure', ...NO_CARD, '--powercap', at('nothing')];
    const { code, stdout, stderr } = await toy.study('energy', ...none);
    assert.notEqual(code, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /nvidia-smi: there is no such program \(needs a card/);
    assert.match(stderr, /RAPL: there is no .*nothing \(needs a processor with RAPL/);
    const { stdout: listed } = await toy.runs('runs', 'list', '--store', toy.store);
    assert.doesNotMatch(listed, /energy/);
  });

  it('measures with a meter: rows in the run, in the store, and beside them what is absent', async () => {
    const { powercap, stop } = await poweredTree(at('powercap'));
    const short = ['--repeat', '2', '--idle-seconds', '1', '--run-seconds', '1'];
    try {
      const more = ['--bits', '8', '--measure', ...NO_CARD, '--powercap', powercap, ...short];
      const value = json(await toy.study('energy', ...more, '--json')) as unknown as {
        readonly measured: readonly MeasuredEnergyRow[];
        readonly modelled: readonly { readonly origin: string }[];
        readonly absent: readonly { readonly name: string }[];
        readonly real: readonly Readonly<Record<string, string>>[];
        readonly run: string;
        readonly remarks: readonly string[];
      };
      assert.ok(!/missing/.test(value.remarks.join()), value.remarks.join('; '));
      const [fp32, eight] = value.measured;
      for (const row of value.measured) {
        assert.equal(row.origin, 'measured');
        assert.equal(row.meter, 'RAPL package');
        assert.equal(row.execution, 'simulated');
        // 100 W whatever the plan, but for a counter that lags on a busy machine.
        assert.ok(Math.abs(row.watts!.value - 100) < 25, JSON.stringify(row.watts));
        assert.ok(row.tokensPerSecond!.value > 0);
      }
      assert.deepEqual([fp32.verdict, fp32.energyChange], ['baseline', undefined]);
      assert.ok(eight.bytes < fp32.bytes);
      assert.ok(value.modelled.every(({ origin }) => origin === 'modelled'));
      assert.deepEqual(
        value.absent.map(({ name }) => name),
        ['nvidia-smi', 'RAPL core', 'RAPL memory'],
      );
      assert.match(value.real[3].simulated, /8 bits: .* % .*\(RAPL package\)/);
      const kept = JSON.parse(readFileSync(join(value.run, 'energy.json'), 'utf8')) as {
        readonly origin: string;
        readonly rows: readonly MeasuredEnergyRow[];
        readonly windows: readonly object[];
      };
      assert.equal(kept.origin, 'measured');
      assert.deepEqual(kept.rows, JSON.parse(JSON.stringify(value.measured)));
      assert.equal(kept.windows.length, 2 * (2 + 2));
      const store = await openStore(toy.store);
      try {
        const [run] = store.runs.list({ kind: 'energy' });
        const { rows } = run.result as unknown as { readonly rows: readonly MeasuredEnergyRow[] };
        assert.deepEqual(
          rows.map(({ origin }) => origin),
          ['measured', 'measured'],
        );
      } finally {
        store.close();
      }
      const listed = await toy.runs('runs', 'list', '--store', toy.store);
      assert.match(listed.stdout, /energy/);
      await assertDrawn(toy, value.run);
      await assertPackedBeside(toy, more, value.run);
    } finally {
      stop();
    }
  });
});
