import assert from 'node:assert/strict';
import {
  forEachGroup,
  groupingOf,
  PER_CHANNEL,
  PER_TENSOR,
  perGroup,
  type Granularity,
} from '../../src/quant/scheme/granularity.js';

function groups(shape: number[], granularity: Granularity): [number, number][] {
  const found: [number, number][] = [];
  const grouping = groupingOf(shape, granularity);
  forEachGroup(grouping, (from, to, group) => {
    assert.equal(group, found.length);
    found.push([from, to]);
  });
  assert.equal(grouping.count, found.length);
  return found;
}

describe('quant: granularity', () => {
  it('cuts tensors as the docstrings say', () => {
    assert.equal(groupingOf([768, 3072], PER_TENSOR).count, 1);
    assert.equal(groupingOf([768, 3072], PER_CHANNEL).count, 768);
    assert.equal(groupingOf([768, 3072], perGroup(64)).count, 768 * 48);
    assert.equal(groupingOf([768, 100], perGroup(64)).count, 768 * 2);
  });

  it('never lets a group cross a row', () => {
    const expected = [
      [0, 3],
      [3, 5],
      [5, 8],
      [8, 10],
    ];
    assert.deepEqual(groups([2, 5], perGroup(3)), expected);
    assert.deepEqual(groups([2, 5], perGroup(99)), groups([2, 5], PER_CHANNEL));
    assert.deepEqual(groups([2, 5], PER_TENSOR), [[0, 10]]);
    assert.deepEqual(groups([5], PER_CHANNEL), [[0, 5]]);
    assert.deepEqual(groups([1, 1, 5], perGroup(4)), [
      [0, 4],
      [4, 5],
    ]);
  });

  it('refuses group sizes that make no sense', () => {
    for (const size of [0, -1, 1.5, NaN])
      assert.throws(() => perGroup(size), /per-group.*positive/);
  });
});
