import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { json, TOKENIZER, toyCommands } from '../cli/support/study.js';

describe('cli: finetune', () => {
  const at = temporaryFolder();

  it('trains, tells the result, and does not replace a file unasked', async () => {
    const { model } = await toyCommands(at);
    const sentences = Array.from({ length: 12 }, (_, i) => `a film number ${i}\t${i % 2}`);
    const data = (from: number): string => ['sentence\tlabel', ...sentences.slice(from)].join('\n');
    await writeFile(at('train.tsv'), data(0));
    await writeFile(at('search.tsv'), data(4));
    const out = at('trained.safetensors');
    const flags = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--quiet', '--json'];
    const files = ['--data', at('train.tsv'), '--search', at('search.tsv'), '--out', out];
    const argv = [
      'finetune',
      model,
      ...flags,
      ...files,
      '--epochs',
      '1',
      '--batch-tokens',
      '32',
      '--workers',
      '0',
    ];
    const result = json(await runCli(argv));
    assert.equal(result['out'], out);
    assert.ok((result['steps'] as number) > 1);
    const again = await runCli(argv);
    assert.equal(again.code, 4, again.stderr);
    assert.match(again.stderr, /there is a file already/);
    json(await runCli([...argv, '--force', '--time', '1s']));
    const wrong = await runCli([...argv, '--force', '--dropout', '1']);
    assert.equal(wrong.code, 2, wrong.stderr);
  });
});

describe('cli: search --predictor fisher', () => {
  const at = temporaryFolder();

  it('is refused where it would be read and do nothing', async () => {
    const toy = await toyCommands(at);
    const tiered = await toy.study('search', '--predictor', 'fisher');
    assert.equal(tiered.code, 2, tiered.stderr);
    assert.match(tiered.stderr, /--predictor.*knapsack/);
    const idle = await toy.study('search', '--method', 'knapsack', '--calibration', 'train.tsv');
    assert.equal(idle.code, 2, idle.stderr);
    assert.match(idle.stderr, /--calibration.*nothing is calibrated on it/);
  });
});
