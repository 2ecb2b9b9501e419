import { CheckpointError } from '../../util/errors.js';
import { printable } from '../describe.js';
import {
  MAX_HEADER_BYTES,
  MAX_PICKLE_DEPTH,
  MAX_PICKLE_OBJECTS,
  MAX_PICKLE_STACK,
} from '../limits.js';

/** One for all strings: making one takes longer than decoding a name. Refuses what is not UTF-8. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The place of a pickle, for error messages: "model.pth: data.pkl". */
export type Site = string;

/**
 * A Python name that a pickle may mention. `call`, where there is one, says what calling it gives; it
 * must take no longer than its arguments were long, since a pickle can repeat a call in two bytes.
 */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call?: (args: readonly unknown[], site: Site) => unknown,
  ) {}
}

/** Everything that the bytes of a pickle may lead to; the rest is refused. */
export interface PickleWorld {
  readonly site: Site;
  /** By full name: "collections.OrderedDict". */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Turns a persistent id into a value; without it, persistent ids are refused. */
  readonly persistentLoad?: (id: unknown, site: Site) => unknown;
}

/** Bytes, stack, marks and memo of a pickle being read. Bounded in each; executes nothing. */
export class PickleMachine {
  private readonly buffer: Buffer;
  private readonly stack: unknown[] = [];
  /** Stack heights at which a MARK stands. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private objects = 0;
  /** Of the opcode being carried out, for error messages. */
  private opcodeAt = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private position: number,
    readonly world: PickleWorld,
  ) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The position after all that was read. */
  get end(): number {
    return this.position;
  }

  /** The next opcode: errors name its position until there is another one. */
  opcode(): number {
    this.opcodeAt = this.position;
    return this.unsigned(1);
  }

  /** An unsigned integer, little-endian. */
  unsigned(bytes: 1 | 2 | 4): number {
    return this.buffer.readUIntLE(this.advance(bytes), bytes);
  }

  /** A signed integer of 4 bytes, little-endian. */
  int32(): number {
    return this.buffer.readInt32LE(this.advance(4));
  }

  /** A length; beyond 2^53 it is inexact, and far beyond the data in any case. */
  uint64(): number {
    return Number(this.buffer.readBigUInt64LE(this.advance(8)));
  }

  /** Big-endian, unlike the integers. */
  float64(): number {
    return this.buffer.readDoubleBE(this.advance(8));
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Uint8Array {
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** The next `length` bytes as UTF-8. */
  text(length: number): string {
    const bytes = this.take(length);
    try {
      return UTF8.decode(bytes);
    } catch {
      return this.fail('a string is not UTF-8');
    }
  }

  /** Text up to a newline, which is consumed. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    const text = this.text((end < 0 ? this.bytes.length : end) - this.position);
    this.advance(1);
    return text;
  }

  /** Two's complement, little-endian: a number where it is exact, otherwise a bigint. */
  integer(length: number): number | bigint {
    let value = 0n;
    for (const byte of this.take(length).toReversed()) value = (value << 8n) | BigInt(byte);
    const signed = BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  /** Puts a value on the stack. */
  push(value: unknown): void {
    if (this.stack.length >= MAX_PICKLE_STACK)
      this.fail('the pickle is no state dict: too many values on its stack', MAX_PICKLE_STACK);
    this.stack.push(value);
  }

  /** {@link push} for a new list, tuple or dict. */
  pushContainer(value: unknown[] | Map<unknown, unknown>): void {
    this.countObject();
    this.push(value);
  }

  /** To be called for everything made that takes more memory than the bytes that asked for it. */
  countObject(): void {
    if (++this.objects > MAX_PICKLE_OBJECTS)
      this.fail('the pickle is no state dict: too many objects', MAX_PICKLE_OBJECTS);
  }

  /** Takes the value on top, which must not lie below a MARK. */
  pop(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('its stack is empty');
    return this.stack.pop();
  }

  /** The value on top, which must not lie below a MARK. */
  top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('its stack is empty');
    return this.stack.at(-1);
  }

  /** Sets a MARK on the stack; returns how many there are. */
  mark(): number {
    if (this.marks.length >= MAX_PICKLE_DEPTH)
      this.fail('the pickle is no state dict: nested too deep', MAX_PICKLE_DEPTH);
    return this.marks.push(this.stack.length);
  }

  /** Takes off all values since the last MARK, and the mark. */
  popMarked(): unknown[] {
    return this.stack.splice(this.marks.pop() ?? this.fail('there is no MARK'));
  }

  /** True where a mark stands on top of the stack. */
  get marked(): boolean {
    return this.marks.at(-1) === this.stack.length;
  }

  /** Puts the value on top into the memo, after all others unless an index is given; returns the memo. */
  remember(index = this.memo.size): unknown {
    if (this.memo.size >= MAX_PICKLE_OBJECTS)
      this.fail('the pickle is no state dict: its memo is too large', MAX_PICKLE_OBJECTS);
    return this.memo.set(index, this.top());
  }

  /** The value at an index of the memo. */
  recall(index: number): unknown {
    if (!this.memo.has(index)) this.fail(`memo ${index} was never filled`);
    return this.memo.get(index);
  }

  /** The allowed global of that name. @throws {CheckpointError} with the name for any other. */
  global(module: string, name: string): PickleGlobal {
    const fullName = `${module}.${name}`;
    const found = this.world.globals.get(fullName);
    if (found !== undefined) return found;
    throw new CheckpointError({
      what: `the pickle asks for ${printable(fullName)}, which is refused: a checkpoint executes nothing`,
      where: this.here(),
      got: printable(fullName),
      expected: 'a state dict of tensors, as torch.save(model.state_dict(), …) writes it',
    });
  }

  /** Refuses the pickle, as damaged or as beyond a limit. @throws {CheckpointError} always. */
  fail(what: string, limit?: number): never {
    throw new CheckpointError({
      what: limit === undefined ? `the pickle is damaged: ${what}` : what,
      where: this.here(),
      ...(limit === undefined ? {} : { expected: `at most ${limit}` }),
    });
  }

  private here(): string {
    return `${this.world.site}, byte ${this.opcodeAt}`;
  }

  private advance(length: number): number {
    const start = this.position;
    if (start + length > this.bytes.length)
      throw new CheckpointError({
        what:
          this.bytes.length < MAX_HEADER_BYTES
            ? 'the pickle is truncated'
            : 'the pickle is too large for a state dict',
        where: this.here(),
        got: `${this.bytes.length} bytes`,
        expected: `at least ${start + length}`,
      });
    this.position = start + length;
    return start;
  }
}
