import assert from 'node:assert/strict';
import fc from 'fast-check';
import { exactJson, parseExactJson } from '../../src/store/json.js';
import { keyId, type MeasurementKey } from '../../src/store/key.js';
import { openMeasurement, sealMeasurement } from '../../src/store/record.js';
import { StoreError } from '../../src/util/errors.js';
import { packBits, packCounts, packDoubles, unpackBits } from '../../src/util/packing.js';
import { accuracyOf, keyOf, perplexityOf } from './support.js';

describe('store/key', () => {
  it('is the SHA-256 of the canonical JSON', () => {
    // sha256sum of {"backend":"wasm","checkpoint":"c0ffee","context":null,"data":"d474",
    // "limit":1000,"plan":"p","split":"search","task":"sst2","version":"1"} (one line, no break).
    assert.equal(
      keyId(keyOf('p')),
      '8b8c47b52b8a0962a2cf6f1a18926ec88c13711e68f224c5361cb22236289c58',
    );
  });

  it('changes with every field, and with nothing else', () => {
    const base = keyOf('p');
    const changes: Partial<MeasurementKey>[] = [
      { checkpoint: 'other' },
      { plan: 'other' },
      { task: 'other' },
      { data: 'other' },
      { split: 'dev' },
      { limit: 999 },
      { limit: null },
      { context: 256 },
      { backend: 'cpu' },
      { version: '2' },
    ];
    const ids = new Set([base, ...changes.map((change) => ({ ...base, ...change }))].map(keyId));
    assert.equal(ids.size, changes.length + 1);
    assert.equal(keyId({ ...base, note: 'x' } as MeasurementKey), keyId(base));
  });

  it('refuses what is no key', () => {
    for (const change of [{ plan: '' }, { limit: NaN }, { limit: -1 }, { context: 1.5 }])
      assert.throws(() => keyId(keyOf('p', change)), StoreError, JSON.stringify(change));
    assert.throws(() => keyId({} as MeasurementKey), /key\.checkpoint: .* got undefined/);
  });
});

describe('store/json', () => {
  it('gives every double back bit for bit', () => {
    for (const value of [NaN, Infinity, -Infinity, -0, 0, 5e-324, 0.1 + 0.2, 2 ** 53 + 2])
      assert.ok(Object.is(parseExactJson(exactJson(value)), value), String(value));
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        assert.deepStrictEqual(parseExactJson(exactJson({ values })), { values });
      }),
    );
  });

  it('refuses the member name it needs for itself', () => {
    assert.throws(() => exactJson({ a: { $float: 'NaN' } }), StoreError);
  });
});

describe('store/record', () => {
  const about = { key: keyOf('p'), createdAt: '2026-01-01T00:00:00.000Z', machine: 'm' };

  it('packs bits lowest first, doubles and counts little-endian', () => {
    assert.deepEqual([...packBits([1, 0, 1, 1, 0, 0, 0, 0, 1])], [0b1101, 1]);
    assert.deepEqual(unpackBits(new Uint8Array([0b1101, 1]), 9), [1, 0, 1, 1, 0, 0, 0, 0, 1]);
    assert.deepEqual([...packDoubles([1])], [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    assert.deepEqual([...packCounts([258])], [2, 1, 0, 0]);
  });

  it('gives any accuracy measurement back', () => {
    const bit = fc.constantFrom<0 | 1>(0, 1);
    fc.assert(
      fc.property(fc.double(), fc.array(bit, { maxLength: 40 }), (value, correct) => {
        const stored = { ...about, measurement: accuracyOf(value, correct) };
        assert.deepStrictEqual(openMeasurement(sealMeasurement(stored), 'test'), stored);
      }),
    );
  });

  it('gives any perplexity measurement back, with its extras', () => {
    const windows = fc.array(fc.tuple(fc.double(), fc.nat(0xffffffff)), { maxLength: 20 });
    fc.assert(
      fc.property(windows, fc.double(), (pairs, kl) => {
        const stored = {
          ...about,
          measurement: perplexityOf(
            pairs.map(([nll]) => nll),
            pairs.map(([, tokens]) => tokens),
          ),
          bytes: 6_820_000,
          extras: { kl, flipRate: [kl, -0, NaN] },
        };
        assert.deepStrictEqual(openMeasurement(sealMeasurement(stored), 'test'), stored);
      }),
    );
  });

  it('keeps 1,000 sentences in 125 bytes and a window in 12', () => {
    const correct = Array.from({ length: 1000 }, () => 1 as const);
    const sentences = sealMeasurement({ ...about, measurement: accuracyOf(1, correct) });
    assert.equal(sentences.items.length, 125);
    const windows = sealMeasurement({ ...about, measurement: perplexityOf([1, 2], [255, 255]) });
    assert.equal(windows.items.length, 24);
  });

  it('notices any changed byte', () => {
    const sealed = sealMeasurement({ ...about, measurement: accuracyOf(0.5) });
    for (const part of ['record', 'items', 'digest'] as const)
      for (let at = 0; at < sealed[part].length; at++) {
        const bytes = Uint8Array.from(sealed[part]);
        bytes[at] ^= 1;
        assert.throws(() => openMeasurement({ ...sealed, [part]: bytes }, 'test'), StoreError);
      }
  });

  it('refuses arrays that cannot be packed', () => {
    const measurement = accuracyOf(1, [1, 2 as 1]);
    assert.throws(
      () => sealMeasurement({ ...about, measurement }),
      /correct\[1\]: not a bit; got 2/,
    );
    for (const tokens of [1.5, -1, 2 ** 32, NaN])
      assert.throws(
        () => sealMeasurement({ ...about, measurement: perplexityOf([1], [tokens]) }),
        /windowTokens\[0\]/,
      );
  });
});
