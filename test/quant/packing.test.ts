import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { packedLength, packIntegers, unpackIntegers } from '../../src/quant/packed/bit-packing.js';
import { newIntegers } from '../../src/quant/quantizer/quantize.js';
import { QuantError } from '../../src/util/errors.js';

const integersAndBits = fc.integer({ min: 1, max: 16 }).chain((bits) =>
  fc.record({
    bits: fc.constant(bits),
    list: fc.array(fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }), {
      maxLength: 70,
    }),
  }),
);

describe('quant: packing', () => {
  it('brings integers back at every width, in ceil(n · bits / 8) bytes', () => {
    fc.assert(
      fc.property(integersAndBits, ({ bits, list }) => {
        const integers = newIntegers(list.length, bits);
        integers.set(list);
        const packed = packIntegers(integers, bits);
        assert.equal(packed.length, Math.ceil((list.length * bits) / 8));
        assert.deepEqual(unpackIntegers(packed, bits, list.length), integers);
      }),
      { numRuns: 1000 },
    );
  });

  it('lays bits out as documented, against arithmetic on one long number', () => {
    assert.deepEqual([...packIntegers(Int8Array.of(-4, 3, -1), 3)], [0b11111000, 0]);
    fc.assert(
      fc.property(integersAndBits, ({ bits, list }) => {
        let stream = 0n;
        list.forEach((q, i) => (stream |= BigInt(q + 2 ** (bits - 1)) << BigInt(i * bits)));
        const bytes = Array.from({ length: packedLength(list.length, bits) }, (_, n) =>
          Number((stream >> BigInt(8 * n)) & 255n),
        );
        assert.deepEqual([...packIntegers(Int16Array.from(list), bits)], bytes);
      }),
    );
  });

  it('refuses integers that do not fit', () => {
    for (const [q, bits] of [
      [4, 3],
      [-5, 3],
      [1, 1],
      [-2, 1],
      [-32768, 15],
    ])
      assert.throws(() => packIntegers(Int16Array.of(0, q), bits), QuantError);
    assert.throws(() => packIntegers(Int16Array.of(0, 8), 4), /got 8; expected -8 to 7 \(4 bits\)/);
  });

  it('refuses a wrong number of bytes and bits that belong to no value', () => {
    assert.throws(
      () => unpackIntegers(new Uint8Array(3), 3, 5, 'w'),
      /w: wrong number of bytes; got 3 bytes; expected 2 bytes for 5 values of 3 bits/,
    );
    assert.throws(() => unpackIntegers(new Uint8Array(1), 3, 5), QuantError);
    assert.throws(
      () => unpackIntegers(Uint8Array.of(0, 0x80), 3, 5, 'w'),
      /w: bits after the last value are set; got 0b1\b/,
    );
  });
});
