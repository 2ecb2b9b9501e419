import * as v from 'valibot';
import { PREDICTORS } from '../observe/predictors.js';
import type { SweepSettings } from '../runs/sweep-result.js';
import {
  count,
  flag,
  metric,
  number,
  numberOrNull,
  orNaN,
  quantizer,
  text,
} from './schema-parts.js';

export const SENSITIVITY_FORMAT = 'qslm-sensitivity/1';

export const SWEEP_SETTINGS: v.GenericSchema<unknown, SweepSettings> = v.object({
  bits: v.array(number),
  levels: v.array(v.picklist(['block', 'module', 'matrix'])),
  quantizer,
  observables: flag,
  predictor: v.exactOptional(v.literal('fisher')),
  calibration: v.exactOptional(text),
});

/** Extras of an evaluation; an entry that is no number is left out. */
const extras = v.pipe(
  v.record(text, numberOrNull),
  v.transform((all): Readonly<Record<string, number>> => {
    const isNumber = (entry: [string, number | null]): entry is [string, number] =>
      entry[1] !== null;
    return Object.fromEntries(Object.entries(all).filter(isNumber));
  }),
);

/** The predictors of a loss beside each other. */
const predictors = v.object({
  level: v.picklist(['block', 'module', 'matrix']),
  uniformBits: number,
  maxBytes: number,
  results: v.array(
    v.object({
      predictor: v.picklist(PREDICTORS),
      rank: v.exactOptional(number),
      rows: count,
      cost: number,
      bits: v.record(text, number),
      bytes: number,
      metric: orNaN,
      loss: orNaN,
      pairedLow: v.exactOptional(number),
      pairedHigh: v.exactOptional(number),
    }),
  ),
});

/** sensitivity.json */
export const SENSITIVITY = v.object({
  format: v.literal(SENSITIVITY_FORMAT),
  /** The items that the observables were taken from: "first 200 sentences". */
  observed: v.nullable(text),
  /** Of the unquantized model on those items: share of values that spike, by layer in network order and time step. */
  firingRates: v.exactOptional(v.array(v.object({ layer: text, steps: v.array(number) }))),
  metric,
  baseline: v.object({ kind: v.literal('exact'), metric: number, extras: v.exactOptional(extras) }),
  fp32Bytes: number,
  rows: v.array(
    v.object({
      level: v.picklist(['global', 'block', 'module', 'matrix']),
      unit: text,
      bits: number,
      metric: orNaN,
      loss: orNaN,
      bytes: number,
      extras: v.exactOptional(extras),
    }),
  ),
  /** Of a sweep with a predictor. */
  predictors: v.exactOptional(predictors),
});
export type SensitivityJson = v.InferOutput<typeof SENSITIVITY>;
