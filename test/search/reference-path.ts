import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Assignment } from '../../src/search/space.js';
import type { ToyUnit } from './toy.js';

/** One line of the path that the PyTorch reference walked; the fixtures say how they were made. */
export interface Row {
  readonly stage: string;
  readonly assignment: Assignment;
  readonly metric: number;
  readonly bytes: number;
  readonly accepted: string;
  readonly candidate: string;
}

export function loadReference(name: 'a1' | 'b1'): { rows: Row[]; units: ToyUnit[] } {
  const lines = readFileSync(join(__dirname, `fixtures/reference-${name}.tsv`), 'utf8')
    .trimEnd()
    .split('\n');
  const ids = lines
    .find((line) => line.startsWith('# bits are those of: '))!
    .split(': ')[1]
    .split(' ');
  const rows = lines
    .filter((line) => !line.startsWith('#'))
    .slice(1)
    .map((line) => {
      const [stage, bits, metric, bytes, accepted, candidate] = line.split('\t');
      const widths = bits.split(' ').map(Number);
      const assignment = Assignment.of(Object.fromEntries(ids.map((id, i) => [id, widths[i]])));
      return {
        stage,
        assignment,
        metric: Number(metric),
        bytes: Number(bytes),
        accepted,
        candidate,
      };
    });
  const units = ids.map((id) => {
    const block = id.split('/')[0];
    return { id, block, module: id, inModuleTier: block.startsWith('attention'), weights: 0 };
  });
  return { rows, units };
}
