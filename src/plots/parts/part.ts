import type { Json } from '../../util/json.js';

/** A part of a Vega-Lite specification. */
export type Part = Readonly<Record<string, Json>>;
