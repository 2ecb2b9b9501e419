import assert from 'node:assert/strict';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { saveToy } from '../../experiment/support.js';
import { runCli } from '../support/run.js';
import { json, TOKENIZER } from '../support/study.js';

const QUIET = ['--tokenizer', TOKENIZER, '--quiet'];

describe('cli: packed execution', () => {
  const at = temporaryFolder();
  let plain: string;
  let packed: string;
  before(async () => {
    plain = await saveToy(at('toy.safetensors'), { vocabSize: 4096, layers: 2, classes: 0 });
    packed = at('packed.safetensors');
    const flags = ['--bits', '4', '--quantizer', 'best', '--tokenizer', TOKENIZER];
    const { code } = await runCli(['export', plain, ...flags, '--out', packed, '--quiet']);
    assert.equal(code, 0);
  });

  it('measures what the simulated model does, in the memory that was predicted', async () => {
    const measure = async (...more: readonly string[]): Promise<Record<string, unknown>> =>
      json(await runCli(['eval', packed, ...QUIET, '--limit', '200', '--json', ...more]));
    const simulated = await measure('--backend', 'wasm');
    const own = await measure('--packed');
    assert.equal(own['value'], simulated['value']);
    const { bytes, memory } = (own['model'] as { packed: Record<string, unknown> }).packed as {
      bytes: number;
      memory: { weights: number; residentBefore: number; peak: number };
    };
    assert.ok(memory.weights >= bytes && memory.weights < bytes * 1.05, JSON.stringify(memory));
    assert.ok(memory.peak >= memory.residentBefore && memory.residentBefore > 0);
    assert.equal('memory' in (simulated['model'] as { packed: object }).packed, false);
    const { stdout } = await runCli(['eval', packed, ...QUIET, '--limit', '9', '--packed']);
    assert.match(stdout, /^execution +matrices stay packed$/m);
    assert.match(stdout, /^weights +[\d.]+ [kM]B in memory, [\d.]+ [kM]B predicted$/m);
    assert.match(
      stdout,
      /^process +[\d.]+ MB at its peak, [\d.]+ MB before the model was opened$/m,
    );
  });

  it('continues a text as the simulated model does', async () => {
    const args = [
      'generate',
      packed,
      ...QUIET,
      '--prompt',
      'The castle',
      '--length',
      '8',
      '--json',
    ];
    const [own, simulated] = [
      json(await runCli([...args, '--packed'])),
      json(await runCli([...args, '--backend', 'wasm'])),
    ];
    assert.deepEqual(own['tokens'], simulated['tokens']);
    assert.ok((own['tokens'] as number[]).length > 0);
    assert.ok('memory' in (own['packed'] as object));
  });

  it('is refused where it is not: other backends, plain models, other plans, a queue', async () => {
    const refused = async (
      argv: readonly string[],
      code: number,
      message: RegExp,
    ): Promise<void> => {
      const outcome = await runCli([...argv, ...QUIET, '--packed']);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
    };
    await refused(
      ['eval', packed, '--backend', 'cpu'],
      3,
      /backend cpu: packed weights .* on wasm/,
    );
    await refused(['eval', plain], 3, /only a packed model .* got plain weights/);
    await refused(['generate', plain, '--prompt', 'x'], 3, /only a packed model/);
    await refused(['eval', packed, '--bits', '4'], 2, /--packed/);
    await refused(['eval', packed, '--noise-floor'], 2, /--packed/);
    await refused(['eval', packed, '--queue', 'redis://localhost'], 2, /--packed/);
  });
});
