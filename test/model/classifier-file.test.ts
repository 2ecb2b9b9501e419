import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { saveToy } from '../experiment/support.js';

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');

/** What a search says in JSON, as far as it is looked at here. */
interface Searched {
  readonly result: {
    readonly baseline: { readonly bytes: number };
    readonly selected: { readonly bytes: number };
  };
}

/** A classifier's file as the public prototype writes it: classifier.weight, and the head left in. */
describe('a classifier file with its language-model head', () => {
  const at = temporaryFolder();
  let path = '';
  before(async () => {
    path = await saveToy(at('classifier.safetensors'), { vocabSize: 4096, layers: 1, head: true });
  });

  const accuracyOf = async (model: string): Promise<{ value: number; limit: string }> => {
    const { code, stdout, stderr } = await runCli([
      ...['eval', model, '--tokenizer', TOKENIZER, '--limit', '40', '--backend', 'cpu'],
      ...['--json', '--quiet'],
    ]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as { value: number; limit: string };
  };

  it('is loaded without reading the head', async () => {
    await startBackend('cpu');
    const checkpoint = await openCheckpoint(path);
    const read: string[] = [];
    const watched: Checkpoint = {
      ...{ path, format: checkpoint.format, tensors: checkpoint.tensors },
      metadata: checkpoint.metadata,
      readFloat32: (name) => {
        read.push(name);
        return checkpoint.readFloat32(name);
      },
      readBytes: (name) => checkpoint.readBytes(name),
      sha256: () => checkpoint.sha256(),
      close: () => checkpoint.close(),
    };
    const model = await LoadedModel.load(watched, {}, { unused: false });
    model.dispose();
    await checkpoint.close();
    assert.ok(read.includes('classifier.weight'));
    assert.ok(checkpoint.tensors.has('head.weight'));
    assert.ok(!read.includes('head.weight'));
  });

  it('loses the head with --drop-unused, which says what that saves, and measures the same', async () => {
    const output = at('small.safetensors');
    const argv = ['convert', path, '--out', output, '--dtype', 'float32', '--drop-unused'];
    const { code, stdout, stderr } = await runCli([...argv, '--quiet']);
    assert.equal(code, 0, stderr);
    const before = await openCheckpoint(path);
    const after = await openCheckpoint(output);
    const [rows, columns] = before.tensors.get('head.weight')!.shape;
    assert.deepEqual(
      [...before.tensors.keys()].filter((name) => !after.tensors.has(name)),
      ['head.weight'],
    );
    await before.close();
    await after.close();
    const saved = 4 * rows * columns;
    const count = (rows * columns).toLocaleString('en-US');
    assert.match(
      stdout,
      new RegExp(
        `left out +head\\.weight \\(${count} parameters\\): saves .*of the file that was read, \\d+`,
      ),
    );
    const [was, is] = [await readFile(path), await readFile(output)];
    // The header differs by the head's entry.
    assert.ok(Math.abs(was.length - is.length - saved) < 500, `${was.length - is.length} ${saved}`);
    assert.equal((await accuracyOf(output)).value, (await accuracyOf(path)).value);
  });

  it('counts the head as memory with --preset paper, at the width of its module, and says so', async () => {
    const told = async (...more: string[]): Promise<string> => {
      const argv = ['search', path, '--tokenizer', TOKENIZER, '--limit', '20', '--backend', 'cpu'];
      const limits = [
        '--max-loss',
        '100points',
        '--max-memory',
        '100%',
        '--bits',
        '8',
        '--random',
        '0',
      ];
      const kept = ['--store', at('store.sqlite'), '--runs', at('runs')];
      const all = [...argv, ...limits, ...kept, ...more, '--quiet'];
      const { code, stdout, stderr } = await runCli(all);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const search = async (...more: string[]): Promise<Searched> =>
      JSON.parse(await told(...more, '--json')) as Searched;
    const checkpoint = await openCheckpoint(path);
    const [rows, columns] = checkpoint.tensors.get('head.weight')!.shape;
    const values = [...checkpoint.tensors.values()]
      .map(({ shape }) => shape.reduce((product, length) => product * length, 1))
      .reduce((sum, count) => sum + count, 0);
    await checkpoint.close();
    const quantizer = ['--quantizer', 'paper-minmax'];
    const [all, used] = [await search('--preset', 'paper'), await search(...quantizer)];
    assert.equal(all.result.baseline.bytes, 4 * values);
    assert.equal(used.result.baseline.bytes, 4 * (values - rows * columns));
    const selected = ({ result }: Searched): number => result.selected.bytes;
    // A byte a value, a scale and a zero point.
    assert.equal(selected(all) - selected(used), rows * columns + 8);
    const counted = /^memory +all parameters of the file/m;
    assert.match(await told('--preset', 'paper'), counted);
    assert.doesNotMatch(await told(...quantizer), counted);
    const own = await search('--preset', 'paper', '--accounting', 'used');
    assert.equal(own.result.baseline.bytes, used.result.baseline.bytes);
  });

  it('says so where there is nothing to leave out', async () => {
    const argv = ['convert', 'spikegpt-mini', '--out', at('mini.safetensors'), '--drop-unused'];
    const { stdout, stderr } = await runCli([...argv, '--quiet', '--force']);
    assert.match(stdout, /left out +nothing: the model computes with all of the file/, stderr);
  });
});
