import type { ChartSpec } from '../parts/spec.js';
import { renderSvg } from './headless.js';
import { escapeHtml, tableHtml, type HtmlTable } from './html.js';
import { figureHtml, pageHtml, type VegaBundle } from './page.js';

/** A part of a report: prose, then the figure, then its numbers. */
export interface ReportSection {
  readonly heading: string;
  /** Plain text, escaped on writing. */
  readonly paragraphs?: readonly string[];
  /** The same, as items of a list after the paragraphs. */
  readonly points?: readonly string[];
  /** HTML that is taken over as it is: trusted content only. */
  readonly html?: string;
  readonly chart?: ChartSpec;
  readonly tables?: readonly HtmlTable[];
}

export interface Report {
  readonly title: string;
  /** The work that was done, in a sentence or two. */
  readonly summary?: string;
  /** Pairs such as ["Model", "spikegpt-mini"], shown at the top. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
  /** Stands before the list of contents. */
  readonly lead?: ReportSection;
  readonly sections: readonly ReportSection[];
  /** Date of writing; part of the caller's input so that equal input gives equal bytes. */
  readonly date?: string;
}

/**
 * A report as one HTML file that opens offline: figures that answer to the pointer, a static picture of
 * each where scripts do not run, tables of the numbers, a style for printing.
 *
 * @throws {PlotError} when a figure cannot be drawn.
 */
export async function renderReport(report: Report, bundle: VegaBundle): Promise<string> {
  const sections: string[] = [];
  for (const [index, section] of report.sections.entries())
    sections.push(await sectionHtml(section, index + 1));
  const charts = report.sections.some((section) => section.chart !== undefined);
  const lead = report.lead === undefined ? [] : [await sectionHtml(report.lead, 0)];
  const body = [opening(report), ...lead, contents(report), ...sections].join('\n');
  return pageHtml(report.title, body, charts ? bundle : undefined);
}

function opening({ title, summary, facts, date }: Report): string {
  const lines = [`<h1>${escapeHtml(title)}</h1>`];
  if (date !== undefined) lines.push(`<p class="date">${escapeHtml(date)}</p>`);
  if (summary !== undefined) lines.push(`<p>${escapeHtml(summary)}</p>`);
  if (facts !== undefined) {
    const items = facts.map(
      ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
    );
    lines.push(`<dl>${items.join('\n')}</dl>`);
  }
  return lines.join('\n');
}

function contents({ sections }: Report): string {
  if (sections.length <= 2) return '';
  const links = sections.map(
    ({ heading }, index) => `<li><a href="#section-${index + 1}">${escapeHtml(heading)}</a></li>`,
  );
  return `<nav aria-label="Contents"><ol>${links.join('')}</ol></nav>`;
}

async function sectionHtml(section: ReportSection, number: number): Promise<string> {
  const { heading, paragraphs = [], points = [], html, chart, tables = [] } = section;
  const parts = [`<section id="section-${number}">`, `<h2>${escapeHtml(heading)}</h2>`];
  for (const paragraph of paragraphs) parts.push(`<p>${escapeHtml(paragraph)}</p>`);
  const items = points.map((point) => `<li>${escapeHtml(point)}</li>`);
  if (items.length > 0) parts.push(`<ul>${items.join('\n')}</ul>`);
  if (html !== undefined) parts.push(html);
  if (chart !== undefined)
    parts.push(figureHtml(`figure-${number}`, chart, await renderSvg(chart)));
  for (const table of tables) parts.push(`<div class="table">${tableHtml(table)}</div>`);
  parts.push('</section>');
  return parts.join('\n');
}
