import assert from 'node:assert/strict';
import { PER_CHANNEL, perGroup } from '../../src/quant/scheme/granularity.js';
import { schemeFromJson, schemeToJson } from '../../src/quant/scheme/scheme-json.js';
import {
  affineMinMax,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
} from '../../src/quant/scheme/scheme.js';
import { QuantError } from '../../src/util/errors.js';

describe('quant: scheme', () => {
  it('is frozen, and fills in the default: per tensor, affine, widened min–max', () => {
    const scheme = createScheme({ bits: 8 });
    assert.deepEqual(scheme, affineMinMax(8));
    assert.deepEqual(scheme.range, { kind: 'min-max', widenToZero: true });
    assert.ok(Object.isFrozen(scheme) && Object.isFrozen(scheme.range));
    assert.ok(Object.isFrozen(scheme.granularity));
    assert.deepEqual(paperMinMax(8).range, { kind: 'min-max', widenToZero: false });
  });

  it('has one form for schemes that do the same', () => {
    const unwidened = { kind: 'min-max', widenToZero: false } as const;
    assert.equal(createScheme({ bits: 32, method: 'symmetric' }), UNQUANTIZED);
    assert.equal(createScheme({ bits: 1, method: 'sign', granularity: PER_CHANNEL }), SIGN);
    assert.deepEqual(
      createScheme({ bits: 4, method: 'symmetric', range: unwidened }),
      createScheme({ bits: 4, method: 'symmetric' }),
    );
  });

  it('refuses what makes no sense, naming the option', () => {
    const refused = (message: RegExp, parts: Parameters<typeof createScheme>[0]): void => {
      assert.throws(
        () => createScheme(parts, 'unit input'),
        (error) => error instanceof QuantError && message.test(error.message),
      );
    };
    for (const bits of [0, 17, 31, 33, -4, 2.5, NaN])
      refused(/unit input: bit width out of range; got .*; expected .* 1 to 16, or 32/, { bits });
    refused(/symmetric.*got 1 bit/, { bits: 1, method: 'symmetric' });
    refused(/sign.*got 8 bits; expected 1 bit/, { bits: 8, method: 'sign' });
    for (const percentile of [50, 100.1, NaN])
      refused(/percentile out of range/, { bits: 4, range: { kind: 'percentile', percentile } });
  });

  it('goes to JSON and back', () => {
    const json: [ReturnType<typeof createScheme>, object][] = [
      [UNQUANTIZED, { bits: 32 }],
      [SIGN, { bits: 1, method: 'sign' }],
      [
        paperMinMax(6),
        { bits: 6, method: 'affine', granularity: 'per-tensor', range: 'min-max-unwidened' },
      ],
      [
        createScheme({
          bits: 3,
          method: 'symmetric',
          granularity: perGroup(64),
          range: { kind: 'percentile', percentile: 99.95 },
        }),
        {
          bits: 3,
          method: 'symmetric',
          granularity: 'per-group(64)',
          range: 'percentile(99.95)',
        },
      ],
      [
        createScheme({ bits: 16, granularity: PER_CHANNEL, range: { kind: 'mse' } }),
        { bits: 16, method: 'affine', granularity: 'per-channel', range: 'mse' },
      ],
      [
        createScheme({ bits: 3, granularity: PER_CHANNEL, range: { kind: 'spike-preserving' } }),
        { bits: 3, method: 'affine', granularity: 'per-channel', range: 'spike-preserving' },
      ],
    ];
    for (const [scheme, expected] of json) {
      assert.deepEqual(schemeToJson(scheme), expected);
      assert.deepEqual(schemeFromJson(JSON.parse(JSON.stringify(expected))), scheme);
    }
  });

  it('reads what a person writes short', () => {
    assert.deepEqual(schemeFromJson(5), affineMinMax(5));
    assert.deepEqual(schemeFromJson({ bits: 5 }), affineMinMax(5));
    assert.deepEqual(schemeFromJson({ preset: 'paper', bits: 5 }), paperMinMax(5));
  });

  it('refuses unknown words by name', () => {
    const refused = (json: unknown, message: RegExp): void => {
      assert.throws(
        () => schemeFromJson(json, 'line 4'),
        (error) => error instanceof QuantError && message.test(error.message),
      );
    };
    refused({ bits: 4, bit: 4 }, /line 4, bit: unknown scheme option.*bits, method/);
    refused({ bits: 4, method: 'float' }, /line 4, method: unknown method; got "float"/);
    refused({ bits: 4, granularity: 'per-group(0)' }, /line 4, granularity: unknown/);
    refused({ bits: 4, granularity: 64 }, /line 4, granularity: unknown/);
    refused({ bits: 4, range: 'percentile' }, /line 4, range: unknown range/);
    refused({ method: 'affine' }, /line 4, bits: no bit width; got nothing/);
    refused({ bits: '4' }, /line 4, bits: no bit width; got "4"/);
    refused({ preset: 'toString', bits: 4 }, /unknown preset; got "toString"; expected paper/);
    refused({ preset: 'paper', bits: 4, range: 'mse' }, /range: unknown scheme option/);
    refused({ bits: 40 }, /line 4: bit width out of range; got 40/);
    for (const json of [null, [4], 'affine', undefined]) refused(json, /not a scheme/);
  });
});
