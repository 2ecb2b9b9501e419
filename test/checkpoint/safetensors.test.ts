import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { ITEM_BYTES, type Dtype } from '../../src/checkpoint/dtypes.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { duplicateKey } from '../../src/checkpoint/safetensors/json-keys.js';
import { writeSafetensors, type TensorToWrite } from '../../src/checkpoint/safetensors/write.js';
import { AbortedError, CheckpointError, OutputError } from '../../src/util/errors.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { floats, safetensors } from './support/builders.js';
import { temporaryFolder } from './support/temporary.js';

function tensor(name: string, dtype: Dtype, shape: number[], bytes: Uint8Array): TensorToWrite {
  return { name, dtype, shape, bytes: () => Promise.resolve(bytes) };
}

/** An error of the kernel itself: writing to /dev/full fails with ENOSPC. */
async function fullDisk(): Promise<never> {
  const file = await open('/dev/full', 'w');
  try {
    await file.write('x');
  } finally {
    await file.close();
  }
  throw new Error('/dev/full took a byte');
}

describe('checkpoint/safetensors', () => {
  const file = temporaryFolder();

  /** What lies in the folder, to see that nothing is left behind. */
  const left = (): Promise<string[]> => readdir(dirname(file('x')));

  it('writes the bytes of the format', async () => {
    const path = file('exact.safetensors');
    const size = await writeSafetensors(
      path,
      [
        tensor('b', 'float32', [1, 2], floats(1, -2)),
        tensor('10', 'uint8', [3], Uint8Array.of(7, 8, 9)),
      ],
      { z: '123', a: 'é' },
    );
    const json =
      '{"__metadata__":{"a":"é","z":"123"},' +
      '"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
      '"10":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}';
    // 146 bytes; the next multiple of 8 is 152.
    const padded = json + ' '.repeat(6);
    const expected = safetensors(padded, Uint8Array.of(...floats(1, -2), 7, 8, 9));
    const written = new Uint8Array(await readFile(path));
    assert.deepEqual(written, expected);
    assert.equal(size, expected.length);
    assert.equal(written.indexOf(0x7b), 8);
  });

  it('gives back what was written, for any types and shapes', async () => {
    const dtypes = Object.keys(ITEM_BYTES) as Dtype[];
    const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
    const tensors = fc.uniqueArray(
      fc.record({
        name: fc.string({ unit: 'binary' }),
        dtype: fc.constantFrom(...dtypes),
        shape: shapes,
      }),
      { selector: ({ name }) => name, maxLength: 5 },
    );
    const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3, noNullPrototype: true });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (list, words) => {
        const contents = list.map(({ dtype, shape }) =>
          new Uint8Array(shape.reduce((a, b) => a * b, 1) * ITEM_BYTES[dtype]).map(
            (_, i) => i * 37 + n,
          ),
        );
        const path = file(`round-${n++}.safetensors`);
        const given = list.map((info, i) => tensor(info.name, info.dtype, info.shape, contents[i]));
        await writeSafetensors(path, given, words);
        const checkpoint = await openCheckpoint(path);
        try {
          assert.deepEqual(
            [...checkpoint.tensors.values()],
            list.map((info) => ({ ...info })),
          );
          assert.deepEqual(checkpoint.metadata, words);
          for (const [i, { name }] of list.entries())
            assert.deepEqual(await checkpoint.readBytes(name), contents[i]);
        } finally {
          await checkpoint.close();
        }
      }),
      { numRuns: 50 },
    );
  });

  it('asks for one tensor at a time, and reports bytes', async () => {
    const log: string[] = [];
    const events: ProgressEvent[] = [];
    const tensors = ['a', 'b'].map((name) => ({
      ...tensor(name, 'float32', [2], floats(1, 2)),
      bytes: () => {
        log.push(name);
        return Promise.resolve(floats(1, 2));
      },
    }));
    const onProgress = (event: ProgressEvent): void => {
      events.push(event);
      log.push(`wrote ${event.note}`);
    };
    const total = await writeSafetensors(file('progress'), tensors, {}, { onProgress });
    assert.deepEqual(log, ['wrote header', 'a', 'wrote a', 'b', 'wrote b']);
    assert.deepEqual(
      events.map((e) => e.done),
      [total - 16, total - 8, total],
    );
    assert.ok(events.every((e) => e.total === total && e.unit === 'bytes'));
  });

  it('leaves nothing when it is stopped, the disk is full or the data is wrong', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const path = file('unfinished');
    const before = await left();
    const first = tensor('a', 'float32', [2], floats(1, 2));
    const run = (second: () => Promise<Uint8Array>, signal?: AbortSignal): Promise<number> =>
      writeSafetensors(
        path,
        [first, { ...first, name: 'b', bytes: second }],
        {},
        signal === undefined ? {} : { signal },
      );

    const stop = new AbortController();
    const stopping = run(() => {
      stop.abort();
      return Promise.resolve(floats(1, 2));
    }, stop.signal);
    await assert.rejects(stopping, AbortedError);
    await assert.rejects(run(fullDisk), (error) => {
      assert.ok(error instanceof OutputError);
      assert.match(error.message, /unfinished: cannot write; got ENOSPC \(no space left/);
      return true;
    });
    await assert.rejects(
      run(() => Promise.resolve(floats(1))),
      /tensor "b": the data does not match the shape; got 4 bytes; expected 8 for float32 \[2\]/,
    );
    assert.deepEqual(await left(), before);
  });

  it('refuses two tensors of one name, and the name of the metadata', async () => {
    const a = tensor('a', 'uint8', [0], new Uint8Array(0));
    await assert.rejects(writeSafetensors(file('two'), [a, a], {}), CheckpointError);
    const metadata = { ...a, name: '__metadata__' };
    await assert.rejects(writeSafetensors(file('two'), [metadata], {}), CheckpointError);
  });

  it('finds keys that are twice in one object, at any depth', () => {
    assert.equal(duplicateKey('{"a":1,"b":{"a":1,"c":[{"a":2}]}}'), undefined);
    assert.equal(duplicateKey('{"a":{"b":1},"c":{"b":[],"b":2}}'), 'b');
    assert.equal(duplicateKey('{"\\u0061":1,"a":2}'), 'a');
    assert.equal(duplicateKey('{"a":"\\"a\\":","b":":{","c":"a"}'), undefined);
    assert.equal(duplicateKey('{"x\\\\":1,"x\\\\":2}'), 'x\\');
  });
});
