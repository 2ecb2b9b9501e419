import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { encodeHeader } from '../../src/checkpoint/safetensors/header.js';
import { terminalText } from '../../src/cli/format/terminal.js';
import { parsePlan } from '../../src/quant/plan-json.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { OutputError, QuantError, TokenizerError } from '../../src/util/errors.js';
import { partialOf, removeLeftBehind, saveFile } from '../../src/util/files.js';
import { packagePath } from '../../src/util/paths.js';
import { floats, safetensors } from '../checkpoint/support/builders.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { saveToy } from '../experiment/support.js';

const RUNS = packagePath('test', 'fixtures', 'before-families', 'runs');
const SMALL = { vocabSize: 61, layers: 1, head: false } as const;

describe('cli: files from anyone', () => {
  const at = temporaryFolder();

  const received = async (name: string): Promise<string> => {
    await cp(join(RUNS, '20261126-105928-a138f5'), at(name), { recursive: true });
    return at(name);
  };

  it('writes a report and figures into a received folder through no link', async () => {
    const run = await received('linked');
    await writeFile(at('precious'), 'precious');
    await mkdir(at('elsewhere'));
    await symlink('../precious', join(run, 'report.html'));
    await symlink('../elsewhere', join(run, 'figures'));
    const report = await runCli(['report', run, '--quiet']);
    assert.match(report.stderr, /report\.html: will not write through it; got a link/);
    assert.equal(report.code, 4);
    const plot = await runCli(['plot', run, '--quiet', '--format', 'json']);
    assert.match(plot.stderr, /figures: will not write through it; got a link/);
    assert.equal(plot.code, 4);
    assert.equal(await readFile(at('precious'), 'utf8'), 'precious');
    assert.deepEqual(await readdir(at('elsewhere')), []);
  });

  it('reads none of its files through a link, and tells nothing of what lies there', async () => {
    const run = await received('leading');
    await writeFile(at('secret'), 'secret words');
    await rm(join(run, 'trace.json'));
    await symlink('../secret', join(run, 'trace.json'));
    const { code, stderr } = await runCli(['plot', run, '--quiet']);
    assert.equal(code, 3);
    assert.match(stderr, /trace\.json: cannot be read; got a link, folder or device/);
    assert.doesNotMatch(stderr, /secret words/);
  });

  it('refuses a run of a model with more blocks than a file can hold', async () => {
    const run = await received('deep');
    const record = await readFile(join(run, 'run.json'), 'utf8');
    const deep = record.replace(/"layers": ?\d+/, '"layers": 9007199254740991');
    assert.notEqual(deep, record);
    await writeFile(join(run, 'run.json'), deep);
    const { code, stderr } = await runCli(['plot', run, '--quiet']);
    assert.equal(code, 3);
    assert.match(stderr, /run\.json.*layers/);
  });

  it('shows control characters of tensor names and paths, and carries none out', async () => {
    const name = 'w\u001b[2Jx\u009b1m\u202e';
    const header = { [name]: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } };
    const path = at('evil\u001b]0;title\u0007.safetensors');
    await writeFile(path, safetensors(JSON.stringify(header), floats(1)));
    const { code, stderr } = await runCli(['inspect', path]);
    assert.equal(code, 3);
    assert.doesNotMatch(stderr.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
    const toy = await saveToy(path, SMALL);
    for (const more of [[], ['--json']]) {
      const { stdout } = await runCli(['inspect', toy, ...more]);
      assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
      assert.match(stdout, /evil\\u001b\]0;title\\u0007/);
    }
    const json = JSON.stringify({ a: '\u009b\u202e' });
    assert.deepEqual(JSON.parse(terminalText(json)), { a: '\u009b\u202e' });
  });

  for (const [what, content, message] of [
    ['1e300', '{"context_length": 1e300}', /context length is no positive integer/],
    ['2^53+1', '{"context_length": 9007199254740993}', /context length is no positive integer/],
    ['2^53+1 as text', '{"context_length": "9007199254740993"}', /context length is no positive/],
    ['a list', '{"context_length": [32]}', /context length is no positive integer/],
    ['true', '{"context_length": true}', /context length is no positive integer/],
    ['a name twice', '{"context_length": 8, "context_length": 9}', /a name is given twice/],
    ['an array', '[1, 2]', /not a JSON object/],
  ] as const)
    it(`refuses a config.json by name: ${what}`, async () => {
      const path = join(at(what), 'm.safetensors');
      await mkdir(dirname(path));
      const header = { 'emb.weight': { dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] } };
      for (const name of ['blocks.0.att.key.weight', 'blocks.0.ffn.key.weight'])
        Object.assign(header, { [name]: { dtype: 'F32', shape: [0], data_offsets: [4, 4] } });
      await writeFile(path, safetensors(JSON.stringify(header), floats(1)));
      await writeFile(join(dirname(path), 'config.json'), content);
      const { code, stderr } = await runCli(['inspect', path, '--family', 'spikegpt']);
      assert.match(stderr, message);
      assert.ok(code === 2 || code === 3, `${code}`);
    });

  it('reads a config.json with a byte order mark', async () => {
    await mkdir(at('bom'));
    const toy = await saveToy(join(at('bom'), 'm.safetensors'), SMALL);
    const text = (await readFile(toy))
      .toString('latin1')
      .replace('context_length', 'contexttlength');
    await writeFile(toy, text, 'latin1');
    await writeFile(join(at('bom'), 'config.json'), '\uFEFF{"context_length": 48}');
    const { stdout, stderr } = await runCli(['inspect', toy]);
    assert.match(stdout, /48 tokens \(config\.json\)/, stderr);
  });

  it('refuses a model of width zero', async () => {
    const empty = { dtype: 'F32', shape: [4, 0], data_offsets: [0, 0] };
    const header = { 'emb.weight': empty, 'blocks.0.att.key.weight': empty };
    await writeFile(at('zero.safetensors'), safetensors(JSON.stringify(header)));
    const { code, stderr } = await runCli([
      ...['inspect', at('zero.safetensors')],
      ...['--family', 'spikegpt'],
    ]);
    assert.match(stderr, /no matrix, or empty; got shape \[4, 0\]/);
    assert.equal(code, 3);
  });

  it('refuses a plan whose unit has a name of 12 MB, and of 12 kB', () => {
    for (const length of [12e6, 12e3]) {
      const plan = JSON.stringify({ format: 'qslm-plan/1', units: { ['a'.repeat(length)]: 4 } });
      assert.throws(
        () => parsePlan(plan),
        (error) => error instanceof QuantError && error.message.length < 500,
      );
    }
  });

  it('refuses an output of no name, and of 300 characters', async () => {
    await assert.rejects(saveFile('', 'x'), OutputError);
    await assert.rejects(
      saveFile(at('n'.repeat(300)), 'x'),
      (error) => error instanceof OutputError && /ENAMETOOLONG/.test(error.message),
    );
  });

  it('removes what a killed process left half-written, and nothing of one that lives', async () => {
    const folder = at('left');
    await mkdir(folder);
    const code = `console.log(require(${JSON.stringify(packagePath('src/util/files.ts'))}).partialOf(${JSON.stringify(join(folder, 'model'))}))`;
    const run = promisify(execFile)(process.execPath, ['--require', 'tsx/cjs', '-e', code]);
    const dead = (await run).stdout.trim();
    const own = partialOf(join(folder, 'other'));
    const elsewhere = join(folder, 'model.000000-1-1-01234567.partial');
    for (const path of [dead, own, elsewhere, join(folder, 'mine.partial')])
      await writeFile(path, 'half');
    await removeLeftBehind(folder);
    const left = (await readdir(folder)).map((name) => join(folder, name));
    assert.deepEqual(left.sort(), [own, elsewhere, join(folder, 'mine.partial')].sort());
  });

  it('writes no header that it would not read', () => {
    const tensors = Array.from({ length: 21_000 }, (_, index) => ({
      name: `blocks.${index}.${'attention.key.weight'.repeat(8)}`,
      dtype: 'float32' as const,
      shape: [1],
    }));
    assert.ok(encodeHeader(tensors, {}).length > 4 * 1024 * 1024);
    assert.throws(() => encodeHeader(tensors, { long: 'x'.repeat(17e6) }), /larger than any that/);
  });

  it('says in a few thousand characters what is wrong with a member of 20,000', () => {
    const plan = JSON.stringify({ format: 'x'.repeat(20_000), units: {} });
    assert.throws(
      () => parsePlan(plan),
      (error) => error instanceof QuantError && error.message.length < 5000,
    );
  });

  for (const [what, change, message] of [
    [
      'an odd decoder',
      { decoder: { type: 'Sequence', decoders: [null] } },
      /cannot be (used|built)/,
    ],
    ['an id of 2^31 − 1', { added_tokens: [{ id: 2 ** 31 - 1, content: 'x' }] }, /"added_tokens"/],
  ] as const)
    it(`refuses a tokenizer with ${what}, by name and at once`, async () => {
      const model = { type: 'BPE', vocab: { a: 0 }, merges: [] };
      await writeFile(at('tokenizer.json'), JSON.stringify({ model, ...change }));
      await assert.rejects(
        async () => (await loadTokenizer(at('tokenizer.json'))).decode([0]),
        (error) => error instanceof TokenizerError && message.test(error.message),
      );
    });
});
