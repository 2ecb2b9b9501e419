import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import type { ChartSpec } from '../../src/plots/parts/spec.js';
import { openHeadless, type HeadlessView } from '../../src/plots/render/headless.js';

const SCHEMA = resolve(__dirname, '../../node_modules/vega-lite/build/vega-lite-schema.json');

/** Vega-Lite's own schema; JSON Schema draft 7, with keywords that Ajv's strict mode does not know. */
let validate: ReturnType<Ajv['compile']> | undefined;

function validator(): ReturnType<Ajv['compile']> {
  if (validate === undefined) {
    const ajv = new Ajv({ strict: false, allErrors: false });
    addFormats(ajv);
    ajv.addFormat('color-hex', /^#([0-9a-f]{3}|[0-9a-f]{6})$/i);
    validate = ajv.compile(JSON.parse(readFileSync(SCHEMA, 'utf8')) as object);
  }
  return validate;
}

/** Fails when the figure is not valid Vega-Lite. */
export function assertValid(spec: ChartSpec): void {
  const check = validator();
  const valid = check(spec);
  const faults = check.errors?.map((error) => `${error.instancePath} ${error.message ?? ''}`);
  assert.ok(valid, faults?.join('\n'));
}

/**
 * Compiles and runs a figure, hands over its view, and fails on any warning, also of those that come
 * while `use` changes signals.
 */
export async function withView(
  spec: ChartSpec,
  use: (view: HeadlessView) => Promise<void> | void = () => undefined,
): Promise<void> {
  const warnings: string[] = [];
  const view = await openHeadless(spec, (message) => warnings.push(message));
  try {
    await use(view);
  } finally {
    view.finalize();
  }
  assert.deepEqual(warnings, []);
}

/** Every check that holds for all figures: schema, compilation, dataflow, a picture with ink in it. */
export async function assertGoodChart(spec: ChartSpec): Promise<void> {
  assertValid(spec);
  assert.ok(
    spec.description.length > 30,
    'a figure needs a description for those who cannot see it',
  );
  await withView(spec, async (view) => {
    const svg = await view.toSVG();
    const width = Number(/<svg[^>]* width="([\d.]+)"/.exec(svg)?.[1]);
    assert.ok(width > 200 && width <= 740, `${width} px do not fit a notebook's width`);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  });
}

/** The texts that a figure shows; several lines of one text count each. */
export function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<(text|tspan)[^>]*>([^<]+)<\/\1>/g)].map((match) => match[2]);
}

/** Sets a signal, also one that is worked out from others: it keeps the value until one of them changes. */
export function setSignal(view: HeadlessView, name: string, value: unknown): void {
  const settable = view as unknown as {
    signal(name: string, value: unknown, options: { readonly skip: boolean }): void;
  };
  settable.signal(name, value, { skip: true });
}

/** A text that is drawn, with its place in the picture in pixels. */
export interface DrawnText {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface SceneItem {
  readonly text?: string | readonly string[];
  readonly opacity?: number;
  readonly x?: number;
  readonly y?: number;
  readonly items?: readonly SceneItem[];
  readonly bounds?: {
    readonly x1: number;
    readonly x2: number;
    readonly y1: number;
    readonly y2: number;
  };
}

/** The texts of a running figure where vega draws them. */
export function drawnTexts(view: HeadlessView): DrawnText[] {
  const { root } = (view as unknown as { scenegraph(): { root: SceneItem } }).scenegraph();
  const texts: DrawnText[] = [];
  const walk = (item: SceneItem, x: number, y: number): void => {
    const { text, bounds, opacity = 1 } = item;
    const shown = Array.isArray(text) ? text.join(' ') : (text ?? '');
    if (bounds !== undefined && String(shown).trim() !== '' && opacity > 0)
      texts.push({
        text: String(shown),
        ...{ left: bounds.x1 + x, right: bounds.x2 + x, top: bounds.y1 + y, bottom: bounds.y2 + y },
      });
    const inside = item.items !== undefined && item.x !== undefined;
    for (const child of item.items ?? [])
      walk(child, inside ? x + item.x : x, inside ? y + (item.y ?? 0) : y);
  };
  walk(root, 0, 0);
  return texts;
}

/** Fails where two different texts lie over each other by more than a pixel. */
export function assertNoTextOverlaps(view: HeadlessView): void {
  const texts = drawnTexts(view);
  assert.ok(texts.length > 5);
  const collisions = texts.flatMap((a, index) =>
    texts
      .slice(index + 1)
      .filter((b) => a.text !== b.text || Math.abs(a.left - b.left) > 1)
      .filter(
        (b) =>
          Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
          Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1,
      )
      .map((b) => `“${a.text}” and “${b.text}”`),
  );
  assert.deepEqual(collisions, []);
}

/** More data sets than any figure here compiles to. */
const MOST_DATA_SETS = 60;

/**
 * Rows of the running figure that have the fields given; of several data sets the largest, which is the
 * one no filter has cut. Vega-lite numbers its data sets.
 */
export function rowsWith(
  view: HeadlessView,
  ...fields: readonly string[]
): Record<string, unknown>[] {
  let found: Record<string, unknown>[] = [];
  for (let index = 0; index < MOST_DATA_SETS; index++) {
    try {
      const rows = view.data(`data_${index}`);
      if (rows.length > found.length && fields.every((field) => field in rows[0])) found = rows;
    } catch {
      // Vega-lite leaves numbers out.
    }
  }
  assert.ok(found.length > 0, `no data with ${fields.join(', ')}`);
  return found;
}
