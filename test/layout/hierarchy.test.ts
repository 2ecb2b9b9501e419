import assert from 'node:assert/strict';
import { matricesOf, matricesOfUnit, unitPaths, vectorsOf } from '../../src/layout/hierarchy.js';
import { CheckpointError } from '../../src/util/errors.js';
import { spikeGptShapes } from '../quant/support.js';
import { hierarchyOfTensors, wholeHierarchyOfTensors } from '../support/spikegpt.js';

const percent = (share: number): number => Math.round(1000 * share) / 10;

describe('quant: hierarchy', () => {
  it("has SpikeGPT-216M's parameters and the paper's shares", () => {
    const { blocks, parameters, fp32Bytes, unused } = hierarchyOfTensors(
      spikeGptShapes(50277, 768, 18),
    );
    assert.equal(parameters, 215_399_424);
    assert.equal(fp32Bytes, 861_597_696);
    assert.equal(unused.parameters, 0);
    assert.equal(blocks.length, 20);
    assert.equal(blocks[2].parameters, 7_676_160);
    const attention = blocks.slice(1, -1).reduce((sum, { share }) => sum + share, 0);
    assert.deepEqual(
      [blocks[0].share, attention, blocks[19].share].map(percent),
      [17.9, 64.1, 17.9],
    );
    assert.ok(Math.abs(blocks.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-12);
  });

  it('names blocks, modules and matrices in network order, whatever the order of the file', () => {
    const shapes = spikeGptShapes(10, 4, 11);
    const hierarchy = hierarchyOfTensors(shapes);
    assert.deepEqual(
      hierarchyOfTensors([...shapes].reverse()).blocks.map(({ path }) => path),
      ['input', ...Array.from({ length: 11 }, (_, i) => `attention.${i}`), 'output'],
    );
    assert.deepEqual(unitPaths(hierarchy, 'module').slice(0, 3), [
      'input/embedding',
      'attention.0/SRWKV',
      'attention.0/SRFFN',
    ]);
    assert.deepEqual(unitPaths(hierarchyOfTensors([...shapes].reverse()), 'matrix'), [
      'input/embedding/emb',
      ...Array.from({ length: 11 }, (_, i) => [
        ...['key', 'value', 'receptance', 'output'].map((m) => `attention.${i}/SRWKV/${m}`),
        ...['key', 'value', 'receptance'].map((m) => `attention.${i}/SRFFN/${m}`),
      ]).flat(),
      'output/head/head',
    ]);
    assert.equal(matricesOf(hierarchy)[1].name, 'blocks.0.att.key.weight');
  });

  it('keeps vectors apart, and counts every parameter once', () => {
    const shapes = spikeGptShapes(10, 4, 2);
    const hierarchy = hierarchyOfTensors(shapes);
    const names = [...matricesOf(hierarchy), ...vectorsOf(hierarchy)].map(({ name }) => name);
    assert.deepEqual(names.sort(), shapes.map(({ name }) => name).sort());
    assert.ok(vectorsOf(hierarchy).some(({ name }) => name === 'blocks.1.att.time_mix_k'));
    const flat = shapes.map(({ name, shape }) => ({
      name,
      shape: name === 'blocks.0.att.time_mix_k' ? [1, 4] : shape,
    }));
    assert.deepEqual(matricesOf(hierarchyOfTensors(flat)), matricesOf(hierarchy));
    const [, first] = hierarchy.blocks;
    assert.deepEqual(
      first.vectors.map(({ name }) => name.slice(9)),
      ['ln0.weight', 'ln0.bias', 'ln1.weight', 'ln1.bias', 'ln2.weight', 'ln2.bias'],
    );
    // SRWKV: 4 matrices of 4 × 4, decay, first and three mixes of 4.
    assert.equal(first.modules[0].parameters, 4 * 16 + 5 * 4);
  });

  it('leaves the head of a classifier out, and counts it apart', () => {
    const shapes = spikeGptShapes(10, 4, 1, { classes: 2 });
    const classifier = hierarchyOfTensors(shapes);
    const { blocks, ...counts } = classifier.unused;
    assert.deepEqual(counts, { names: ['head.weight'], parameters: 40, fp32Bytes: 160 });
    assert.deepEqual(
      matricesOf({ ...classifier, blocks }).map(({ path }) => path),
      ['output/head/head'],
    );
    assert.deepEqual(
      matricesOfUnit(classifier, 'output').map(({ path }) => path),
      ['output/head/classifier'],
    );
    const whole = wholeHierarchyOfTensors(shapes);
    assert.equal(whole.parameters, classifier.parameters + 40);
    assert.deepEqual(
      matricesOfUnit(whole, 'output').map(({ name }) => name),
      ['head.weight', 'classifier.weight'],
    );
  });

  it('knows the ffnPre variant', () => {
    const hierarchy = hierarchyOfTensors(spikeGptShapes(10, 4, 2, { ffnPre: true }));
    assert.deepEqual(unitPaths(hierarchy, 'module').slice(1, 4), [
      'attention.0/SRFFN-pre',
      'attention.0/SRFFN',
      'attention.1/SRWKV',
    ]);
    assert.deepEqual(
      matricesOfUnit(hierarchy, 'attention.0/SRFFN').map(({ name }) => name),
      ['key', 'value', 'receptance'].map((matrix) => `blocks.0.ffn.${matrix}.weight`),
    );
  });

  it('does not take attention.1 for a part of attention.10', () => {
    const hierarchy = hierarchyOfTensors(spikeGptShapes(10, 4, 11));
    assert.equal(matricesOfUnit(hierarchy, 'attention.1').length, 7);
    assert.equal(matricesOfUnit(hierarchy, '*').length, 79);
    assert.equal(matricesOfUnit(hierarchy, 'attention').length, 0);
  });

  it('refuses a parameter that no SpikeGPT has', () => {
    for (const name of ['lm_head.weight', 'blocks.x.ln1.weight', 'blocks.0.mlp.key.weight'])
      assert.throws(
        () => hierarchyOfTensors([...spikeGptShapes(10, 4, 1), { name, shape: [2, 2] }]),
        (error) =>
          error instanceof CheckpointError &&
          error.message.includes(`surplus ${name}: found [2, 2]`),
      );
  });
});
