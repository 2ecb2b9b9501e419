import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { exportDevice, type DeviceExport } from '../../../src/experiment/open/export-device.js';
import { sample } from '../../../src/model/generate.js';
import { describeModel } from '../../../src/model/structure.js';
import type { Plan } from '../../../src/quant/plan.js';
import { PER_CHANNEL } from '../../../src/quant/scheme/granularity.js';
import { createScheme } from '../../../src/quant/scheme/scheme.js';
import { vocabularyBytes } from '../../../src/tokenizer/token-bytes.js';
import { loadTokenizer } from '../../../src/tokenizer/tokenizer.js';
import { packagePath } from '../../../src/util/paths.js';
import { seededRandom } from '../../../src/util/random.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { toyCheckpoint } from '../../support/toy.js';
import { ARM, CLANG, compile, GCC, itCompiles, run } from './support.js';

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');
const TOY = { vocabSize: 61, width: 16, hiddenWidth: 64, layers: 2, classes: 0 } as const;
const PLAN: Plan = new Map([['*', createScheme({ bits: 4, granularity: PER_CHANNEL })]]);

describe('device: the program', () => {
  const at = temporaryFolder();
  let toy: DeviceExport;
  let spelled: DeviceExport;
  before(async () => {
    const checkpoint = toyCheckpoint(TOY);
    const description = await describeModel(checkpoint, {});
    toy = await exportDevice({ ...description, checkpoint }, PLAN, at('toy'));
    // Of a larger vocabulary the first tokens.
    const tokenizer = await loadTokenizer(TOKENIZER);
    spelled = await exportDevice({ ...description, checkpoint, tokenizer }, PLAN, at('spelled'));
  });

  itCompiles(
    'holds the arena that was said, and writes no warning',
    [GCC, CLANG, ARM],
    async () => {
      for (const toolchain of [GCC, CLANG, ARM]) {
        const said = run(compile(at('toy'), toolchain, ['-O0'], 'harness.c'), ['sizes']).toString();
        assert.deepEqual(said.trim().split(' ').map(Number), [toy.arenaBytes, toy.arenaBytes]);
      }
      assert.match(
        await readFile(toy.source, 'utf8'),
        new RegExp(`^#define QSLM_ARENA_BYTES ${toy.arenaBytes}ul$`, 'm'),
      );
      assert.doesNotMatch(
        await readFile(toy.source, 'utf8'),
        /\b(?:malloc|calloc|realloc|alloca)\b/,
      );
    },
  );

  itCompiles("has the engine's exponential, to the last bit", [GCC], () => {
    const random = seededRandom(9);
    const inputs = Float64Array.from({ length: 20_000 }, (_, i) => {
      const scale = [1e-9, 0.1, 0.35, 1.05, 30, 750][i % 6];
      return -scale * random.float();
    });
    inputs.set([0, -0, -Infinity, -745.2, -1, -0.34657359027997264, -1.0397207708399179]);
    const program = compile(at('toy'), GCC, ['-O1'], 'harness.c');
    const output = run(program, ['exp'], new Uint8Array(inputs.buffer));
    const got = new Float64Array(Uint8Array.from(output).buffer);
    assert.deepEqual(
      got,
      inputs.map((x) => Math.exp(x)),
    );
  });

  itCompiles('samples as generate does, at equal logits too', [GCC], () => {
    const random = seededRandom(11);
    const rows = 300;
    const logits = Float32Array.from({ length: rows * TOY.vocabSize }, () =>
      // Ties, and tokens that are never drawn.
      random.float() < 0.05 ? -Infinity : random.integer(-8, 8) / 2,
    );
    for (const [seed, temperature, topP] of [
      [0, 1, 1],
      [77, 0.7, 0.9],
      [4_294_967_295, 3, 0.5],
      [5, 1e-3, 1e-9],
    ]) {
      const draws = seededRandom(seed);
      const expected = Array.from({ length: rows }, (_, row) => {
        const own = logits.subarray(row * TOY.vocabSize, (row + 1) * TOY.vocabSize);
        return sample(own, temperature, topP, draws.float());
      });
      const program = compile(at('toy'), GCC, ['-O1'], 'harness.c');
      const argv = ['sample', ...[seed, temperature, topP].map(String)];
      const output = run(program, argv, new Uint8Array(logits.buffer));
      assert.deepEqual([...new Uint32Array(Uint8Array.from(output).buffer)], expected);
    }
  });

  itCompiles('refuses what it cannot take, by name and exit code', [GCC], async () => {
    const [program] = compile(at('toy'), GCC);
    const bytes = await readFile(toy.weights);
    const write = async (name: string, content: Uint8Array): Promise<string> => {
      await writeFile(at(name), content);
      return at(name);
    };
    const edited = (offset: number, byte: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[offset] ^= byte;
      return copy;
    };
    const cases: readonly (readonly [argv: readonly string[], code: number, says: RegExp])[] = [
      [[], 2, /^usage: /],
      [[toy.weights, 'sing', '1'], 2, /^usage: /],
      [[toy.weights, 'generate', '--top-p', '0', '1'], 2, /^usage: /],
      [[toy.weights, 'generate', '--seed', '-1', '1'], 2, /^usage: /],
      [[toy.weights, 'generate', '--text', '1'], 2, /no vocabulary/],
      [[at('none'), 'generate', '1'], 3, /cannot be opened/],
      [[await write('empty', Buffer.alloc(0)), 'generate', '1'], 3, /not a weights file/],
      [[await write('other', edited(0, 1)), 'generate', '1'], 3, /not a weights file/],
      [[await write('newer', edited(8, 3)), 'generate', '1'], 3, /another version/],
      [[await write('cut', bytes.subarray(0, -1)), 'generate', '1'], 3, /truncated/],
      [
        [await write('longer', Buffer.concat([bytes, bytes])), 'generate', '1'],
        3,
        /no room for it/,
      ],
      [[await write('bit', edited(bytes.length - 9, 16)), 'generate', '1'], 3, /damaged/],
      [[toy.weights, 'generate', '61'], 4, /^error: 61: not the id of a token$/m],
      [[toy.weights, 'generate', '1x'], 4, /^error: 1x: not the id/],
      [[toy.weights, 'generate'], 4, /no tokens/],
    ];
    for (const [argv, code, says] of cases) {
      const { status, stderr, stdout } = spawnSync(program, argv, { encoding: 'utf8', input: '' });
      assert.equal(status, code, `${argv.join(' ')}: ${stderr}`);
      assert.match(stderr, says);
      assert.equal(stdout, '');
    }
  });

  itCompiles('reads nothing past the end of a mutated file', [GCC], () => {
    const flags = ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const program = compile(at('spelled'), GCC, flags, 'fuzz.c');
    const said = run(program, [spelled.weights, '3000', '17']).toString().trim().split('\n');
    const counts = new Map(
      said.map((line) => {
        const [, count, reason] = /^(\d+) (.*)$/.exec(line)!;
        return [reason, Number(count)] as const;
      }),
    );
    // Every answer is given but that of a big-endian machine, acceptance of what makes sense included.
    const never = [...counts].filter(([, count]) => count === 0).map(([reason]) => reason);
    assert.deepEqual(never, ['this machine is big-endian']);
  });

  itCompiles('writes the text of tokens, and ends where it says', [GCC], async () => {
    const tokenizer = await loadTokenizer(TOKENIZER);
    const program = compile(at('spelled'), GCC);
    const argv = [spelled.weights, 'generate', '--length', '40', '--seed', '2'];
    const walk = (...more: string[]): Buffer => run(program, [...argv, ...more, '5', '30']);
    const idsOf = (text: Buffer): number[] => text.toString().trim().split('\n').map(Number);
    const ids = idsOf(walk('--stop', '-1'));
    assert.equal(ids.length, 40);
    assert.equal(walk('--stop', '-1', '--text').toString(), tokenizer.decode(ids));
    const stop = ids[20];
    assert.deepEqual(idsOf(walk('--stop', String(stop))), ids.slice(0, ids.indexOf(stop)));
    const never = ['<|padding|>', '<unk>'].map((token) => tokenizer.idOf(token)!);
    assert.ok(!ids.some((id) => never.includes(id)));
    assert.match(
      await readFile(spelled.source, 'utf8'),
      new RegExp(`^#define QSLM_STOP 0\n#define QSLM_FORBIDDEN ${never.join(', ')}$`, 'm'),
    );
  });

  it('knows the bytes of every token', async () => {
    const tokenizer = await loadTokenizer(TOKENIZER);
    const texts = (await vocabularyBytes(TOKENIZER))!;
    assert.equal(texts.length, tokenizer.vocabSize);
    texts.forEach((bytes, id) => {
      assert.equal(bytes.length, tokenizer.byteLengthOf(id), `token ${id}`);
      assert.equal(Buffer.from(bytes).toString(), tokenizer.decode([id]), `token ${id}`);
    });
  });
});
