import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { matricesOf, matricesOfUnit, unitPaths } from '../../src/layout/hierarchy.js';
import { formatPlan, parsePlan, planToJson } from '../../src/quant/plan-json.js';
import {
  compactPlan,
  planId,
  resolvePlan,
  uniformPlan,
  withUnit,
  type Plan,
} from '../../src/quant/plan.js';
import { quantizerPlan } from '../../src/quant/quantizers.js';
import { PER_CHANNEL } from '../../src/quant/scheme/granularity.js';
import {
  affineMinMax,
  createScheme,
  paperMinMax,
  SIGN,
  UNQUANTIZED,
} from '../../src/quant/scheme/scheme.js';
import { QuantError } from '../../src/util/errors.js';
import { hierarchyOfTensors } from '../support/spikegpt.js';
import { spikeGptShapes } from './support.js';

const HIERARCHY = hierarchyOfTensors(spikeGptShapes(16, 4, 3));
const DENSE = hierarchyOfTensors(spikeGptShapes(16, 4, 3), 'dense');
const UNITS = [
  '*',
  ...(['block', 'module', 'matrix'] as const).flatMap((level) => unitPaths(HIERARCHY, level)),
];
const resolve = (plan: Plan): ReturnType<typeof resolvePlan> => resolvePlan(plan, HIERARCHY);
const widths = fc.constantFrom(1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 32);
const plans: fc.Arbitrary<Plan> = fc
  .array(
    fc.tuple(
      fc.constantFrom(...UNITS),
      widths.map((bits) => createScheme({ bits })),
    ),
  )
  .map((entries) => new Map(entries));

function refused(message: RegExp, run: () => unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof QuantError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe('quant: plan', () => {
  it('lets the most specific unit win, and leaves alone what none covers', () => {
    const plan: Plan = new Map([
      ['attention.1/SRWKV/key', affineMinMax(2)],
      ['attention.1', affineMinMax(6)],
      ['attention.1/SRWKV', affineMinMax(4)],
      ['input', SIGN],
    ]);
    const bits = Object.fromEntries(
      [...resolve(plan)].map(([name, scheme]) => [name, scheme.bits]),
    );
    assert.equal(bits['blocks.1.att.key.weight'], 2);
    assert.equal(bits['blocks.1.att.value.weight'], 4);
    assert.equal(bits['blocks.1.ffn.key.weight'], 6);
    assert.equal(bits['emb.weight'], 1);
    assert.equal(bits['blocks.0.att.key.weight'], 32);
    assert.equal(resolve(plan).get('head.weight'), UNQUANTIZED);
    assert.deepEqual(
      [...resolve(plan).keys()],
      matricesOf(HIERARCHY).map(({ name }) => name),
    );
  });

  it('sets a unit whole, whatever was said of it before', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(...UNITS), widths, (plan, unit, bits) => {
        const before = resolve(plan);
        const inside = new Set(matricesOfUnit(HIERARCHY, unit).map(({ name }) => name));
        for (const [name, scheme] of resolve(withUnit(plan, unit, createScheme({ bits }))))
          assert.deepEqual(scheme, inside.has(name) ? createScheme({ bits }) : before.get(name));
      }),
    );
  });

  it('knows presets, with the sign of a spike embedding in the best', () => {
    assert.deepEqual([...quantizerPlan('paper-minmax', 6, HIERARCHY)], [['*', paperMinMax(6)]]);
    const best = resolve(quantizerPlan('best', 3, HIERARCHY));
    assert.equal(best.get('emb.weight'), SIGN);
    assert.deepEqual(
      best.get('head.weight'),
      createScheme({ bits: 3, granularity: PER_CHANNEL, range: { kind: 'mse' } }),
    );
    const dense = resolvePlan(quantizerPlan('best', 3, DENSE), DENSE);
    assert.equal(dense.get('emb.weight')!.bits, 3);
    assert.deepEqual([...quantizerPlan('best', 32, HIERARCHY)], [['*', UNQUANTIZED]]);
  });

  it('has one id for two spellings, and another for another plan', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const resolved = resolve(plan);
        const spelled: Plan = new Map(
          matricesOf(HIERARCHY)
            .map(({ name, path }) => [path, resolved.get(name)!] as const)
            .reverse(),
        );
        assert.equal(planId(resolve(spelled)), planId(resolved));
      }),
    );
    const ids = [2, 3].flatMap((bits) =>
      [affineMinMax, paperMinMax].map((make) => planId(resolve(uniformPlan(bits, make)))),
    );
    assert.equal(new Set(ids).size, 4);
    for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/);
  });

  it('is made short without changing what it does', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const short = compactPlan(resolve(plan), HIERARCHY);
        assert.deepEqual([...resolve(short)], [...resolve(plan)]);
        assert.ok(short.size <= matricesOf(HIERARCHY).length);
      }),
    );
    assert.deepEqual([...compactPlan(resolve(uniformPlan(4)), HIERARCHY)], [...uniformPlan(4)]);
    const mixed = withUnit(uniformPlan(4), 'attention.1/SRFFN', affineMinMax(3));
    assert.deepEqual(
      [...compactPlan(resolve(mixed), HIERARCHY)].map(([unit, { bits }]) => `${unit} ${bits}`),
      [
        'input 4',
        'attention.0 4',
        'attention.1/SRWKV 4',
        'attention.1/SRFFN 3',
        'attention.2 4',
        'output 4',
      ],
    );
  });

  it('goes through its text form', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        assert.deepEqual([...parsePlan(formatPlan(plan), 'plan', HIERARCHY)], [...plan]);
        assert.deepEqual(JSON.parse(formatPlan(plan)), planToJson(plan));
      }),
    );
    assert.equal(
      formatPlan(withUnit(uniformPlan(6), 'input', SIGN)),
      `{
  "format": "qslm-plan/1",
  "units": {
    "*": { "bits": 6, "method": "affine", "granularity": "per-tensor", "range": "min-max" },
    "input": { "bits": 1, "method": "sign" }
  }
}
`,
    );
  });

  it('refuses sign where it would not be exact', () => {
    refused(/unit output\/head\/head: sign/, () => resolve(new Map([['output', SIGN]])));
    refused(/unit input\/embedding\/emb: sign.*tensor emb\.weight, whose values are read/, () =>
      resolvePlan(new Map([['input', SIGN]]), DENSE),
    );
  });

  it('names the line, the unit and the option of a mistake', () => {
    const text = (...units: string[]): string =>
      `{\n  "format": "qslm-plan/1",\n  "units": {\n    ${units.join(',\n    ')}\n  }\n}\n`;
    const parse = (...units: string[]) => {
      return () => parsePlan(text(...units), 'my.json', HIERARCHY);
    };
    refused(
      /my\.json, line 5: unknown unit; got attention\.7; expected one of \*, input, attention\.0/,
      parse('"*": 8', '"attention.7": 4'),
    );
    refused(
      /line 4: unknown unit; got attention\.1\/SRWK; expected .*attention\.1\/SRWKV,/,
      parse('"attention.1/SRWK": 4'),
    );
    refused(
      /line 5, unit input: bit width out of range; got 40; expected .*1 to 16/,
      parse('"*": 8', '"input": { "bits": 40 }'),
    );
    refused(
      /line 4, unit input, granularty: unknown scheme option/,
      parse('"input": { "bits": 4, "granularty": "per-tensor" }'),
    );
    refused(
      /my\.json, input: a name is given twice; got lines 4 and 5/,
      parse('"input": 4', '"input": 5'),
    );
    refused(/my\.json, line 5: broken JSON/, parse('"*": 8', 'input: 4'));
    refused(/my\.json: broken JSON/, () => parsePlan('', 'my.json'));
    refused(/not a plan; got format "qslm-plan\/2"/, () =>
      parsePlan('{"format":"qslm-plan/2","units":{}}'),
    );
    refused(/not a plan; got format missing/, () => parsePlan('{"units":{}}'));
    refused(/line 3: unknown member; got unit;/, () =>
      parsePlan('{"format":"qslm-plan/1","units":{},\n\n"unit":{}}', 'plan'),
    );
  });

  it('refuses an unknown unit without a text, too', () => {
    refused(/plan: unknown unit; got blocks\.0/, () =>
      resolve(new Map([['blocks.0', affineMinMax(4)]])),
    );
  });
});
