/**
 * Reads Python pickles, protocols 2 to 5, as far as a state dict needs them (opcodes and their meaning:
 * CPython, Lib/pickletools.py). Nothing is executed: a name is looked up in a list of allowed ones, and
 * calling it runs our own function.
 *
 * npm's `pickleparser` 0.2.1 was tried first: it cannot read the 10-byte magic number of PyTorch's
 * legacy format nor negative LONG1 integers, never ends on a BINBYTES of negative length, and has no
 * limits.
 */
import { MAX_NAME_CHARACTERS } from '../limits.js';
import { PickleGlobal, PickleMachine, type PickleWorld } from './pickle-machine.js';

const STOP = 0x2e;
const HIGHEST_PROTOCOL = 5;
/** Enough for PyTorch's 10-byte magic number; Python's own integers could be 2 GB long. */
const MAX_INTEGER_BYTES = 255;

type Opcodes<T> = Readonly<Record<number, (m: PickleMachine) => T>>;

/** Opcodes that push one value. */
const values: Opcodes<unknown> = {
  0x4e: /* NONE */ () => null,
  0x88: /* NEWTRUE */ () => true,
  0x89: /* NEWFALSE */ () => false,
  0x4a: /* BININT */ (m) => m.int32(),
  0x4b: /* BININT1 */ (m) => m.unsigned(1),
  0x4d: /* BININT2 */ (m) => m.unsigned(2),
  0x8a: /* LONG1 */ (m) => m.integer(m.unsigned(1)),
  0x8b: /* LONG4 */ (m) => m.integer(shortLength(m)),
  0x47: /* BINFLOAT */ (m) => m.float64(),
  0x58: /* BINUNICODE */ (m) => m.text(m.unsigned(4)),
  0x8c: /* SHORT_BINUNICODE */ (m) => m.text(m.unsigned(1)),
  0x8d: /* BINUNICODE8 */ (m) => m.text(m.uint64()),
  // Python 2's str: text here, as PyTorch treats it.
  0x54: /* BINSTRING */ (m) => m.text(m.unsigned(4)),
  0x55: /* SHORT_BINSTRING */ (m) => m.text(m.unsigned(1)),
  0x42: /* BINBYTES */ (m) => m.take(m.unsigned(4)),
  0x43: /* SHORT_BINBYTES */ (m) => m.take(m.unsigned(1)),
  0x68: /* BINGET */ (m) => m.recall(m.unsigned(1)),
  0x6a: /* LONG_BINGET */ (m) => m.recall(m.unsigned(4)),
  0x63: /* GLOBAL */ (m) => m.global(m.line(), m.line()),
  0x93: /* STACK_GLOBAL */ stackGlobal,
  0x52: /* REDUCE */ reduce,
  0x51: /* BINPERSID */ persistent,
};

/** Opcodes that push a new container. */
const containers: Opcodes<unknown[] | Map<unknown, unknown>> = {
  0x5d: /* EMPTY_LIST */ () => [],
  0x7d: /* EMPTY_DICT */ () => new Map(),
  0x29: /* EMPTY_TUPLE */ () => [],
  0x85: /* TUPLE1 */ (m) => [m.pop()],
  0x86: /* TUPLE2 */ (m) => [m.pop(), m.pop()].reverse(),
  0x87: /* TUPLE3 */ (m) => [m.pop(), m.pop(), m.pop()].reverse(),
  0x74: /* TUPLE */ (m) => m.popMarked(),
};

/** Opcodes that push nothing. The results of their functions do not matter. */
const effects: Opcodes<unknown> = {
  0x80: /* PROTO */ protocol,
  0x95: /* FRAME */ (m) => m.uint64(),
  0x28: /* MARK */ (m) => m.mark(),
  0x30: /* POP */ (m) => (m.marked ? m.popMarked() : m.pop()),
  0x31: /* POP_MARK */ (m) => m.popMarked(),
  0x71: /* BINPUT */ (m) => m.remember(m.unsigned(1)),
  0x72: /* LONG_BINPUT */ (m) => m.remember(m.unsigned(4)),
  0x94: /* MEMOIZE */ (m) => m.remember(),
  0x61: /* APPEND */ (m) => append(m, [m.pop()]),
  0x65: /* APPENDS */ (m) => append(m, m.popMarked()),
  0x73: /* SETITEM */ (m) => setItems(m, [m.pop(), m.pop()].reverse()),
  0x75: /* SETITEMS */ (m) => setItems(m, m.popMarked()),
  0x62: /* BUILD */ build,
  0x69: /* INST */ instance,
};

/**
 * Reads one pickle. Lists and tuples become arrays, dictionaries Maps, None null, integers beyond 2^53
 * bigint, allowed names {@link PickleGlobal}.
 *
 * @param start of the pickle within `bytes`.
 * @returns the value, and the position after the pickle.
 * @throws {CheckpointError} when the pickle is damaged, asks for a name that is not allowed, or is
 *   larger in any respect than a state dict can be (limits.ts).
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  world: PickleWorld,
): { value: unknown; end: number } {
  const machine = new PickleMachine(bytes, start, world);
  for (;;) {
    const opcode = machine.opcode();
    if (opcode === STOP) return { value: machine.pop(), end: machine.end };
    if (opcode in values) machine.push(values[opcode](machine));
    else if (opcode in containers) machine.pushContainer(containers[opcode](machine));
    else if (opcode in effects) effects[opcode](machine);
    else
      machine.fail(
        `opcode 0x${opcode.toString(16).padStart(2, '0')} is unknown, or of no use to a state dict`,
      );
  }
}

function protocol(m: PickleMachine): void {
  const version = m.unsigned(1);
  if (version > HIGHEST_PROTOCOL) m.fail(`protocol ${version} is unknown`, HIGHEST_PROTOCOL);
}

function shortLength(m: PickleMachine): number {
  const length = m.unsigned(4);
  if (length > MAX_INTEGER_BYTES) m.fail('an integer is too long', MAX_INTEGER_BYTES);
  return length;
}

function stackGlobal(m: PickleMachine): unknown {
  const [name, module] = [m.pop(), m.pop()];
  if (typeof module === 'string' && typeof name === 'string') return m.global(module, name);
  return m.fail('a name is no string');
}

function reduce(m: PickleMachine): unknown {
  const [args, called] = [m.pop(), m.pop()];
  if (!(called instanceof PickleGlobal) || called.call === undefined)
    return m.fail('it calls something that is no function');
  if (!Array.isArray(args)) return m.fail('the arguments of a call are no tuple');
  m.countObject();
  return called.call(args, m.world.site);
}

function persistent(m: PickleMachine): unknown {
  const load = m.world.persistentLoad ?? m.fail('it refers to data outside of it');
  return load(m.pop(), m.world.site);
}

/** Attributes of an OrderedDict (`_metadata`: versions of layers) say nothing about the weights. */
function build(m: PickleMachine): void {
  m.pop();
  if (!(m.top() instanceof Map)) m.fail('it sets attributes of something that is no dictionary');
}

/** Protocol 0's call by name, never in a state dict: refused, by the name where that is not allowed. */
function instance(m: PickleMachine): never {
  m.global(m.line(), m.line());
  return m.fail('it uses opcode INST');
}

function append(m: PickleMachine, items: readonly unknown[]): unknown {
  const list = m.top();
  if (!Array.isArray(list)) return m.fail('it appends to something that is no list');
  for (const item of items) list.push(item);
  return list;
}

function setItems(m: PickleMachine, pairs: readonly unknown[]): unknown {
  const dict = m.top();
  if (!(dict instanceof Map)) return m.fail('it sets items of something that is no dictionary');
  if (pairs.length % 2 !== 0) return m.fail('a key has no value');
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i];
    if (typeof key === 'string' && key.length > MAX_NAME_CHARACTERS)
      m.fail('a key of a dictionary is too long', MAX_NAME_CHARACTERS);
    dict.set(key, pairs[i + 1]);
  }
  return dict;
}
