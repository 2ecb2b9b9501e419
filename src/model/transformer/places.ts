import type { Parameter } from '../../layout/layout.js';

/** The place that all parameters of one module share. */
export type Place = Pick<Parameter, 'block' | 'boundary'> & { readonly module: string };

/** A linear layer's weight [out, in], a unit, and its bias. @param unit the layer's name in its module */
export function linearLayer(
  name: string,
  unit: string,
  [out, inner]: readonly [number, number],
  place: Place,
): Parameter[] {
  return [
    { ...place, name: `${name}.weight`, shape: [out, inner], role: 'matrix', matrix: unit },
    { ...place, name: `${name}.bias`, shape: [out], role: 'vector' },
  ];
}

/** Weight and bias of a layer norm. */
export function normLayer(
  name: string,
  width: number,
  place: Omit<Place, 'module'> & Partial<Place>,
): Parameter[] {
  return ['weight', 'bias'].map((part) => ({
    ...place,
    name: `${name}.${part}`,
    shape: [width],
    role: 'vector',
  }));
}
