import { PlotError } from '../../util/errors.js';
import type { Json } from '../../util/json.js';
import type { Part } from './part.js';
import { THEME } from './theme.js';

/**
 * A Vega-Lite specification as plain JSON. Not typed as vega-lite's own TopLevelSpec: that package is
 * ESM, and a notebook's compiler (TypeScript 5.0) could not read a declaration that names it. The tests
 * hold each figure against vega-lite's JSON schema instead.
 */
export interface ChartSpec {
  readonly $schema: string;
  /** The picture in a sentence: the text for those who cannot see it. */
  readonly description: string;
  readonly [member: string]: Json;
}

const SCHEMA = 'https://vega.github.io/schema/vega-lite/';

/** The method that Node's console calls for an object that it prints (`util.inspect.custom`). */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Adds to a figure the parts that all have: the language version and the theme. */
export function chart(description: string, body: Part): ChartSpec {
  const spec = { $schema: `${SCHEMA}v6.json`, description, ...body, config: THEME };
  // Where a figure is printed and not shown, in a cell that ends with it, pages of JSON say nothing.
  const hint = (): string => `A figure: ${description}\nTo see it: await show(figure)`;
  return Object.defineProperty(spec, INSPECT, { value: hint });
}

/** Marks that a keyboard and a screen reader reach, and no link to the vega editor, a web site. */
export const EMBED_OPTIONS = {
  renderer: 'svg',
  actions: { export: true, source: false, compiled: false, editor: false },
} as const;

/**
 * The same figure, declared as Vega-Lite 5, for a viewer that carries that version (JupyterLab, VS
 * Code). The figures use only what both versions know. `usermeta` is where vega-embed looks for options.
 */
export function asVersion5(spec: ChartSpec): ChartSpec {
  return { ...spec, $schema: `${SCHEMA}v5.json`, usermeta: { embedOptions: EMBED_OPTIONS } };
}

/**
 * Rows as inline data.
 * @throws {PlotError} when there are none, or a number is not finite: the chart would be empty or wrong
 *   without a word.
 */
export function values(rows: readonly object[], where: string): Json {
  if (rows.length === 0)
    throw new PlotError({
      what: 'nothing to draw',
      where,
      got: '0 records',
      expected: 'at least 1',
    });
  rows.forEach((row, index) => {
    for (const [member, value] of Object.entries(row))
      if (typeof value === 'number' && !Number.isFinite(value))
        throw new PlotError({
          what: 'a value cannot be drawn',
          where: `${where}, record ${index}, ${member}`,
          got: String(value),
          expected: 'a finite number',
        });
  });
  return rows as readonly Json[];
}
