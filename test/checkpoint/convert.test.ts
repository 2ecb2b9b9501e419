import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { convertCheckpoint } from '../../src/checkpoint/convert.js';
import { requireFinite } from '../../src/checkpoint/finite.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import { sha256File } from '../../src/util/hash.js';
import { itShared } from '../support/shared.js';
import { floats, safetensors } from './support/builders.js';
import { fixtures } from './support/fixtures.js';
import { readAll, temporaryFolder } from './support/temporary.js';

describe('checkpoint/convert', () => {
  const file = temporaryFolder();

  it('converts weights, leaves integers as they are, and joins the metadata', async () => {
    const values = floats(0.1, -2, 1e-9);
    const json = JSON.stringify({
      __metadata__: { kept: 'yes', changed: 'old' },
      w: { dtype: 'F32', shape: [3], data_offsets: [0, 12] },
      n: { dtype: 'U8', shape: [4], data_offsets: [12, 16] },
    });
    await writeFile(file('in'), safetensors(json, Uint8Array.of(...values, 1, 2, 3, 255)));
    const done = await convertCheckpoint(file('in'), file('out'), {
      dtype: 'float16',
      metadata: { changed: 'new' },
    });
    const checkpoint = await openCheckpoint(file('out'));
    try {
      // The float16 next to 0.1 is 1638 * 2^-14 (IEEE 754 by hand); 1e-9 is below half of 2^-24.
      assert.deepEqual(await readAll(checkpoint), { w: [1638 / 16384, -2, 0], n: [1, 2, 3, 255] });
      assert.equal(checkpoint.tensors.get('n')?.dtype, 'uint8');
      assert.deepEqual(checkpoint.metadata, { changed: 'new', kept: 'yes' });
    } finally {
      await checkpoint.close();
    }
    assert.equal(done.tensors, 2);
    assert.equal(done.parameters, 7);
    assert.equal(done.largestErrorIn, 'w');
    assert.equal(done.largestError, Math.abs(1638 / 16384 - Math.fround(0.1)));
  });

  it('writes strided PyTorch tensors in row-major order, without those left out', async () => {
    await writeFile(file('views'), fixtures.viewsZip);
    const exclude = ['base', 'expanded'];
    const options = { dtype: 'float32', exclude } as const;
    const done = await convertCheckpoint(file('views'), file('out'), options);
    assert.equal(done.largestError, 0);
    const checkpoint = await openCheckpoint(file('out'));
    try {
      assert.deepEqual(await readAll(checkpoint), {
        transposed: [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
        column: [2, 6, 10],
        rows: [4, 5, 6, 7, 8, 9, 10, 11],
        steps: [0, 3, 8, 11],
        scalar: [11],
        none: [],
      });
    } finally {
      await checkpoint.close();
    }
  });

  it('refuses a weight beyond float16, and a name to leave out that is not there', async () => {
    const json = JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
    await writeFile(file('large'), safetensors(json, floats(1, -70000)));
    await assert.rejects(
      convertCheckpoint(file('large'), file('none'), { dtype: 'float16' }),
      /tensor "w", element 1: a weight is too large for float16; got -70000; expected at most 65504/,
    );
    await assert.rejects(
      convertCheckpoint(file('large'), file('none'), { dtype: 'float16', exclude: ['w', 'x'] }),
      /named tensors are not there; got "x"/,
    );
    assert.ok(!existsSync(file('none')));
  });

  it('keeps negative values from becoming −0 where signs matter', async () => {
    const json = JSON.stringify({ e: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } });
    await writeFile(file('signs'), safetensors(json, floats(-1e-41, 1e-41, -0, -1)));
    for (const [dtype, smallest] of [
      ['float16', 2 ** -24],
      ['bfloat16', 2 ** -133],
      ['float32', Math.fround(1e-41)],
    ] as const) {
      const options = { dtype, keepNegative: ['e'] };
      const done = await convertCheckpoint(file('signs'), file('out'), options);
      assert.equal(done.keptNegative, dtype === 'float32' ? 0 : 1, dtype);
      const checkpoint = await openCheckpoint(file('out'));
      try {
        const values = await checkpoint.readFloat32('e');
        assert.equal(values[0], -smallest);
        assert.ok(Object.is(values[2], -0));
        assert.equal(values[3], -1);
      } finally {
        await checkpoint.close();
      }
    }
  });

  it('may overwrite its input', async () => {
    await writeFile(file('same'), fixtures.kindsZip);
    await convertCheckpoint(file('same'), file('same'), { dtype: 'float32', exclude: ['f64'] });
    const checkpoint = await openCheckpoint(file('same'));
    try {
      assert.deepEqual([...(await checkpoint.readFloat32('i32'))], [-2147483648, 5]);
      assert.deepEqual(
        [...(await checkpoint.readFloat32('bf16'))],
        [1.0078125, 3.00405527047391e38],
      );
    } finally {
      await checkpoint.close();
    }
  });

  itShared('gives the same file each time', ['models/spikegpt-mini.pth'], async (path) => {
    const options = { dtype: 'float16', metadata: { embedding: 'spike' } } as const;
    await convertCheckpoint(path, file('one'), options);
    await convertCheckpoint(path, file('two'), options);
    assert.equal(await sha256File(file('one')), await sha256File(file('two')));
  });
});

describe('checkpoint/finite', () => {
  it('says which weight is the first that is not finite, and how many there are', () => {
    requireFinite('m.pth', 'w', Float32Array.of(0, -0, 3.4e38, -1e-45));
    requireFinite('m.pth', 'w', new Float32Array(0));
    for (const [values, got] of [
      [[1, NaN, -Infinity], /m\.pth: tensor "w".*got 2 of 3.*at element 1 \(NaN\)/],
      [[1, 2, Infinity], /got 1 of 3.*at element 2 \(Infinity\)/],
    ] as const)
      assert.throws(
        () => {
          requireFinite('m.pth', 'w', Float32Array.from(values));
        },
        (error) => error instanceof CheckpointError && got.test(error.message),
      );
  });
});
