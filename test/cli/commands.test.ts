import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { sha256File } from '../../src/util/hash.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { saveToy } from '../experiment/support.js';
import { runCli, type Outcome } from './support/run.js';

const TOKENIZER = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');
const SMALL = { vocabSize: 4096, layers: 1, head: false } as const;

/** What a command printed as JSON. */
function json(outcome: Outcome): Record<string, unknown> {
  assert.equal(outcome.code, 0, outcome.stderr);
  return JSON.parse(outcome.stdout) as Record<string, unknown>;
}

describe('cli: eval', () => {
  const at = temporaryFolder();
  let eval_: readonly string[] = [];
  before(async () => {
    const model = await saveToy(at('toy.safetensors'), SMALL);
    eval_ = ['eval', model, '--tokenizer', TOKENIZER, '--backend', 'cpu', '--limit', '60'];
  });

  it('prints what was measured, on what, with an interval', async () => {
    const { code, stdout } = await runCli([...eval_, '--quiet']);
    assert.equal(code, 0);
    assert.match(stdout, /^model +toy$/m);
    assert.match(stdout, /^embedding +spike \(checkpoint metadata\)$/m);
    assert.match(stdout, /^backend +cpu: TensorFlow\.js [\d.]+, plain JavaScript$/m);
    assert.match(stdout, /^task +sst2: accuracy over 60 sentences$/m);
    assert.match(stdout, /^accuracy +\d+\.\d % \(\d+ of 60; 95 % interval \d+\.\d–\d+\.\d %\)$/m);
    assert.match(stdout, /^speed +[\d,.]+ tokens\/s \([\d.]+ s\)$/m);
  });

  it('gives bit-identical numbers when run again', async () => {
    const numbers = async (): Promise<unknown> => {
      const { seconds, quantized, ...rest } = json(
        await runCli([...eval_, '--quiet', '--json', '--bits', '3']),
      );
      assert.equal(typeof seconds, 'number');
      return { ...rest, quantized: { ...(quantized as object), seconds: 0 } };
    };
    assert.deepEqual(await numbers(), await numbers());
  });

  it('prints nothing but JSON on stdout with --json, and the same into --out', async () => {
    const outcome = await runCli([...eval_, '--json', '--out', at('deep/result.json')]);
    const value = json(outcome);
    assert.equal(value['metric'], 'accuracy');
    assert.equal(await readFile(at('deep/result.json'), 'utf8'), outcome.stdout);
    assert.deepEqual(Object.keys(value['task'] as object).slice(0, 3), [
      'name',
      'metric',
      'source',
    ]);
    assert.ok(outcome.stdout.length < 3000, 'single answers do not belong here');
  });

  it('compares a width, or a plan, with the unquantized model', async () => {
    const { stdout } = await runCli([...eval_, '--quiet', '--bits', '1']);
    const table = stdout.split('\n\n')[1].trimEnd().split('\n');
    assert.match(
      table[0],
      /^ *plan +accuracy +95 % interval +memory +saving +change, points +McNemar p +tokens\/s$/,
    );
    assert.match(table[2], /^ *fp32 +\d+\.\d % .* MB +0\.0 % +[\d,.]+$/);
    assert.match(table[3], /^ *1 bit +\d+\.\d % .* kB +9\d\.\d % +[+−]?\d+\.\d +(\d|<)/);
    assert.equal(table.length, 4);
    // One grid: every cell ends below the end of its title.
    assert.equal(
      new Set(
        table
          .slice(1, 2)
          .concat(table[3])
          .map((line) => line.length),
      ).size,
      1,
    );

    const plan = { format: 'qslm-plan/1', units: { '*': { bits: 1 } } };
    await writeFile(at('plan.json'), JSON.stringify(plan));
    const [byPlan, byBits] = [
      json(await runCli([...eval_, '--quiet', '--json', '--plan', at('plan.json')])),
      json(await runCli([...eval_, '--quiet', '--json', '--bits', '1'])),
    ].map((value) => value['quantized'] as { plan: string; value: number; bytes: number });
    assert.deepEqual(
      [byPlan.plan, byPlan.value, byPlan.bytes],
      [byBits.plan, byBits.value, byBits.bytes],
    );
  });

  it('quantizes as the paper on request', async () => {
    const plans = await Promise.all(
      ['min-max', 'paper-minmax', 'best'].map(async (quantizer) => {
        const argv = [...eval_, '--quiet', '--json', '--bits', '4', '--quantizer', quantizer];
        const { quantized } = json(await runCli(argv)) as { quantized: { plan: string } };
        return quantized.plan;
      }),
    );
    assert.equal(new Set(plans).size, 3);
  });
});

describe('cli: generate', () => {
  const generate = ['generate', 'spikegpt-mini', '--prompt', 'The castle was built', '--quiet'];

  it('continues a prompt in ordinary text, the same for the same seed', async () => {
    const [first, again, other] = [
      await runCli([...generate, '--length', '12', '--seed', '3']),
      await runCli([...generate, '--length', '12', '--seed', '3']),
      await runCli([...generate, '--length', '12', '--seed', '4']),
    ];
    assert.equal(first.code, 0);
    assert.match(first.stdout, /^The castle was built\b.*[^ ]\n$/s);
    assert.doesNotMatch(first.stdout, /@-@|<unk>|\u{FFFD}/u);
    assert.equal(again.stdout, first.stdout);
    assert.notEqual(other.stdout, first.stdout);
  });

  it('leaves the text as it is in raw style', async () => {
    const argv = [...generate, '--length', '4', '--style', 'raw', '--temperature', '0', '--json'];
    const { text, tokens } = json(await runCli(argv)) as { text: string; tokens: number[] };
    assert.ok(text.startsWith('The castle was built '));
    assert.equal(tokens.length, 4);
  });
});

describe('cli: convert', () => {
  const at = temporaryFolder();
  /** Two embedding values that float16 would round to −0, one that it rounds to 0. */
  const tiny = (name: string, values: Float32Array): void => {
    if (name === 'emb.weight') values.set([-1e-9, 1e-9, -3e-10, -0.5], 32);
  };
  const spikes = async (path: string): Promise<boolean[]> => {
    const checkpoint = await openCheckpoint(path);
    const values = await checkpoint.readFloat32('emb.weight');
    await checkpoint.close();
    return [...values].map((value) => value >= 0);
  };

  it('writes a folder with metadata and tokenizer, and prints the sha256', async () => {
    const input = await saveToy(at('in.safetensors'), SMALL);
    const argv = [
      'convert',
      input,
      '--out',
      `${at('model')}/`,
      '--tokenizer',
      TOKENIZER,
      '--quiet',
    ];
    const meta = ['--meta', 'name=toy', '--meta', 'note=a=b', '--context-length', '48'];
    const { code, stdout } = await runCli([...argv, ...meta]);
    assert.equal(code, 0);
    const path = at('model/model.safetensors');
    assert.match(stdout, new RegExp(`^sha256 +${await sha256File(path)}$`, 'm'));
    assert.match(stdout, /^context +48 tokens \(option\)$/m);
    assert.deepEqual(await readdir(at('model')), ['model.safetensors', 'tokenizer.json']);
    const checkpoint = await openCheckpoint(path);
    assert.deepEqual(checkpoint.metadata, {
      format: 'pt',
      embedding: 'spike',
      context_length: '48',
      name: 'toy',
      note: 'a=b',
    });
    assert.deepEqual(
      new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype)),
      new Set(['float16']),
    );
    await checkpoint.close();
  });

  for (const dtype of ['float16', 'bfloat16', 'float32'])
    it(`${dtype}: keeps every spike of a spike embedding`, async () => {
      const change = (name: string, values: Float32Array): void => {
        tiny(name, values);
        // Of float32's own subnormals, which are below bfloat16's.
        if (name === 'emb.weight') values[40] = -1e-45;
      };
      const input = await saveToy(at('tiny.safetensors'), SMALL, [], change);
      const output = at(`${dtype}.safetensors`);
      const argv = ['convert', input, '--out', output, '--dtype', dtype, '--quiet', '--json'];
      const { keptNegative } = json(await runCli(argv));
      assert.deepEqual(await spikes(output), await spikes(input));
      assert.equal(keptNegative, { float16: 3, bfloat16: 1, float32: 0 }[dtype]);
    });

  it('rounds a dense embedding as any other tensor', async () => {
    const input = await saveToy(at('dense.safetensors'), SMALL, [], tiny);
    const output = at('dense16.safetensors');
    const argv = ['convert', input, '--out', output, '--embedding', 'dense', '--quiet', '--json'];
    assert.equal(json(await runCli(argv))['keptNegative'], 0);
    assert.notDeepEqual(await spikes(output), await spikes(input));
  });

  it('does not state what nobody has stated', async () => {
    const input = await saveToy(at('silent.safetensors'), SMALL);
    const bytes = (await readFile(input)).toString('latin1');
    // Names of the same length, so that the header keeps its own.
    const silent = bytes
      .replace('"embedding"', '"embEdding"')
      .replace('"context_length"', '"context_lEngth"');
    await writeFile(at('silent.safetensors'), silent, 'latin1');
    const { code, stdout } = await runCli([
      'convert',
      input,
      '--out',
      at('silent16.st'),
      '--quiet',
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /^embedding +spike \(default\)$/m);
    const checkpoint = await openCheckpoint(at('silent16.st'));
    assert.deepEqual(Object.keys(checkpoint.metadata).sort(), [
      'context_lEngth',
      'embEdding',
      'format',
    ]);
    await checkpoint.close();
  });

  it('replaces nothing unasked, and never its own input', async () => {
    const input = await saveToy(at('own.safetensors'), SMALL);
    const before = await sha256File(input);
    const onto = await runCli(['convert', input, '--out', input, '--force']);
    assert.equal(onto.code, 4);
    assert.match(
      onto.stderr,
      /^error: .*own\.safetensors: the output is the input; expected another/,
    );
    await writeFile(at('there'), 'mine');
    const there = await runCli(['convert', input, '--out', at('there')]);
    assert.equal(there.code, 4);
    assert.match(there.stderr, /there: there is a file already; expected a new path, or --force/);
    assert.equal(await readFile(at('there'), 'utf8'), 'mine');
    assert.equal(
      (await runCli(['convert', input, '--out', at('there'), '--force', '--quiet'])).code,
      0,
    );
    assert.equal(await sha256File(input), before);
  });
});

describe('cli: demo', () => {
  const at = temporaryFolder();

  it('writes a report and the numbers, and prints a table a model', async () => {
    const small = ['--limit', '300', '--bits', '8,4', '--workers', '0', '--no-search'];
    const argv = ['demo', '--out', at('out'), ...small, '--quiet'];
    const { code, stdout, stderr } = await runCli(argv);
    assert.equal(code, 0, stderr);
    const files = (await readdir(at('out'))).filter((name) => !name.startsWith('measurements'));
    assert.deepEqual(files, ['report.html', 'uniform.json']);
    assert.match(
      stdout,
      /^bits +perplexity +95 % interval +memory +saving +change, nats\/token +± SE$/m,
    );
    assert.match(stdout, /^fp32 +\d+\.\d\d +\d+\.\d–\d+\.\d +17\.85 MB +0\.0 %$/m);
    assert.match(stdout, /^ {3}8 +\d+\.\d % .* 3\.72 MB +74\.7 %/m);
    assert.match(stdout, /^report +.*report\.html \(open it in a browser/m);
    assert.doesNotMatch(stdout, /NaN|undefined|null/);

    const numbers = JSON.parse(await readFile(at('out/uniform.json'), 'utf8')) as {
      models: { name: string; points: { bits: number; value: number; bytes: number }[] }[];
    };
    assert.deepEqual(
      numbers.models.map(({ name, points }) => [name, points.map(({ bits }) => bits)]),
      [
        ['spikegpt-mini', [32, 8, 4]],
        ['spikegpt-mini-sst2', [32, 8, 4]],
      ],
    );
    const html = await readFile(at('out/report.html'), 'utf8');
    assert.match(html, /vegaEmbed/);
    assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)="https?:/, 'opens offline');
    for (const { points } of numbers.models)
      for (const { bytes } of points) assert.ok(html.includes(`${(bytes / 1e6).toFixed(2)} MB`));
  });

  it('looks at the output path before it works for minutes', async () => {
    await writeFile(at('taken'), '');
    const started = performance.now();
    const { code, stderr } = await runCli(['demo', '--out', at('taken')]);
    assert.equal(code, 4);
    assert.match(stderr, /taken: cannot write; got a file of that name; expected a folder/);
    assert.ok(performance.now() - started < 2000);
    assert.ok(existsSync(at('taken')));
  });
});
