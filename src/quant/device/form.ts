/*
 * What a family says of itself as C: `model/device/` puts its parts together, `weights-file.ts` writes what they
 * compute with.
 */

/**
 * The use of a parameter on a device:
 *
 * - `vector`: read as it is, in float32;
 * - `signs`: a table of which only signs are read, one bit a value whatever the plan says;
 * - `lookup`: a table whose rows are read;
 * - `product`: a matrix [out, in], held transposed.
 */
export type DeviceUse = 'vector' | 'signs' | 'lookup' | 'product';

/** A parameter, by its name in the checkpoint. */
export interface DeviceTensor {
  readonly name: string;
  readonly use: DeviceUse;
}

/** A model as C. */
export interface DeviceForm {
  /** Numbers that the C text and the weights file have to agree on: macro → value. */
  readonly constants: ReadonlyMap<string, number>;
  /** In the order in which the C text counts them. */
  readonly tensors: readonly DeviceTensor[];
  /** Bytes of the family's own part of the arena, a multiple of 4. */
  readonly networkBytes: number;
  /** Paths of the family's own C text. */
  readonly sources: readonly string[];
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Classes that the model tells apart; 0 for one that goes on with a text. */
  readonly classes: number;
}
