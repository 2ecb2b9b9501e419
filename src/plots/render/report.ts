import type { ChartSpec } from '../parts/spec.js';
import { renderSvg } from './headless.js';
import { escapeHtml, tableHtml, type HtmlTable } from './html.js';
import { figureHtml, pageHtml, type VegaBundle } from './page.js';

/** A part of a report: prose, then the figure, then its numbers. */
export interface ReportSection {
  readonly heading: string;
  /** Plain text, escaped on writing. */
  readonly paragraphs?: readonly string[];
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
  const body = [opening(report), ...sections].join('\n');
  return pageHtml(report.title, body, charts ? bundle : undefined);
}

function opening({ title, summary, facts, date, sections }: Report): string {
  const lines = [`<h1>${escapeHtml(title)}</h1>`];
  if (date !== undefined) lines.push(`<p class="date">${escapeHtml(date)}</p>`);
  if (summary !== undefined) lines.push(`<p>${escapeHtml(summary)}</p>`);
  if (facts !== undefined) {
    const items = facts.map(
      ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
    );
    lines.push(`<dl>${items.join('\n')}</dl>`);
  }
  if (sections.length > 2) {
    const links = sections.map(
      ({ heading }, index) => `<li><a href="#section-${index + 1}">${escapeHtml(heading)}</a></li>`,
    );
    lines.push(`<nav aria-label="Contents"><ol>${links.join('')}</ol></nav>`);
  }
  return lines.join('\n');
}

async function sectionHtml(section: ReportSection, number: number): Promise<string> {
  const { heading, paragraphs = [], html, chart, tables = [] } = section;
  const parts = [`<section id="section-${number}">`, `<h2>${escapeHtml(heading)}</h2>`];
  for (const paragraph of paragraphs) parts.push(`<p>${escapeHtml(paragraph)}</p>`);
  if (html !== undefined) parts.push(html);
  if (chart !== undefined)
    parts.push(figureHtml(`figure-${number}`, chart, await renderSvg(chart)));
  for (const table of tables) parts.push(`<div class="table">${tableHtml(table)}</div>`);
  parts.push('</section>');
  return parts.join('\n');
}
