import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import { floats, pickle, torchLegacy, torchZip, zip } from './support/builders.js';
import { fixtures } from './support/fixtures.js';
import { readAll, temporaryFolder, withCheckpoint } from './support/temporary.js';

/** What PyTorch 1.13 prints for the fixtures (`t.float().flatten().tolist()`). */
const VIEWS = {
  base: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  transposed: [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11],
  column: [2, 6, 10],
  rows: [4, 5, 6, 7, 8, 9, 10, 11],
  steps: [0, 3, 8, 11],
  expanded: [5, 5, 5, 5, 5, 5],
  scalar: [11],
  none: [],
};
const SHAPES = {
  base: [3, 4],
  transposed: [4, 3],
  column: [3],
  rows: [2, 4],
  steps: [2, 2],
  expanded: [2, 3],
  scalar: [],
  none: [0, 4],
};
const KINDS = {
  f64: [0.10000000149011612, Infinity],
  f16: [65504, 5.960464477539063e-8],
  bf16: [1.0078125, 3.00405527047391e38],
  i64: [-9007199254740992, 7],
  i32: [-2147483648, 5],
  i16: [-32768, 5],
  i8: [-128, 5],
  u8: [255, 5],
  bool: [1, 0],
};
const DTYPES = {
  f64: 'float64',
  f16: 'float16',
  bf16: 'bfloat16',
  i64: 'int64',
  i32: 'int32',
  i16: 'int16',
  i8: 'int8',
  u8: 'uint8',
  bool: 'bool',
};

describe('checkpoint/torch', () => {
  const file = temporaryFolder();

  for (const [format, bytes] of [
    ['torch-zip', fixtures.viewsZip],
    ['torch-legacy', fixtures.viewsLegacy],
  ] as const) {
    it(`reads strided, offset, expanded and empty views of one storage (${format})`, async () => {
      await withCheckpoint(file('views'), bytes, async (checkpoint) => {
        assert.equal(checkpoint.format, format);
        assert.deepEqual(await readAll(checkpoint), VIEWS);
        const shapes = [...checkpoint.tensors.values()].map(({ name, shape }) => [name, shape]);
        assert.deepEqual(Object.fromEntries(shapes), SHAPES);
        const bytesOfColumn = await checkpoint.readBytes('column');
        assert.deepEqual(bytesOfColumn, floats(2, 6, 10));
      });
    });
  }

  for (const [name, bytes] of [
    ['zip', fixtures.kindsZip],
    ['legacy, pickle protocol 4', fixtures.kindsLegacy],
  ] as const) {
    it(`reads every element type (${name})`, async () => {
      await withCheckpoint(file('kinds'), bytes, async (checkpoint) => {
        assert.deepEqual(await readAll(checkpoint), KINDS);
        const dtypes = [...checkpoint.tensors.values()].map((info) => [info.name, info.dtype]);
        assert.deepEqual(Object.fromEntries(dtypes), DTYPES);
        assert.deepEqual([...(await checkpoint.readBytes('i16'))], [0, 0x80, 5, 0]);
      });
    });
  }

  it('finds a state dict under `state_dict` or `model`, takes off `module.`, keeps plain values', async () => {
    await withCheckpoint(file('wrapped'), fixtures.wrappedZip, async (checkpoint) => {
      assert.deepEqual(await readAll(checkpoint), { w: [1.5, -2], b: [0.25] });
      assert.deepEqual(checkpoint.metadata, { epoch: '3', note: 'tiny', done: 'true' });
    });
    await withCheckpoint(file('wrapped'), fixtures.wrappedLegacy, async (checkpoint) => {
      assert.deepEqual(await readAll(checkpoint), { w: [1.5, -2], b: [0.25] });
      assert.deepEqual(checkpoint.metadata, {});
    });
  });

  it('prefers the weights under `model` to tensors beside it', async () => {
    const view = { elements: 1, shape: [1], strides: [1] };
    const data = pickle.of(
      pickle.dict({ step: pickle.tensor(view), model: pickle.dict({ w: pickle.tensor(view) }) }),
    );
    await withCheckpoint(file('beside'), torchZip(data, floats(7)), (checkpoint) => {
      assert.deepEqual([...checkpoint.tensors.keys()], ['w']);
    });
  });

  it('keeps `module.` where only some names have it', async () => {
    const view = { elements: 1, shape: [1], strides: [1] };
    const data = pickle.of(
      pickle.dict({ 'module.a': pickle.tensor(view), b: pickle.tensor(view) }),
    );
    await withCheckpoint(file('mixed'), torchZip(data, floats(7)), (checkpoint) => {
      assert.deepEqual([...checkpoint.tensors.keys()], ['module.a', 'b']);
    });
  });

  it('tells formats by content, not by name', async () => {
    await withCheckpoint(file('a.safetensors'), fixtures.viewsZip, (checkpoint) => {
      assert.equal(checkpoint.format, 'torch-zip');
    });
  });

  it('gives the SHA-256 of the file', async () => {
    await withCheckpoint(file('hash'), fixtures.viewsZip, async (checkpoint) => {
      const expected = createHash('sha256').update(fixtures.viewsZip).digest('hex');
      assert.equal(await checkpoint.sha256(), expected);
    });
  });

  it('names what it does not have', async () => {
    await withCheckpoint(file('views'), fixtures.viewsZip, async (checkpoint) => {
      await assert.rejects(checkpoint.readFloat32('nothing'), /no tensor "nothing".*8 other/);
    });
  });

  it('says so when it is read after closing, and closes twice without complaint', async () => {
    await writeFile(file('closed'), fixtures.viewsZip);
    const checkpoint = await openCheckpoint(file('closed'));
    await checkpoint.close();
    await checkpoint.close();
    await assert.rejects(checkpoint.readFloat32('base'), /(the checkpoint|the file) is closed/);
    await rm(file('closed'));
  });

  it('notices damaged data in a zip by its checksum, also behind a strided view', async () => {
    const view = { elements: 4, shape: [2], strides: [2] };
    const data = pickle.of(pickle.dict({ a: pickle.tensor(view) }));
    const damaged = torchZip(data, floats(1, 2, 3, 4));
    // An element that the view skips: the storage as a whole is checked.
    const at = Buffer.from(damaged).indexOf(floats(2));
    damaged[at] ^= 1;
    await withCheckpoint(file('damaged'), damaged, async (checkpoint) => {
      await assert.rejects(checkpoint.readFloat32('a'), CheckpointError);
      await assert.rejects(checkpoint.readFloat32('a'), /tensor "a" is damaged.*CRC-32/);
    });
  });

  it('checks a storage of which only a part was asked for, before it was read as a whole', async () => {
    await withCheckpoint(file('part'), fixtures.viewsZip, async (checkpoint) => {
      assert.deepEqual([...(await checkpoint.readFloat32('column'))], VIEWS.column);
    });
  });

  it('reads storages saved without a checksum', async () => {
    const view = { elements: 1, shape: [1], strides: [1] };
    const data = pickle.of(pickle.dict({ a: pickle.tensor(view) }));
    const bytes = zip([
      { name: 'm/data.pkl', bytes: data, crc: 0 },
      { name: 'm/byteorder', bytes: new Uint8Array(Buffer.from('little')) },
      { name: 'm/data/0', bytes: floats(3), crc: 0 },
    ]);
    await withCheckpoint(file('crc'), bytes, async (checkpoint) => {
      assert.deepEqual(await readAll(checkpoint), { a: [3] });
    });
  });

  it('reads a legacy file put together by hand', async () => {
    const view = { elements: 2, shape: [2], strides: [1], legacy: true };
    const data = pickle.of(
      pickle.dict({
        a: pickle.tensor({ ...view, key: 'x' }),
        b: pickle.tensor({ ...view, key: 'y' }),
      }),
    );
    const storage = (...values: number[]): number[] => [
      values.length,
      ...new Array<number>(7).fill(0),
      ...floats(...values),
    ];
    const bytes = torchLegacy(data, ['y', 'x'], [...storage(1, 2), ...storage(3, 4)]);
    await withCheckpoint(file('hand'), bytes, async (checkpoint) => {
      assert.deepEqual(await readAll(checkpoint), { a: [3, 4], b: [1, 2] });
    });
  });
});
