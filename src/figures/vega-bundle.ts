import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VegaBundle } from '../plots/render/page.js';
import { PlotError } from '../util/errors.js';

/**
 * The prebuilt browser scripts of vega, vega-lite and vega-embed (0.8 MB), read from the installed
 * packages.
 *
 * @throws {PlotError} when one of the packages is not installed.
 */
export async function loadVegaBundle(): Promise<VegaBundle> {
  const [vega, vegaLite, vegaEmbed] = await Promise.all([
    readBuild('vega', 'vega.min.js'),
    readBuild('vega-lite', 'vega-lite.min.js'),
    readBuild('vega-embed', 'vega-embed.min.js'),
  ]);
  return { vega, vegaLite, vegaEmbed };
}

async function readBuild(name: string, file: string): Promise<string> {
  // The packages export neither their package.json nor these files; the folders searched are public.
  for (const modules of require.resolve.paths(name) ?? []) {
    const text = await readFile(join(modules, name, 'build', file), 'utf8').catch(() => undefined);
    if (text !== undefined) return text;
  }
  throw new PlotError({
    what: 'a script for interactive figures is missing',
    where: `package ${name}`,
    got: `no build/${file}`,
    expected: 'an installed copy: npm ci',
  });
}
