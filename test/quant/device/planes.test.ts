import assert from 'node:assert/strict';
import fc from 'fast-check';
import { packTiles, planesOf, TILE, tiledLength } from '../../../src/quant/device/planes.js';

/** The value in a row and column by the words of the layout, bit by bit. */
function valueAt(
  packed: Uint8Array,
  { rows, columns, bits }: { rows: number; columns: number; bits: number },
  row: number,
  column: number,
): number {
  const first = Math.floor(column / TILE) * TILE;
  const padded = Math.ceil(Math.min(TILE, columns - first) / 8) * 8;
  let at = (first / 8) * bits * rows + row * (padded / 8) * bits;
  let value = 0;
  let base = 0;
  for (const width of planesOf(bits)) {
    const bytes = (padded * width) / 8;
    const k = column - first;
    const shift = Math.floor(k / bytes) * width;
    value |= ((packed[at + (k % bytes)] >> shift) & (2 ** width - 1)) << base;
    base += width;
    at += bytes;
  }
  return value;
}

describe('device: planes of bits', () => {
  it('take the widest first', () => {
    assert.deepEqual(planesOf(7), [4, 2, 1]);
    assert.deepEqual(planesOf(12), [8, 4]);
    assert.deepEqual(planesOf(16), [8, 8]);
  });

  it('hold eight values of 3 bits as the layout says', () => {
    const packed = packTiles(Uint16Array.of(0, 1, 2, 3, 4, 5, 6, 7), 1, 8, 3);
    // Two bits: values k and k + 2, k + 4, k + 6 share byte k; one bit: a byte.
    assert.deepEqual([...packed], [0b10_00_10_00, 0b11_01_11_01, 0b1111_0000]);
  });

  it('give every value back, and nothing beside it', () => {
    const matrices = fc
      .record({
        rows: fc.integer({ min: 1, max: 5 }),
        columns: fc.integer({ min: 1, max: 150 }),
        bits: fc.integer({ min: 1, max: 16 }),
      })
      .chain((size) =>
        fc.record({
          size: fc.constant(size),
          values: fc.array(fc.integer({ min: 0, max: 2 ** size.bits - 1 }), {
            minLength: size.rows * size.columns,
            maxLength: size.rows * size.columns,
          }),
        }),
      );
    fc.assert(
      fc.property(matrices, ({ size, values }) => {
        const { rows, columns, bits } = size;
        const packed = packTiles(Uint16Array.from(values), rows, columns, bits);
        assert.equal(packed.length, tiledLength(rows, columns, bits));
        values.forEach((value, i) => {
          const got = valueAt(packed, size, Math.floor(i / columns), i % columns);
          assert.equal(got, value);
        });
        const ones = (bytes: Iterable<number>): number =>
          [...bytes].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
        assert.equal(ones(packed), ones(values));
      }),
      { numRuns: 60 },
    );
  });
});
