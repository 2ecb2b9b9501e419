import type { Random } from '../../src/util/random.js';

/** Files of one case by name. */
export type Files = Readonly<Record<string, Uint8Array>>;

/** Numbers at which readers go wrong. */
const EDGES = [
  0,
  1,
  -1,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
];
const VALUES: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  '\u0000\u001b[2J',
  '__proto__',
  [],
  {},
  [[]],
  [1e300],
  1e300,
  -1e300,
  0.5,
  5e-324,
  2 ** 53 + 2,
  ...EDGES,
  'NaN',
  'a'.repeat(20_000),
];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.integer(0, from.length - 1)];
}

/** Bytes with one to four faults: flipped, set, cut, doubled, moved, numbers at their edges. */
export function mutateBytes(random: Random, whole: Uint8Array): Uint8Array {
  let bytes: Buffer = Buffer.from(whole);
  for (let faults = random.integer(1, 4); faults > 0; faults--) {
    if (bytes.length === 0) return bytes;
    const at = random.integer(0, bytes.length - 1);
    const length = Math.min(bytes.length - at, random.integer(1, 40));
    const kind = random.integer(0, 6);
    if (kind === 0) bytes[at] ^= 1 << random.integer(0, 7);
    else if (kind === 1) bytes[at] = random.integer(0, 255);
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    else if (kind === 4)
      bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    else if (kind === 5 && at + 8 <= bytes.length)
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(pick(random, EDGES))), at);
    else if (at + 4 <= bytes.length) bytes.writeUInt32LE((pick(random, EDGES) % 2 ** 31) >>> 0, at);
  }
  return bytes;
}

/** A JSON value with one to three faults at places of their own: replaced, left out, renamed, doubled. */
export function mutateJson(random: Random, value: unknown): unknown {
  const copy = { root: structuredClone(value) };
  for (let faults = random.integer(1, 3); faults > 0; faults--) {
    const places: [holder: Record<string, unknown>, key: string][] = [];
    const walk = (holder: Record<string, unknown>): void => {
      for (const key of Object.keys(holder)) {
        places.push([holder, key]);
        const member = holder[key];
        if (typeof member === 'object' && member !== null) walk(member as Record<string, unknown>);
      }
    };
    walk(copy);
    if (places.length === 0) break;
    const [holder, key] = pick(random, places);
    const old = holder[key];
    const kind = random.integer(0, 5);
    if (kind <= 1) holder[key] = structuredClone(pick(random, VALUES));
    else if (kind === 2 && typeof old === 'number')
      holder[key] = pick(random, [-old, old + 1, old - 1, old * 1e9, old / 3, ...EDGES]);
    else if (kind === 3) Reflect.deleteProperty(holder, key);
    else if (kind === 4)
      holder[`${key}${pick(random, ['', ' ', '.0', '/x'])}`] = pick(random, VALUES);
    else holder[key] = structuredClone(pick(random, places)[0]);
  }
  return copy.root;
}

/** JSON, "null" also for what JSON has no text for. */
export function jsonText(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}

/** The text of a value that was mutated; in one of ten also with a fault in the text. */
export function mutateJsonText(random: Random, value: unknown): Uint8Array {
  const text = Buffer.from(jsonText(mutateJson(random, value)), 'utf8');
  return random.integer(0, 9) === 0 ? mutateBytes(random, text) : text;
}
