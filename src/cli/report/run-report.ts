import type { SavedRun } from '../../experiment/record/open-run.js';
import type { SavedEnergy } from '../../experiment/runs/energy/saved-energy.js';
import type { LandscapeRecord, PaperPowerRecord, PaperRecord } from '../../plots/records.js';
import type { HtmlTable } from '../../plots/render/html.js';
import type { Report, ReportSection } from '../../plots/render/report.js';
import { groupBy } from '../../util/group.js';
import { itemsText } from '../format/facts.js';
import { accountingFacts, describeLimits } from '../format/run-tables.js';
import { decisionFacts, selectionFacts } from '../format/selection-text.js';
import type { Fact } from '../format/table.js';
import { workFacts } from '../format/work-facts.js';
import { energySections, landscapeSections } from './energy-section.js';
import { findingsSection, groupFindings } from './findings.js';
import type { RunGroup } from './group.js';
import { measuredSections, realSection } from './measured-section.js';
import {
  detailSections,
  planByPlan,
  resultSections,
  savingsSections,
  sweepSections,
} from './run-sections.js';

/** The paper's results for its cases, and the power that it reports. */
export interface PaperNumbers {
  readonly paper: readonly PaperRecord[];
  readonly power: readonly PaperPowerRecord[];
  /** Published models, to lay measured plans among; none by default. */
  readonly landscape?: readonly LandscapeRecord[];
}

/**
 * Finished runs as a page; those of one model on the same data are shown together.
 *
 * @param energies measurements of energy, shown after the others.
 */
export function runReport(
  runs: readonly SavedRun[],
  numbers: PaperNumbers,
  energies: readonly SavedEnergy[] = [],
): Report {
  const groups = groupsOf(runs);
  const all = [...runs, ...energies];
  const models = [...new Set(all.map(({ study }) => study.options.file.name))];
  return {
    title: all.length === 1 ? titleOf(all[0]) : `${all.length} runs on ${models.join(' and ')}`,
    date: all
      .map(({ json }) => json.finishedAt ?? '')
      .sort()
      .at(-1)!
      .slice(0, 10),
    summary:
      'Bit widths for the parts of a spiking language model: what they cost in quality, and what they save in memory. Memory counts packed integers, scales, zero points and what stays in float32; 1 MB is 10⁶ bytes. Intervals are 95 %.',
    facts: [
      ['models', models.join(', ')],
      ['runs', all.map(({ json }) => json.id).join(', ')],
      ['backend', distinct(all.map(({ json }) => json.versions.backend))],
      ['machine', distinct(all.map(({ json }) => json.machine))],
    ],
    ...findingsSection(groups.flatMap((group) => groupFindings(group, numbers.paper))),
    sections: [
      ...groups.flatMap((group) => sectionsOf(group, numbers)),
      ...savingsSections(groups),
      ...energies.flatMap((run) => measuredSections(run, numbers)),
      ...realSection(energies),
      { heading: 'What was run', tables: all.map(settingsTable) },
    ],
  };
}

function titleOf(run: SavedRun | SavedEnergy): string {
  const { name } = run.study.options.file;
  if (run.kind === 'energy') return `Measured energy of ${name}`;
  if (run.kind === 'sweep') return `Sensitivity of ${name}`;
  const limits = run.settings.case === undefined ? '' : `, case ${run.settings.case}`;
  return `Searching bit widths for ${name}${limits}`;
}

function distinct(texts: readonly string[]): string {
  return [...new Set(texts)].join('; ');
}

/** Runs of one model on the same data, in the order in which they were named. */
function groupsOf(runs: readonly SavedRun[]): RunGroup[] {
  const subjects = groupBy(
    runs,
    ({ study: { sha256, task } }) => `${sha256} ${task.source} ${task.items}`,
  );
  return [...subjects.values()].map((members) => ({
    study: members[0].study,
    sweeps: members.flatMap((run) => (run.kind === 'sweep' ? [run] : [])),
    searches: members.flatMap((run) => (run.kind === 'search' ? [run] : [])),
  }));
}

function sectionsOf(
  group: RunGroup,
  { paper, power, landscape = [] }: PaperNumbers,
): ReportSection[] {
  const { study, searches } = group;
  return [
    ...sweepSections(group),
    ...resultSections(group, paper),
    ...searches.flatMap((run) => [planByPlan(study, run, paper), ...detailSections(study, run)]),
    ...energySections(group, power),
    ...landscapeSections(group, landscape),
  ];
}

/** Everything needed to repeat a run, and what it cost. */
function settingsTable(run: SavedRun | SavedEnergy): HtmlTable {
  const { json, study } = run;
  const { task, options, sha256 } = study;
  const held = options.heldOut?.task;
  const rows: Fact[] = [
    ['model', `${options.file.name}, sha256 ${sha256}`],
    ['data', `${task.source}: ${itemsText(task)}`],
    ...(held ? [['held out', `${held.source}: ${itemsText(held)}`] as const] : []),
    ...(run.kind === 'energy' ? [] : [...settingsFacts(run), ...workFacts(run.report)]),
    ['versions', `qslm ${json.versions.qslm}, Node ${json.versions.node}`],
    ...(json.command ? [['command', `qslm ${json.command.join(' ')}`] as const] : []),
  ];
  return { caption: `${run.kind} ${json.id}`, columns: ['setting', 'value'], rows, wraps: true };
}

function settingsFacts(run: SavedRun): Fact[] {
  const { bits, quantizer } = run.settings;
  const common: Fact[] = [
    ['bit widths', bits.join(', ')],
    ['quantizer', quantizer],
  ];
  if (run.kind === 'sweep')
    return run.observed === undefined ? common : [...common, ['observed', run.observed]];
  const { settings, outcome } = run;
  return [
    ['method', `${settings.method}, finest: ${settings.granularity}`],
    ['limits', describeLimits(outcome.limits, outcome.fp32Bytes)],
    ...accountingFacts(settings),
    ...common,
    ['λ of the result', String(settings.lambda)],
    ...selectionFacts(run),
    ...decisionFacts(run),
  ];
}
