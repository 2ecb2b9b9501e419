import { extname, join } from 'node:path';
import { Option, type Command } from 'commander';
import { openRun, openSearches, type SavedRun } from '../../experiment/record/open-run.js';
import {
  isEnergyRun,
  openEnergyRun,
  type SavedEnergy,
} from '../../experiment/runs/energy/saved-energy.js';
import { energyRunFigures, type EnergyFigureName } from '../../figures/energy-run-figures.js';
import { byStudy, frontsFigure } from '../../figures/fronts.js';
import { loadLandscape, loadPaperPower, loadPaperResults } from '../../figures/paper-data.js';
import { FIGURES, runFigures, type FigureName } from '../../figures/run-figures.js';
import { loadVegaBundle } from '../../figures/vega-bundle.js';
import type { ChartSpec } from '../../plots/parts/spec.js';
import { render } from '../../plots/render/render.js';
import { throwIfAborted, UsageError } from '../../util/errors.js';
import { saveFile, saveFileWithin } from '../../util/files.js';
import { formatTable } from '../format/table.js';
import type { Host } from '../host.js';
import { withCommonOptions } from '../options/common.js';
import { isFolderPath, requireFolder } from '../options/model-output.js';
import { withRunsOption, type RunsFlags } from '../options/study.js';
import { Session, type CommonFlags } from '../session.js';

const FORMATS = ['svg', 'png', 'html', 'json'] as const;
type Format = (typeof FORMATS)[number];

interface PlotFlags extends CommonFlags, RunsFlags {
  readonly figure?: readonly Drawable[];
  readonly format?: readonly Format[];
}

export function addPlot(program: Command, host: Host): void {
  const command = program
    .command('plot')
    .description(
      'write the figures of a finished search, sweep or measurement of energy; measures nothing',
    )
    .argument(
      '<runs...>',
      'id or folder of a run; of several searches their fronts are drawn over one another',
    )
    .addOption(
      new Option('--figure <names...>', 'which; default: all that the run can give').choices([
        ...FIGURES,
        FRONTS,
        'energy',
        'landscape',
      ]),
    )
    .addOption(
      new Option(
        '--format <formats...>',
        'html: interactive, opens offline; json: the Vega-Lite specification; default: by --out, else svg',
      ).choices(FORMATS),
    )
    .option(
      '--out <path>',
      "a folder, or the file of a single figure; default: 'figures' in the folder of the first run",
    );
  withCommonOptions(withRunsOption(command))
    .addHelpText(
      'after',
      `
A search gives pareto, lambda, trace, hierarchy and uniform, a sweep sensitivity, flips, firing-rates and hierarchy
(flips and rates where it looked inside the model) and, with a predictor, predictors, both savings where anything
was measured. Several searches give fronts, a panel for each model on its data. A run of qslm energy --measure gives energy and, on SST-2, landscape. See also: qslm report

Examples:
  $ qslm plot 20260131-174502-9f3a1c --format png
  $ qslm plot 20260131-174502-9f3a1c --figure pareto --out pareto.html
  $ qslm plot 20260131-174502-9f3a1c 20260201-091233-04be77 --out fronts.png`,
    )
    .action((runs: readonly string[], flags: PlotFlags) =>
      Session.run(host, flags, (session) => plot(session, runs, flags)),
    );
}

async function plot(session: Session, named: readonly string[], flags: PlotFlags): Promise<void> {
  const { runs, possible } =
    named.length === 1
      ? await figuresOf(named[0], flags.runs)
      : await figuresOfAll(named, flags.runs);
  const names = flags.figure ?? [...possible.keys()];
  const [{ folder }] = runs;
  const ids = runs.map(({ json }) => json.id);
  const where = runs.map(({ kind, json }) => `${kind} ${json.id}`).join(', ');
  const specs = names.map((name) => [name, specOf(possible, name, where)] as const);
  const target = await targetOf(flags, names, folder);
  const written: { figure: Drawable; format: Format; path: string }[] = [];
  for (const [figure, spec] of specs)
    for (const format of target.formats) {
      throwIfAborted(session.signal, 'plot');
      const path = target.file ?? join(target.folder, `${figure}.${format}`);
      const content = await contentOf(spec, format);
      // A run's folder may come from anyone; the path that a person names is theirs.
      if (flags.out === undefined) await saveFileWithin(folder, path, content);
      else await saveFile(path, content);
      written.push({ figure, format, path });
    }
  const table = formatTable(
    [{ title: 'figure' }, { title: 'written' }],
    written.map(({ figure, path }) => [figure, path]),
  );
  const subject = ids.length === 1 ? { run: ids[0] } : { runs: ids };
  await session.result({ ...subject, figures: written }, table);
}

/** The figure of several searches. */
const FRONTS = 'fronts';

type Drawable = FigureName | EnergyFigureName | typeof FRONTS;

/** Runs, and the figures that they can give. */
interface Drawn {
  readonly runs: readonly (SavedRun | SavedEnergy)[];
  readonly possible: ReadonlyMap<Drawable, () => ChartSpec>;
}

async function figuresOf(named: string, folder: string): Promise<Drawn> {
  if (await isEnergyRun(named, folder)) {
    const run = await openEnergyRun(named, folder);
    const published = { power: await loadPaperPower(), landscape: await loadLandscape() };
    return { runs: [run], possible: energyRunFigures(run, published) };
  }
  const run = await openRun(named, folder);
  return { runs: [run], possible: runFigures(run, { paper: await loadPaperResults() }) };
}

/** @throws {DataError} where one is no finished search. */
async function figuresOfAll(named: readonly string[], folder: string): Promise<Drawn> {
  const runs = await openSearches(named, folder, 'several runs to draw together: searches alone');
  return { runs, possible: new Map([[FRONTS, () => frontsFigure(byStudy(runs))]]) };
}

function specOf(
  possible: ReadonlyMap<Drawable, () => ChartSpec>,
  name: Drawable,
  run: string,
): ChartSpec {
  const draw = possible.get(name);
  if (draw !== undefined) return draw();
  throw new UsageError({
    what: 'there is no such figure',
    where: run,
    got: name,
    expected: [...possible.keys()].join(', '),
  });
}

async function contentOf(spec: ChartSpec, format: Format): Promise<string | Uint8Array> {
  if (format === 'json') return `${JSON.stringify(spec, null, 2)}\n`;
  return render(spec, format, format === 'html' ? await loadVegaBundle() : undefined);
}

/** The place that figures go to: one file, or a folder with one for each figure and format. */
interface Target {
  readonly formats: readonly Format[];
  readonly folder: string;
  readonly file?: string;
}

/** A name with an ending, of which no folder is there, is meant for a file. */
async function requireKnownEnding(out: string, format: Format | undefined): Promise<void> {
  if (format !== undefined || extname(out) === '' || (await isFolderPath(out))) return;
  throw new UsageError({
    what: 'no format of that name',
    where: '--out',
    got: out,
    expected: `a file in ${FORMATS.map((each) => `.${each}`).join(', ')}, or a folder (${out}/)`,
  });
}

async function targetOf(
  { out, format }: PlotFlags,
  names: readonly Drawable[],
  run: string,
): Promise<Target> {
  if (out === undefined) return { formats: format ?? ['svg'], folder: join(run, 'figures') };
  const byName = FORMATS.find((each) => `.${each}` === extname(out));
  await requireKnownEnding(out, byName);
  const single = names.length === 1 && (format ?? [byName]).length === 1;
  if (byName === undefined || (await isFolderPath(out))) {
    await requireFolder(out);
    return { formats: format ?? ['svg'], folder: out };
  }
  if (!single || (format !== undefined && format[0] !== byName))
    throw new UsageError({
      what: 'one file for one figure in its own format',
      where: '--out',
      got: `${out} for ${names.length} figure(s)${format === undefined ? '' : ` as ${format.join(', ')}`}`,
      expected: 'a folder, or --figure with one name',
    });
  return { formats: [byName], folder: '', file: out };
}
