import * as v from 'valibot';
import { QUANTIZERS, type QuantizerName } from '../../quant/quantizers.js';
import type { Bound } from '../../search/constraints.js';
import { METRIC_NAMES } from '../../tasks/metrics/metrics.js';
import type { Json } from '../../util/json.js';

/* The parts that the schemas of a run's files share. */

export const text = v.string();
export const flag = v.boolean();
export const number = v.number();
export const numberOrNull = v.nullable(number);
/** A number; null is NaN. */
export const orNaN = v.pipe(
  numberOrNull,
  v.transform((value) => value ?? NaN),
);
export const count = v.pipe(number, v.integer(), v.minValue(0));
export const json = v.unknown() as v.GenericSchema<unknown, Json>;

export const metric = v.picklist(METRIC_NAMES);
export const quantizer = v.picklist(Object.keys(QUANTIZERS) as QuantizerName[]);

const bound: v.GenericSchema<unknown, Bound> = v.variant('kind', [
  v.object({ kind: v.literal('absolute'), value: number }),
  v.object({ kind: v.literal('share'), share: number }),
]);

/** The limits of a search. */
export const constraints = v.object({
  loss: v.exactOptional(bound),
  memory: v.exactOptional(bound),
});

/** Unit → bits. */
export const bits = v.record(text, v.pipe(number, v.integer(), v.minValue(1), v.maxValue(32)));
export type BitsJson = v.InferOutput<typeof bits>;
