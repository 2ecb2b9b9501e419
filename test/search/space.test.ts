import assert from 'node:assert/strict';
import {
  Assignment,
  checkSpace,
  groupBits,
  groupsOf,
  normaliseBits,
} from '../../src/search/space.js';
import { SearchError } from '../../src/util/errors.js';
import { toySpace, toyUnits } from './toy.js';

describe('search/space', () => {
  it('has one key for equal assignments, however they were made', () => {
    const one = Assignment.of({ b: 4, a: 8, c: 32 });
    const other = Assignment.unquantized.with(['a', 'b', 'c'], 8).with(['b'], 4).with(['c'], 32);
    assert.equal(one.key, 'a=8;b=4');
    assert.equal(other.key, one.key);
    assert.equal(Assignment.unquantized.key, 'fp32');
    assert.equal(Assignment.of({ a: 32 }).key, 'fp32');
    assert.deepEqual(Assignment.of(JSON.parse(JSON.stringify(one)) as Record<string, number>), one);
  });

  it('does not change when another is made from it', () => {
    const plan = Assignment.of({ a: 8 });
    plan.with(['a', 'b'], 4);
    assert.deepEqual(plan.bitsOfAll([{ id: 'a' }, { id: 'b' }]), [8, 32]);
  });

  it('groups units by level, in network order', () => {
    const matrices = toyUnits(1).flatMap((unit) =>
      unit.inModuleTier ? [unit, { ...unit, id: `${unit.id}/value` }] : [unit],
    );
    const ids = (level: 'global' | 'block' | 'module' | 'matrix'): string[] =>
      groupsOf(toySpace(matrices), level).map((group) => `${group.id}:${group.units.length}`);
    assert.deepEqual(ids('global'), ['model:6']);
    assert.deepEqual(ids('block'), ['input:1', 'attention.0:4', 'output:1']);
    assert.deepEqual(ids('module'), [
      'input/embedding:1',
      'attention.0/SRWKV:2',
      'attention.0/SRFFN:2',
      'output/head:1',
    ]);
    assert.equal(ids('matrix').length, 6);
    const [, attention] = groupsOf(toySpace(matrices), 'block');
    assert.equal(groupBits(Assignment.of({ 'attention.0/SRWKV': 4 }), attention), 32);
    assert.equal(groupBits(Assignment.unquantized.with(attention.units, 6), attention), 6);
  });

  it('sorts the precision list and drops repeats', () => {
    assert.deepEqual(normaliseBits([4, 16, 8, 16, 4]), [16, 8, 4]);
    assert.throws(() => normaliseBits([]), SearchError);
    for (const bits of [0, -1, 2.5, 33, NaN])
      assert.throws(() => normaliseBits([8, bits]), SearchError, String(bits));
    assert.throws(() => Assignment.of({ a: 0 }), SearchError);
  });

  it('refuses a space without units, or with two of one name', () => {
    assert.throws(() => checkSpace(toySpace([])), SearchError);
    const [unit] = toyUnits(0);
    assert.throws(() => checkSpace(toySpace([unit, unit])), /two units of one name/);
  });
});
