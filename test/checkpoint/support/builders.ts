import { crc32 } from 'node:zlib';

/** Little-endian bytes of an unsigned integer. */
export function little(value: number | bigint, bytes: number): number[] {
  let rest = BigInt(value);
  return Array.from({ length: bytes }, () => {
    const byte = Number(rest & 0xffn);
    rest >>= 8n;
    return byte;
  });
}

const ascii = (text: string): number[] => [...Buffer.from(text, 'utf8')];

/** Pieces of a pickle, protocol 2, opcode by opcode (CPython, Lib/pickletools.py). */
export const pickle = {
  /** A whole pickle around the opcodes of one value. */
  of: (...value: number[][]): Uint8Array => new Uint8Array([0x80, 2, ...value.flat(), 0x2e]),
  text: (text: string): number[] => [0x58, ...little(ascii(text).length, 4), ...ascii(text)],
  integer: (value: number): number[] => [0x8a, 8, ...little(BigInt.asUintN(64, BigInt(value)), 8)],
  global: (module: string, name: string): number[] => [0x63, ...ascii(`${module}\n${name}\n`)],
  tuple: (...items: number[][]): number[] => [0x28, ...items.flat(), 0x74],
  list: (...items: number[][]): number[] => [0x5d, 0x28, ...items.flat(), 0x65],
  call: (callable: number[], ...args: number[][]): number[] => [
    ...callable,
    ...pickle.tuple(...args),
    0x52,
  ],
  dict: (entries: Readonly<Record<string, number[]>>): number[] => [
    0x7d,
    0x28,
    ...Object.entries(entries).flatMap(([key, value]) => [...pickle.text(key), ...value]),
    0x75,
  ],
  /** A view of a FloatStorage. */
  tensor: (view: TensorView): number[] =>
    pickle.call(
      pickle.global('torch._utils', '_rebuild_tensor_v2'),
      [
        ...pickle.tuple(
          pickle.text('storage'),
          pickle.global('torch', 'FloatStorage'),
          pickle.text(view.key ?? '0'),
          pickle.text('cpu'),
          pickle.integer(view.elements),
          ...(view.legacy === true ? [[0x4e]] : []),
        ),
        0x51,
      ],
      pickle.integer(view.offset ?? 0),
      pickle.tuple(...view.shape.map(pickle.integer)),
      pickle.tuple(...view.strides.map(pickle.integer)),
      [0x89],
      [0x7d],
    ),
};

export interface TensorView {
  readonly key?: string;
  /** Elements of the storage, as the pickle claims. */
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly legacy?: boolean;
}

export interface ZipEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the directory says, where it shall not be the truth. */
  readonly method?: number;
  readonly compressedSize?: number;
  readonly size?: number;
  readonly crc?: number;
  readonly attributes?: number;
}

/** A zip (APPNOTE.TXT 4.3): local headers with content, the directory, its end. */
export function zip(entries: readonly ZipEntry[], claimedEntries = entries.length): Uint8Array {
  let content = new Uint8Array(0);
  const directory: number[] = [];
  for (const { name, bytes, method = 0, attributes = 0, ...claims } of entries) {
    const { compressedSize = bytes.length, size = bytes.length, crc = crc32(bytes) } = claims;
    const position = content.length;
    const common = [
      ...little(0, 2),
      ...little(method, 2),
      ...little(0, 4),
      ...little(crc, 4),
      ...little(compressedSize, 4),
      ...little(size, 4),
      ...little(ascii(name).length, 2),
      ...little(0, 2),
    ];
    const local = [...little(0x04034b50, 4), ...little(20, 2), ...common, ...ascii(name)];
    content = concat(content, local, bytes);
    directory.push(...little(0x02014b50, 4), ...little(20, 2), ...little(20, 2), ...common);
    directory.push(...little(0, 6), ...little(attributes, 4));
    directory.push(...little(position, 4), ...ascii(name));
  }
  const end = [
    ...little(0x06054b50, 4),
    ...little(0, 4),
    ...little(claimedEntries, 2),
    ...little(claimedEntries, 2),
    ...little(directory.length, 4),
    ...little(content.length, 4),
    ...little(0, 2),
  ];
  return concat(content, directory, end);
}

/** A zip checkpoint with this pickle and storages "0", "1", …. */
export function torchZip(data: Uint8Array, ...storages: Uint8Array[]): Uint8Array {
  return zip([
    { name: 'm/data.pkl', bytes: data },
    ...storages.map((bytes, key) => ({ name: `m/data/${key}`, bytes })),
  ]);
}

/** A legacy checkpoint with this state pickle, storage keys, and what follows them. */
export function torchLegacy(
  data: Uint8Array,
  keys: readonly string[],
  rest: readonly number[],
): Uint8Array {
  const magic = [0x8a, 10, ...little(0x1950a86a20f9469cfc6cn, 10)];
  const machine = pickle.dict({ little_endian: [0x88] });
  return concat(
    pickle.of(magic),
    pickle.of(pickle.integer(1001)),
    pickle.of(machine),
    data,
    pickle.of(pickle.list(...keys.map(pickle.text))),
    rest,
  );
}

/** Not by spreading: some of the pieces have millions of bytes. */
function concat(...pieces: (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(pieces.map((piece) => Uint8Array.from(piece))));
}

/** float32 values as bytes. */
export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(new Float32Array(values).buffer);
}

/** A safetensors file with this JSON, which may be wrong, and this many bytes of data. */
export function safetensors(
  json: string,
  data: Uint8Array = new Uint8Array(0),
  claimedLength: number | bigint = Buffer.byteLength(json),
): Uint8Array {
  return new Uint8Array([...little(claimedLength, 8), ...ascii(json), ...data]);
}
