import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { CheckpointError } from '../../src/util/errors.js';
import {
  floats,
  little,
  pickle,
  safetensors,
  torchLegacy,
  torchZip,
  zip,
  type TensorView,
} from './support/builders.js';
import { fixtures, refused } from './support/fixtures.js';
import { temporaryFolder, withCheckpoint } from './support/temporary.js';

const text = (string: string): Uint8Array => new Uint8Array(Buffer.from(string, 'latin1'));

/** A state dict of one tensor "a", as a pickle. */
function stateDict(view: TensorView): Uint8Array {
  return pickle.of(pickle.dict({ a: pickle.tensor(view) }));
}

const VECTOR: TensorView = { elements: 2, shape: [2], strides: [1] };
const GOOD = stateDict(VECTOR);
const LEGACY = stateDict({ ...VECTOR, legacy: true });
const FOUR_MIB = 4 * 1024 * 1024;

/** JSON of one F32 tensor "a" of two elements, with the members given instead of the right ones. */
function header(changes: Record<string, unknown> = {}): string {
  return JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...changes } });
}

const DATA = floats(1, 2);

/**
 * A zip64 by PyTorch with one number replaced: offset 8 of the locator "PK\\6\\7" (where the end record
 * is), or 32 and 48 of the end record "PK\\6\\6" (how many entries, and where their list is).
 */
function zip64(offset: 8 | 32 | 48, value: bigint): Uint8Array {
  const bytes = Uint8Array.from(fixtures.viewsZip);
  const record = Buffer.from(bytes).indexOf(offset === 8 ? 'PK\x06\x07' : 'PK\x06\x06');
  bytes.set(little(value, 8), record + offset);
  return bytes;
}

const cases: readonly [title: string, bytes: Uint8Array, message: RegExp][] = [
  // Neither format.
  ['an empty file', new Uint8Array(0), /the file is empty; got 0 bytes/],
  ['a text file', text('hello, world'), /no checkpoint.*68 65 6c 6c.*"hello, wo".*expected 50 4b/],
  ['a file of one byte', text('P'), /no checkpoint.*first bytes 50 /],
  // Zip.
  [
    'a zip cut in the middle',
    fixtures.viewsZip.subarray(0, 600),
    /zip is truncated or damaged; got End of central directory record signature not found/,
  ],
  ['an empty zip', zip([]), /no PyTorch checkpoint; got 0 entries/],
  ['another zip', zip([{ name: 'a.txt', bytes: DATA }]), /got 1 entries, none of them/],
  [
    'a zip bomb: a compressed pickle',
    zip([{ name: 'm/data.pkl', bytes: text('tiny'), method: 8, size: 4_000_000_000 }]),
    /m\/data\.pkl is compressed or encrypted.*got 4 bytes that claim to hold 4000000000/,
  ],
  [
    'a zip bomb: more stored bytes than the file has',
    zip([{ name: 'm/data.pkl', bytes: GOOD, size: 4e9, compressedSize: 4e9 }]),
    /claims to hold more than the file; got 4000000000 bytes; expected at most \d+/,
  ],
  [
    'a zip bomb: many entries over the same bytes',
    zip(
      Array.from({ length: 9 }, (_, i) => ({
        name: `m/${i}`,
        bytes: new Uint8Array(i === 0 ? 5000 : 0),
        size: 5000,
        compressedSize: 5000,
      })),
    ),
    /claims to hold more than the file/,
  ],
  [
    'a zip of too many entries',
    zip([], 25_001),
    /too many entries; got 25001; expected at most 25000/,
  ],
  [
    'a zip with an entry twice',
    zip(['m/data.pkl', 'm/data.pkl'].map((name) => ({ name, bytes: GOOD }))),
    /entry is there twice; got m\/data\.pkl/,
  ],
  [
    // Found by `npm run fuzz`: of such an entry torch gives what its memory held before.
    'a zip with an entry that is marked as a folder',
    zip([{ name: 'm/data.pkl', bytes: GOOD, attributes: 0xff }]),
    /m\/data\.pkl is marked as a folder.*got attributes 255/,
  ],
  [
    'a zip with a path upwards',
    zip([{ name: '../data.pkl', bytes: GOOD }]),
    /invalid relative path/,
  ],
  [
    'a huge pickle',
    zip([{ name: 'm/data.pkl', bytes: new Uint8Array(FOUR_MIB + 1) }]),
    /pickle is too large.*got 4194305 bytes; expected at most 4194304/,
  ],
  [
    'a pickle that is damaged',
    zip([{ name: 'm/data.pkl', bytes: GOOD, crc: 1 }]),
    /the pickle is damaged; got CRC-32/,
  ],
  [
    'a big-endian checkpoint',
    zip([
      { name: 'm/data.pkl', bytes: GOOD },
      { name: 'm/byteorder', bytes: text('big') },
    ]),
    /byte order; got big; expected little/,
  ],
  [
    'a storage that is missing',
    torchZip(GOOD),
    /tensor "a": the data.*missing.*expected storage 0/,
  ],
  [
    'a storage shorter than the pickle says',
    torchZip(GOOD, floats(1)),
    /tensor "a": the storage of the tensor is larger.*got 8 bytes; expected at most 4/,
  ],
  [
    'a tensor beyond its storage',
    torchZip(stateDict({ elements: 2, offset: 1, shape: [2], strides: [1] }), DATA),
    /tensor "a": the tensor is larger.*got 12 bytes; expected at most 8/,
  ],
  [
    'a stride beyond its storage',
    torchZip(stateDict({ elements: 2, shape: [2], strides: [2 ** 52] }), DATA),
    /tensor "a": the tensor is larger/,
  ],
  [
    'a small storage that claims a huge tensor',
    torchZip(stateDict({ elements: 2, shape: [2 ** 40, 2 ** 40], strides: [0, 0] }), DATA),
    /tensor "a": the tensor in memory is larger/,
  ],
  [
    'sizes whose product is no number',
    torchZip(
      stateDict({ elements: 2, shape: Array(40).fill(2 ** 52), strides: Array(40).fill(0) }),
      DATA,
    ),
    /the tensor in memory is larger.*got Infinity/,
  ],
  [
    'a negative size',
    torchZip(stateDict({ ...VECTOR, shape: [-1] }), DATA),
    /a size is out of range; got -1/,
  ],
  [
    'a tensor of 65 dimensions',
    torchZip(stateDict({ ...VECTOR, shape: Array(65).fill(1), strides: Array(65).fill(1) }), DATA),
    /too many dimensions; got 65; expected at most 64/,
  ],
  [
    'fewer strides than sizes',
    torchZip(stateDict({ ...VECTOR, strides: [] }), DATA),
    /not one stride for each size; got 1 sizes and 0 strides/,
  ],
  [
    'a zip64 directory beyond all files',
    zip64(8, 2n ** 60n),
    /truncated, or points beyond its end/,
  ],
  ['a zip64 list beyond all files', zip64(48, 2n ** 64n - 1n), /truncated, or points beyond/],
  ['a zip64 count beyond all numbers', zip64(32, 2n ** 63n), /too many entries/],
  // What the pickle asks for and holds.
  ['os.system in a zip', refused.evilZip, /asks for posix\.system, which is refused/],
  ['os.system in a legacy file', refused.evilLegacy, /asks for posix\.system, which is refused/],
  [
    'os.system by its own name',
    torchZip(pickle.of(pickle.call(pickle.global('os', 'system'), pickle.text('touch pwned')))),
    /m\/data\.pkl, byte \d+: the pickle asks for os\.system/,
  ],
  [
    '_load_from_bytes, which unpickles again',
    torchZip(pickle.of(pickle.global('torch.storage', '_load_from_bytes'))),
    /asks for torch\.storage\._load_from_bytes/,
  ],
  [
    'a whole pickled model',
    refused.wholeModule,
    /asks for torch\.nn\.modules\.linear\.Linear.*expected a state dict/,
  ],
  ['a list', torchZip(pickle.of(pickle.list())), /holds no dictionary; got a list of 0/],
  [
    'a dictionary without tensors',
    torchZip(pickle.of(pickle.dict({ epoch: pickle.integer(1) }))),
    /holds no tensors; got the keys \["epoch"\]; expected tensors at the top, or under "state_dict"/,
  ],
  [
    'lists that contain each other',
    torchZip(pickle.of([0x5d, 0x71, 0, 0x68, 0, 0x61])),
    /holds no dictionary; got a list of 1/,
  ],
  // Legacy.
  ['another pickle', pickle.of(pickle.integer(7)), /magic number.*got 7/],
  ['os.system in a plain pickle', pickle.of(pickle.global('os', 'system')), /asks for os\.system/],
  ['a legacy file cut in its pickle', fixtures.viewsLegacy.subarray(0, 300), /pickle is truncated/],
  [
    'a legacy file cut in its data',
    fixtures.viewsLegacy.subarray(0, -1),
    /storage \d+ at byte \d+: the file is truncated; got \d+ bytes; expected at least \d+/,
  ],
  [
    'a legacy file whose counts disagree',
    torchLegacy(LEGACY, ['0'], [...little(3, 8), ...DATA]),
    /size of the storage is not what the pickle says; got 3 elements; expected 2/,
  ],
  [
    'a legacy file with a key too many',
    torchLegacy(LEGACY, ['0', '1'], [...little(2, 8), ...DATA]),
    /list of storages does not match.*got key "1"/,
  ],
  [
    'a legacy file without one of its keys',
    torchLegacy(LEGACY, [], []),
    /tensor "a": the data of the tensor is missing/,
  ],
  [
    'a legacy pickle without end',
    torchLegacy(pickle.of(new Array<number[]>(FOUR_MIB / 2).fill([0x4e, 0x30]).flat()), [], [0]),
    /pickle is too large for a state dict/,
  ],
  // safetensors.
  ['a safetensors file cut in its length', safetensors('{}').subarray(0, 7), /no checkpoint/],
  [
    'a safetensors file cut in its header',
    safetensors(header(), DATA).subarray(0, 30),
    /truncated within its header; got 22 bytes after the length; expected at least/,
  ],
  [
    'a safetensors file cut in its data',
    safetensors(header(), DATA).subarray(0, -1),
    /tensor "a": the file is truncated.*got 7 bytes of data; expected at least 8/,
  ],
  [
    'a safetensors header that is too large',
    safetensors('{}', DATA, 2n ** 63n),
    /header is too large; got 9223372036854775808 bytes; expected at most 16777216/,
  ],
  ['a header that is no JSON', safetensors('{"a"'), /header is no JSON/],
  ['a header that is no object', safetensors('{}', DATA, 0), /header is no JSON/],
  [
    'a name twice',
    safetensors(`{"a":${header().slice(5, -1)},"\\u0061":${header().slice(5, -1)}}`, DATA),
    /a name is there twice; got "a"/,
  ],
  [
    'an unknown type',
    safetensors(header({ dtype: 'F8_E5M2' }), DATA),
    /type is unknown; got "F8_E5M2"/,
  ],
  ['a shape that is no list', safetensors(header({ shape: 2 }), DATA), /shape is no list/],
  ['a negative size in a header', safetensors(header({ shape: [-2] }), DATA), /shape is no list/],
  ['a fraction of a size', safetensors(header({ shape: [1.5] }), DATA), /shape is no list/],
  [
    'a shape that does not match its bytes',
    safetensors(header({ shape: [3] }), DATA),
    /does not match the shape; got 8 bytes; expected 12 for float32 \[3\]/,
  ],
  [
    'sizes whose product is beyond all files',
    safetensors(header({ shape: [2 ** 52, 2 ** 52] }), DATA),
    /does not match the shape/,
  ],
  ['positions out of order', safetensors(header({ data_offsets: [8, 0] }), DATA), /got -8 bytes/],
  ['positions that are no pair', safetensors(header({ data_offsets: [0] }), DATA), /no pair/],
  [
    'a tensor beyond the end',
    safetensors(header({ data_offsets: [8, 16] }), DATA),
    /points beyond its end.*got 8 bytes of data; expected at least 16/,
  ],
  [
    'tensors that overlap',
    safetensors(
      JSON.stringify({
        a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
        b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
      }),
      DATA,
    ),
    /tensor "b": the tensor overlaps another; got begin 4; expected 8/,
  ],
  [
    'a gap between tensors',
    safetensors(header({ shape: [1], data_offsets: [4, 8] }), DATA),
    /gap before the tensor; got begin 4; expected 0/,
  ],
  [
    'bytes after the last tensor',
    safetensors(header(), floats(1, 2, 3)),
    /bytes after the last tensor; got 12; expected 8/,
  ],
  ['metadata that is no text', safetensors('{"__metadata__":{"a":1}}'), /metadata "a" is no text/],
  ['metadata that is no object', safetensors('{"__metadata__":[]}'), /no JSON object/],
  ['an entry that is no object', safetensors('{"a":null}'), /no JSON object; got null/],
];

describe('checkpoint: bad input', () => {
  const file = temporaryFolder();

  for (const [title, bytes, message] of cases)
    it(`refuses ${title}`, async () => {
      const path = file('bad.pth');
      await assert.rejects(
        withCheckpoint(path, bytes, () => undefined),
        (error) => {
          assert.ok(error instanceof CheckpointError, String(error));
          assert.ok(error.message.startsWith(path), error.message);
          assert.match(error.message, message);
          return true;
        },
      );
      assert.ok(!existsSync('pwned'));
    });

  it('names a file that is not there, and a folder', async () => {
    await assert.rejects(
      openCheckpoint(file('none.pth')),
      /none\.pth: there is no such file; got ENOENT; expected a checkpoint file/,
    );
    await mkdir(file('folder'));
    await assert.rejects(
      openCheckpoint(file('folder')),
      /cannot read.*got a folder; expected a file/,
    );
    await writeFile(file('plain'), 'x');
    await assert.rejects(openCheckpoint(file('plain/x')), /part of the path is a file/);
  });

  it('accepts the same files without their faults', async () => {
    const good = [
      torchZip(GOOD, DATA),
      torchLegacy(LEGACY, ['0'], [...little(2, 8), ...DATA]),
      safetensors(header(), DATA),
    ];
    for (const bytes of good)
      await withCheckpoint(file('good'), bytes, async (checkpoint) => {
        assert.deepEqual([...(await checkpoint.readFloat32('a'))], [1, 2]);
      });
  });
});
