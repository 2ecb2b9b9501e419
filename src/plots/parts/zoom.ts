import type { Part } from './part.js';

/** Dragging moves the axes, shift + wheel zooms; all axes by default. */
export function zoomBy(name: string, encodings?: readonly string[]): Part {
  const own: Part = encodings === undefined ? {} : { encodings };
  const select = { type: 'interval', ...own, zoom: 'wheel![event.shiftKey]' };
  return { name, select, bind: 'scales' };
}
