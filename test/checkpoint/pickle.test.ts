import assert from 'node:assert/strict';
import { PickleGlobal } from '../../src/checkpoint/torch/pickle-machine.js';
import { unpickle } from '../../src/checkpoint/torch/pickle.js';
import { CheckpointError } from '../../src/util/errors.js';
import { little, pickle } from './support/builders.js';

const allowed = new PickleGlobal('math.double', (args) => Number(args[0]) * 2);
const constant = new PickleGlobal('math.pi');
const world = {
  site: 'test',
  globals: new Map([allowed, constant].map((g) => [g.name, g])),
};

function read(bytes: Uint8Array | readonly number[]): unknown {
  return unpickle(new Uint8Array(bytes), 0, world).value;
}

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/**
 * Python 3.11: pickle.dumps([None, True, False, 0, 255, 65535, -1, 2**31-1, -2**31, 2**40, -2**40,
 * 2**64, 1.5, -0.1, 'a', 'é€😀', 'x'*300, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
 * [], [1, [2]], {}, {'a': 1, 'b': {'c': (1,)}}], protocol=P)
 */
const PYTHON: Readonly<Record<number, string>> = {
  2:
    'gAJdcQAoToiJSwBL/03//0r/////Sv///39KAAAAgIoGAAAAAAABigYAAAAAAP+KCQAAAAAAAAAAAUc/+AAAAAAAAE' +
    'e/uZmZmZmZmlgBAAAAYXEBWAkAAADDqeKCrPCfmIBxAlgsAQAAeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH' +
    'h4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH' +
    'h4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'cQMpSwGFcQRLAUsChnEFSwFLAksDh3EGKEsBSwJLA0sEdHEHXXEIXXEJKEsBXXEKSwJhZX1xC31xDChoAUsBWAEAAA' +
    'BicQ19cQ5YAQAAAGNxD2gEc3VlLg==',
  4:
    'gASVzwEAAAAAAABdlChOiIlLAEv/Tf//Sv////9K////f0oAAACAigYAAAAAAAGKBgAAAAAA/4oJAAAAAAAAAAABRz' +
    '/4AAAAAAAAR7+5mZmZmZmajAFhlIwJw6nigqzwn5iAlFgsAQAAeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH' +
    'h4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH' +
    'h4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4' +
    'lClLAYWUSwFLAoaUSwFLAksDh5QoSwFLAksDSwR0lF2UXZQoSwFdlEsCYWV9lH2UKGgBSwGMAWKUfZSMAWOUaARzdW' +
    'Uu',
};

const PYTHON_VALUES = [
  null,
  true,
  false,
  0,
  255,
  65535,
  -1,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 40,
  -(2 ** 40),
  2n ** 64n,
  1.5,
  -0.1,
  'a',
  'é€😀',
  'x'.repeat(300),
  [],
  [1],
  [1, 2],
  [1, 2, 3],
  [1, 2, 3, 4],
  [],
  [1, [2]],
  new Map(),
  new Map<string, unknown>([
    ['a', 1],
    ['b', new Map([['c', [1]]])],
  ]),
];

describe('checkpoint/pickle', () => {
  for (const [protocol, text] of Object.entries(PYTHON))
    it(`reads what Python writes with protocol ${protocol}`, () => {
      assert.deepEqual(read(base64(text)), PYTHON_VALUES);
    });

  it('reads bytes', () => {
    assert.deepEqual(read([0x80, 3, 0x43, 2, 0, 255, 0x2e]), Uint8Array.of(0, 255));
    assert.deepEqual(read([0x80, 3, 0x42, ...little(2, 4), 0, 255, 0x2e]), Uint8Array.of(0, 255));
  });

  it('says where the pickle ends', () => {
    const bytes = new Uint8Array([9, ...pickle.of([0x4e]), 7, 7]);
    assert.deepEqual(unpickle(bytes, 1, world), { value: null, end: 5 });
  });

  it('shares what the memo shares, cycles included', () => {
    // l = []; l.append(l)
    const list = read([0x80, 2, 0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e]) as unknown[];
    assert.equal(list[0], list);
  });

  it('calls allowed names only, and by our own function', () => {
    assert.equal(
      read(pickle.of(pickle.call(pickle.global('math', 'double'), pickle.integer(21)))),
      42,
    );
    assert.throws(() => read(pickle.of(pickle.call(pickle.global('math', 'pi')))), /no function/);
    assert.throws(() => read(pickle.of(pickle.call(pickle.text('x')))), /no function/);
  });

  it('reads integers of any length up to 255 bytes, in two’s complement', () => {
    assert.equal(read([0x80, 2, 0x8a, 0, 0x2e]), 0);
    assert.equal(read([0x80, 2, 0x8a, 1, 0x80, 0x2e]), -128);
    assert.equal(read([0x80, 2, 0x8a, 2, 0x80, 0x00, 0x2e]), 128);
    assert.equal(read([0x80, 2, 0x8b, ...little(2, 4), 0x80, 0xff, 0x2e]), -128);
    assert.throws(() => read([0x80, 2, 0x8b, ...little(256, 4)]), /too long.*at most 255/);
  });

  const refused: [string, number[], RegExp][] = [
    [
      'GLOBAL',
      pickle.call(pickle.global('os', 'system'), pickle.text('id')),
      /asks for os\.system/,
    ],
    ['STACK_GLOBAL', [...pickle.text('posix'), ...pickle.text('system'), 0x93], /posix\.system/],
    ['INST', [0x28, 0x69, ...Buffer.from('os\nsystem\n')], /os\.system/],
    ['an allowed INST', [0x28, 0x69, ...Buffer.from('math\ndouble\n')], /INST/],
    ['a function of builtins', pickle.global('builtins', 'eval'), /builtins\.eval/],
    ['JavaScript’s own names', pickle.global('constructor', 'constructor'), /constructor/],
    ['__proto__', pickle.global('__proto__', 'x'), /__proto__\.x/],
    ['control characters in a name', pickle.global('os\x1b[2J', 'x'), /os\\u001b\[2J\.x/],
    ['a name of any length', pickle.global('m'.repeat(1000), 'x'), /m{80}…/],
    ['OBJ', [0x28, 0x6f], /opcode 0x6f/],
    ['NEWOBJ', [0x81], /opcode 0x81/],
    ['EXT1', [0x82, 1], /opcode 0x82/],
    ['a persistent id where none is expected', [...pickle.text('x'), 0x51], /data outside/],
    ['BUILD on a list', [0x5d, 0x7d, 0x62], /sets attributes/],
    ['a protocol of the future', [0x80, 6], /protocol 6/],
    ['an empty stack', [0x30], /stack is empty/],
    ['taking values below a mark', [0x4e, 0x4e, 0x28, 0x86], /stack is empty/],
    ['looking below a mark', [0x5d, 0x28, 0x71, 0, 0x31], /stack is empty/],
    ['a missing mark', [0x74], /no MARK/],
    ['an unfilled memo', [0x68, 3], /memo 3/],
    ['a key without value', [0x7d, 0x28, 0x4e, 0x75], /no value/],
    ['items of a list', [0x5d, 0x28, 0x4e, 0x4e, 0x75], /no dictionary/],
    ['appending to a dictionary', [0x7d, 0x4e, 0x61], /no list/],
    ['text that is not UTF-8', [0x58, ...little(1, 4), 0xff], /not UTF-8/],
    ['a length beyond the end', [0x58, ...little(2 ** 32 - 1, 4)], /truncated/],
    ['a length beyond all numbers', [0x8d, ...little(2n ** 64n - 1n, 8)], /truncated/],
    ['a name without end', [0x63, 0x61, 0x61], /truncated/],
  ];
  for (const [title, opcodes, message] of refused)
    it(`refuses ${title}`, () => {
      assert.throws(
        () => read(pickle.of(opcodes)),
        (error) => error instanceof CheckpointError && message.test(error.message),
      );
    });

  it('refuses a pickle cut at any byte', () => {
    const whole = base64(PYTHON[2]);
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => read(whole.subarray(0, length)), CheckpointError, `${length} bytes`);
  });

  const bombs: [string, number[], RegExp][] = [
    ['values on its stack', new Array<number>(100_001).fill(0x4e), /stack.*at most 100000/],
    ['marks', new Array<number>(1_001).fill(0x28), /too deep.*at most 1000/],
    ['containers', new Array<number[]>(250_001).fill([0x5d, 0x30]).flat(), /objects.*250000/],
    [
      'results of calls',
      [
        ...[...pickle.global('math', 'double'), 0x71, 0, 0x4e, 0x85, 0x71, 1],
        ...new Array<number[]>(250_001).fill([0x68, 0, 0x68, 1, 0x52, 0x30]).flat(),
      ],
      /objects.*250000/,
    ],
    ['memo slots', [0x4e, ...new Array<number>(250_001).fill(0x94)], /memo.*250000/],
  ];
  for (const [title, opcodes, message] of bombs)
    it(`refuses a pickle with too many ${title}`, () => {
      assert.throws(() => read(new Uint8Array([0x80, 4, ...opcodes, 0x2e])), message);
    });
});
