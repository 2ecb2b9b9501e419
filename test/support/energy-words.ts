import assert from 'node:assert/strict';

import type { ChartSpec } from '../../src/plots/parts/spec.js';
import { renderSvg } from '../../src/plots/render/headless.js';
import { textsOf } from '../plots/support.js';

/** A text that is about energy or power. */
export const ENERGY = /energ|\bpower\b|joule|\bwatts?\b|[µmp]J\b|\d W\b/i;
/** Says where a number of energy is from: counted, read from a meter, or somebody else's. */
export const ORIGIN = /modelled|measured|metered|no meter|published|the paper/i;

/** Fails for a part of a text with a number about energy that does not say where it is from. */
export function assertOriginsSaid(parts: readonly string[], where: string): void {
  for (const part of parts)
    if (ENERGY.test(part) && /\d/.test(part)) assert.match(part, ORIGIN, `${where}: ${part}`);
}

/** What a command printed: tables and blocks of facts, which stand between empty lines. */
export function blocksOf(stdout: string): string[] {
  return stdout.split(/\n{2,}/);
}

/** The tables and paragraphs of a page, each with its caption. */
export function partsOf(html: string): string[] {
  const page = html.replace(/<(script|style|svg)[\s\S]*?<\/\1>/g, '');
  return [...page.matchAll(/<(table|p|h1|h2|li)\b[\s\S]*?<\/\1>/g)].map(([part]) =>
    part.replace(/<[^>]*>/g, ' '),
  );
}

/** Fails for a figure about energy whose drawing, or what it says to those who point at it, keeps the origin to itself. */
export async function assertFigureSays(spec: ChartSpec, where: string): Promise<void> {
  if (!ENERGY.test(JSON.stringify(spec))) return;
  const drawn = textsOf(await renderSvg(spec)).join('\n');
  if (ENERGY.test(drawn)) assert.match(drawn, ORIGIN, `${where}: ${drawn}`);
  for (const row of rowsOf(spec)) {
    const said = JSON.stringify(row);
    if (ENERGY.test(said) && 'energyText' in row && row.energyText !== 'no source')
      assert.match(said, ORIGIN, `${where}: ${said}`);
  }
}

/** The rows of all data in a specification. */
function rowsOf(spec: ChartSpec): object[] {
  const rows: object[] = [];
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) for (const each of node as readonly unknown[]) walk(each);
    else if (typeof node === 'object' && node !== null) {
      rows.push(node);
      for (const each of Object.values(node)) walk(each);
    }
  };
  walk(spec);
  return rows;
}
