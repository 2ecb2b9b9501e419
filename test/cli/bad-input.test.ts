import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { packagePath } from '../../src/util/paths.js';
import { floats, pickle, torchZip, zip } from '../checkpoint/support/builders.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { saveToy } from '../experiment/support.js';
import { runCli } from './support/run.js';

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');
/** A classifier over the bundled vocabulary. */
const SMALL = { vocabSize: 4096, layers: 1, head: false } as const;
const LANGUAGE_MODEL = { vocabSize: 4096, layers: 1, classes: 0, contextLength: 32 } as const;

/** Pickle opcodes of `os.system(command)`. */
function osSystem(command: string): number[] {
  return pickle.call(pickle.global('os', 'system'), pickle.text(command));
}

describe('cli: input that cannot be used', () => {
  const at = temporaryFolder();
  let good = '';
  let prose = '';
  before(async () => {
    good = await saveToy(at('good.safetensors'), SMALL);
    prose = await saveToy(at('prose.safetensors'), LANGUAGE_MODEL);
  });

  /** Evaluates, and expects exit code 3 and one message: where, what, got, expected. */
  async function refused(argv: readonly string[], message: RegExp): Promise<void> {
    const { code, stdout, stderr } = await runCli(['eval', ...argv, '--backend', 'cpu', '--quiet']);
    assert.match(stderr, message);
    assert.match(stderr, /^error: [^]*; got [^]*; expected /);
    assert.doesNotMatch(stderr, /\n\s+at |NaN%|undefined/);
    assert.deepEqual([code, stdout], [3, '']);
  }

  async function refusedFile(bytes: Uint8Array, message: RegExp): Promise<void> {
    await writeFile(at('bad.pth'), bytes);
    await refused([at('bad.pth'), '--tokenizer', TOKENIZER], message);
  }

  it('a file that is not there', () =>
    refused(['missing.pth'], /missing\.pth: there is no such model; got neither a file/));

  it('a truncated zip', async () => {
    const whole = torchZip(
      pickle.of(pickle.dict({ a: pickle.tensor({ elements: 2, shape: [2], strides: [1] }) })),
      floats(1, 2),
    );
    await refusedFile(
      whole.subarray(0, whole.length - 30),
      /bad\.pth: .*zip is truncated or damaged/,
    );
  });

  it('a wrong magic', () =>
    refusedFile(
      Buffer.from('GGUF, but not really'),
      /bad\.pth: the file is no checkpoint of a known format; got first bytes 47 47 55 46/,
    ));

  it('a pickle that calls os.system, which is not called', async () => {
    const trace = at('was-here');
    const evil = pickle.of(pickle.dict({ a: osSystem(`touch ${trace}`) }));
    await refusedFile(torchZip(evil), /bad\.pth.*os\.system/s);
    assert.ok(!existsSync(trace));
  });

  it('a zip bomb', () =>
    refusedFile(
      zip([{ name: 'm/data.pkl', bytes: floats(1), method: 8, size: 4_000_000_000 }]),
      /bad\.pth.*compressed.*got 4 bytes that claim to hold 4000000000/s,
    ));

  it('a tensor that is missing, one that is misshapen and one too many, all in one message', async () => {
    const gap = await saveToy(at('gap.safetensors'), SMALL, ['blocks.0.ln2.bias']);
    await refused([gap], /gap\.safetensors: [^]*missing blocks\.0\.ln2\.bias, expected \[16\]/);
    // The width of block 0's key says 64; a value matrix of 60 does not fit it.
    const json = (await readFile(good)).toString('latin1');
    const misshapen = json.replace(
      /("blocks\.0\.ffn\.value\.weight":\{"dtype":"F32","shape":)\[16,64\]/,
      '$1[32,32]',
    );
    assert.notEqual(misshapen, json);
    await writeFile(at('shape.safetensors'), misshapen, 'latin1');
    await refused(
      [at('shape.safetensors')],
      /misshapen blocks\.0\.ffn\.value\.weight: found \[32, 32\], expected \[16, 64\]/,
    );
    const whole = json.replace(
      /("blocks\.0\.ffn\.value\.weight":\{"dtype":")F32("[^}]*"shape":)\[16,64\]/,
      '$1I32$2[16,64]',
    );
    assert.notEqual(whole, json);
    await writeFile(at('integers.safetensors'), whole, 'latin1');
    await refused(
      [at('integers.safetensors')],
      /integers in blocks\.0\.ffn\.value\.weight: found int32, expected float32, float16 or/,
    );
    const two = await saveToy(at('two.safetensors'), { ...SMALL, layers: 2 }, [
      'blocks.1.att.key.weight',
      'blocks.1.att.time_mix_k',
    ]);
    await refused([two], /2 differences:[^]*time_mix_k, expected \[1, 1, 16\][^]*key\.weight/);
  });

  it('NaN weights', async () => {
    const broken = await saveToy(at('nan.safetensors'), SMALL, [], (name, values) => {
      if (name === 'blocks.0.att.value.weight') values[7] = NaN;
    });
    await refused(
      [broken, '--tokenizer', TOKENIZER],
      /nan\.safetensors: .*blocks\.0\.att\.value\.weight.*finite.*NaN.* 7/,
    );
  });

  it('a vocabulary larger than the embedding', async () => {
    const small = await saveToy(at('small.safetensors'), { ...SMALL, vocabSize: 4000 });
    await refused(
      [small, '--tokenizer', TOKENIZER],
      /tokenizer\.json: vocabulary is larger than the embedding; got a vocabulary of 4096.*at most 4000/,
    );
  });

  it('no tokenizer, and a file that is none', async () => {
    await refused(
      [good],
      /good\.safetensors: the tokenizer is missing.*or a path as --tokenizer$/m,
    );
    await writeFile(at('not.json'), '{"model": 1');
    await refused([good, '--tokenizer', at('not.json')], /not\.json: file is truncated/);
  });

  it('an empty text, and an empty prompt', async () => {
    await writeFile(at('empty.txt'), '\n \n');
    await refused(
      [prose, '--tokenizer', TOKENIZER, '--data', at('empty.txt')],
      /empty\.txt: empty text; got 3 characters of white space/,
    );
    const argv = ['generate', prose, '--tokenizer', TOKENIZER, '--prompt', '', '--backend', 'cpu'];
    const { code, stderr } = await runCli([...argv, '--quiet']);
    assert.equal(code, 3);
    assert.match(stderr, /^error: --prompt: empty text; got ""; expected a word or more\n$/);
  });

  it('a TSV without header, with a wrong label, with a column too many', async () => {
    const model = [good, '--tokenizer', TOKENIZER, '--data', at('data.tsv')];
    await writeFile(at('data.tsv'), 'fine .\t1\n');
    await refused(model, /data\.tsv line 1: no header; got "fine \.\\t1"; expected the header/);
    await writeFile(at('data.tsv'), 'sentence\tlabel\nfine .\t1\nso-so .\t2\n');
    await refused(model, /data\.tsv line 3: wrong label; got "2"; expected 0 \(negative\) or 1/);
    await writeFile(at('data.tsv'), 'sentence\tlabel\nfine\t.\t1\n');
    await refused(model, /data\.tsv line 2: too many columns; got 3/);
  });

  it('a task that the model cannot do', async () => {
    await refused(
      [prose, '--tokenizer', TOKENIZER, '--task', 'sst2', '--limit', '2'],
      /the model has no classifier; got 0 classes/,
    );
    const argv = [good, '--tokenizer', TOKENIZER, '--task', 'wikitext2', '--limit', '64'];
    const { code, stderr } = await runCli(['eval', ...argv, '--backend', 'cpu', '--quiet']);
    assert.equal(code, 3);
    assert.match(
      stderr,
      /SpikeGPT: the model has no language-model head; expected a checkpoint with a/,
    );
  });

  it('an option that does not apply, by its flag', async () => {
    const argv = ['eval', good, '--tokenizer', TOKENIZER, '--context', '8', '--backend', 'cpu'];
    const { code, stderr } = await runCli([...argv, '--quiet']);
    assert.equal(code, 2);
    assert.match(stderr, /^error: --context: the option does not apply; got 8 for sst2/);
  });

  it('a plan with a unit or a width that is not there', async () => {
    const model = [good, '--tokenizer', TOKENIZER, '--limit', '4', '--plan', at('plan.json')];
    const plan = (units: object): Promise<void> =>
      writeFile(at('plan.json'), JSON.stringify({ format: 'qslm-plan/1', units }, null, 1));
    await plan({ 'attention.7': 4 });
    await refused(model, /plan\.json, line 4: unknown unit; got attention\.7; expected/);
    await plan({ '*': 17 });
    await refused(model, /plan\.json.*bit width out of range; got 17; expected/);
    await writeFile(at('plan.json'), '{');
    await refused(model, /plan\.json.*broken JSON/);
  });

  it('text longer than the context is computed, with a warning', async () => {
    const argv = ['eval', prose, '--tokenizer', TOKENIZER, '--backend', 'cpu', '--limit', '128'];
    const within = await runCli([...argv, '--quiet']);
    assert.deepEqual([within.code, within.stderr], [0, '']);
    assert.match(within.stdout, /^windows +4 of 32 tokens, not overlapping$/m);
    const beyond = await runCli([...argv, '--quiet', '--context', '64']);
    assert.equal(beyond.code, 0);
    assert.match(
      beyond.stderr,
      /^warning: 2 of 2 windows are longer than the model's context; expected at most 32 tokens/,
    );
    const text = await runCli([
      ...['generate', prose, '--tokenizer', TOKENIZER, '--backend', 'cpu', '--quiet'],
      ...['--prompt', 'The castle', '--length', '40'],
    ]);
    assert.equal(text.code, 0);
    assert.match(
      text.stderr,
      /^warning: the text may become longer.*40 to add, expected at most 32/,
    );
  });
});
