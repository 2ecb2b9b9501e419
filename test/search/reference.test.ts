import assert from 'node:assert/strict';
import { CASES } from '../../src/search/constraints.js';
import { select } from '../../src/search/score.js';
import { Assignment, type SearchSpace } from '../../src/search/space.js';
import { tieredSearch, type TieredSearchResult } from '../../src/search/tiers/tiers.js';
import { loadReference } from './reference-path.js';
import { exactly, type ToyUnit } from './toy.js';

/** spikegpt-mini: width 192, vocabulary 4096, feed-forward 768, 6 blocks (the classifier has 2 rows). */
const WIDTH = 192;
const SQUARE = WIDTH * WIDTH;
const SIZES: Readonly<Record<'a1' | 'b1', readonly [head: number, fp32Bytes: number]>> = {
  a1: [2 * WIDTH, 14_702_592],
  b1: [4096 * WIDTH, 17_846_784],
};

/** Bytes of scale and zero point that the reference counts for each quantized matrix. */
const PER_MATRIX = 8;

/** Footprint from the shapes alone: independent of the reference's figures. */
function miniSpace(name: 'a1' | 'b1', units: readonly ToyUnit[]): SearchSpace {
  const matricesOf = ({ id }: ToyUnit): number[] => {
    if (id === 'input/embedding') return [4096 * WIDTH];
    if (id === 'output/head') return [SIZES[name][0]];
    return id.endsWith('SRWKV')
      ? [SQUARE, SQUARE, SQUARE, SQUARE]
      : [4 * SQUARE, SQUARE, 4 * SQUARE];
  };
  const matrices = units.flatMap((unit) =>
    matricesOf(unit).map((weights) => ({ id: unit.id, weights })),
  );
  return {
    units,
    bytes: (assignment) =>
      matrices.reduce((sum, { id, weights }) => {
        const bits = assignment.bitsOf(id);
        return bits < 32 ? sum - 4 * weights + Math.ceil((weights * bits) / 8) + PER_MATRIX : sum;
      }, SIZES[name][1]),
  };
}

describe('search/tiers: the path of the PyTorch reference', () => {
  for (const name of ['a1', 'b1'] as const) {
    describe(`case ${name}`, () => {
      const { rows, units } = loadReference(name);
      const steps = rows.filter((row) => ['global', 'block', 'module'].includes(row.stage));
      const baseline = rows.find((row) => row.stage === 'baseline')!;
      const measured = new Map(rows.map((row) => [row.assignment.key, row.metric]));
      const space = miniSpace(name, units);
      const { metric, constraints } = CASES[name];
      let result: TieredSearchResult;
      let asked: string[];

      before(async () => {
        // A plan that the reference did not visit has no metric here, and fails the test.
        const evaluator = exactly((assignment) => {
          const value = measured.get(assignment.key);
          assert.ok(value !== undefined, `the reference did not visit ${assignment.key}`);
          return value;
        });
        const bits = [16, 14, 12, 10, 8, 6, 4];
        result = await tieredSearch(space, evaluator.evaluate, { metric, constraints, bits });
        asked = evaluator.asked.map(({ assignment }) => assignment.key);
      });

      it('has the footprint of every plan to the byte', () => {
        assert.equal(space.bytes(Assignment.unquantized), baseline.bytes);
        for (const row of rows) assert.equal(space.bytes(row.assignment), row.bytes);
      });

      it('visits the same plans in the same order with the same marks', () => {
        const mark = (yes: boolean): string => (yes ? 'yes' : 'no');
        assert.deepEqual(
          result.trace.map((step) => [
            step.stage,
            step.assignment.key,
            step.bytes,
            mark(step.accepted),
            mark(step.candidate),
          ]),
          steps.map((row) => [
            row.stage,
            row.assignment.key,
            row.bytes,
            row.accepted,
            row.candidate,
          ]),
        );
        assert.deepEqual(asked, ['fp32', ...steps.map((row) => row.assignment.key)]);
        assert.equal(result.evaluations, { a1: 22, b1: 33 }[name]);
      });

      it('ends at the same plan', () => {
        const final = rows.find((row) => row.stage === 'final')!;
        assert.equal(result.final.key, final.assignment.key);
      });

      it('selects the same plan for each λ', () => {
        const selections = rows.filter((row) => row.stage.startsWith('lambda '));
        assert.equal(selections.length, 5);
        for (const row of selections) {
          const lambda = Number(row.stage.split(' ')[1]);
          const context = { metric, fp32Bytes: result.fp32Bytes };
          const chosen = select(result.candidates, lambda, context);
          assert.equal(chosen?.assignment.key, row.assignment.key, row.stage);
        }
      });
    });
  }
});
