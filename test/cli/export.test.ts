import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportModel } from '../../src/experiment/open/export-model.js';
import { openStudy } from '../../src/experiment/open/open-study.js';
import { quantizerPlan } from '../../src/quant/quantizers.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from './support/run.js';
import { json, TOKENIZER, toyCommands, type ToyCommands } from './support/study.js';

/** Bits of every kind in one plan. */
const MIXED = {
  format: 'qslm-plan/1',
  units: {
    input: 16,
    'attention.0/SRWKV/key': 2,
    'attention.0/SRWKV/value': 3,
    'attention.0/SRWKV/receptance': 4,
    'attention.0/SRWKV/output': 5,
    'attention.0/SRFFN/key': 6,
    'attention.0/SRFFN/value': 8,
    'attention.0/SRFFN/receptance': 12,
    'attention.1/SRFFN': { bits: 4, granularity: 'per-channel', range: 'mse' },
  },
} as const;

interface Exported {
  readonly bytes: number;
  readonly path: string;
  readonly planId: string;
  readonly footprint: { readonly total: number };
}

describe('cli: export', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
    await writeFile(at('plan.json'), JSON.stringify(MIXED));
  });

  const evaluate = async (model: string, ...more: readonly string[]): Promise<object> => {
    const args = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--limit', '60'];
    const value = json(await runCli(['eval', model, ...args, '--quiet', '--json', ...more]));
    return value;
  };

  it('writes what eval measures to the last sentence, in the bytes that were predicted', async () => {
    const out = at('packed.safetensors');
    const { stdout, code } = await toy.runs(
      'export',
      toy.model,
      '--plan',
      at('plan.json'),
      '--out',
      out,
    );
    assert.equal(code, 0);
    assert.match(stdout, /^file +\d.*: [\d,]+ bytes as predicted, and a header of [\d,]+$/m);
    const simulated = (await evaluate(toy.model, '--plan', at('plan.json'))) as {
      quantized: { value: number; bytes: number; plan: string; comparison: object };
    };
    const packed = (await evaluate(out)) as {
      value: number;
      model: { packed: { planId: string; bytes: number } };
    };
    assert.equal(packed.value, simulated.quantized.value);
    assert.equal(packed.model.packed.planId, simulated.quantized.plan);
    assert.equal(packed.model.packed.bytes, simulated.quantized.bytes);
    const header = 8 + Number((await readFile(out)).readBigUInt64LE(0));
    assert.equal((await stat(out)).size, simulated.quantized.bytes + header);
    const text = await runCli([
      'eval',
      out,
      '--tokenizer',
      TOKENIZER,
      '--backend',
      'cpu',
      '--limit',
      '9',
      '--quiet',
    ]);
    assert.match(text.stdout, /^packed +plan [0-9a-f]{16}: 0\.14 MB, \d+\.\d % saved$/m);
  });

  it('makes a model of its own in a folder', async () => {
    const folder = at('small/');
    const flags = ['--bits', '4', '--quantizer', 'best', '--tokenizer', TOKENIZER];
    const value = json(await toy.runs('export', toy.model, ...flags, '--out', folder, '--json'));
    const { path } = value as unknown as Exported;
    assert.equal(path, join(folder, 'model.safetensors'));
    const { code, stderr } = await runCli([
      'eval',
      folder,
      '--backend',
      'cpu',
      '--limit',
      '9',
      '--quiet',
    ]);
    assert.equal(code, 0, stderr);
  });

  it('takes the tokenizer along, so that a file opens by its path alone', async () => {
    const out = at('alone.safetensors');
    const flags = ['--bits', '4', '--tokenizer', TOKENIZER];
    const { stdout } = await toy.runs('export', toy.model, ...flags, '--out', out);
    assert.match(stdout, /^tokenizer +\S+alone\.tokenizer\.json$/m);
    const argv = ['eval', out, '--backend', 'cpu', '--limit', '9', '--quiet'];
    const { code, stderr } = await runCli(argv);
    assert.equal(code, 0, stderr);
    // From a notebook, with what a study has.
    const study = await openStudy(toy.model, {
      backend: 'cpu',
      limit: 9,
      heldOutLimit: 9,
      model: { tokenizer: TOKENIZER },
    });
    const { file } = study.options;
    const path = at('packed.of.a.notebook.safetensors');
    const plan = quantizerPlan('min-max', 4, file.hierarchy);
    const { tokenizer } = await exportModel(file, plan, path);
    await study.close();
    assert.equal(tokenizer, at('packed.of.a.notebook.tokenizer.json'));
    assert.equal((await runCli(argv.with(1, path))).code, 0);
  });

  it('refuses a truncated and an edited file by name', async () => {
    const out = at('broken.safetensors');
    await toy.runs('export', toy.model, '--bits', '4', '--out', out);
    const bytes = await readFile(out);
    for (const [change, message] of [
      [bytes.subarray(0, bytes.length - 100), /broken\.safetensors/],
      [Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]), /edited or damaged/],
    ] as const) {
      await writeFile(out, change);
      const { code, stderr } = await runCli([
        'eval',
        out,
        '--tokenizer',
        TOKENIZER,
        '--backend',
        'cpu',
        '--quiet',
      ]);
      assert.equal(code, 3);
      assert.match(stderr, message);
      assert.match(stderr, /broken\.safetensors/);
    }
  });

  it('does not quantize, sweep or export what is packed already', async () => {
    const out = at('once.safetensors');
    await toy.runs('export', toy.model, '--bits', '4', '--out', out);
    const again = await toy.runs('export', out, '--bits', '2', '--out', at('twice.safetensors'));
    assert.equal(again.code, 3);
    assert.match(again.stderr, /the model is packed already/);
    const flags = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--quiet'];
    for (const argv of [
      ['eval', out, '--bits', '2'],
      ['sweep', out, '--store', at('none.sqlite')],
    ]) {
      const { code, stderr } = await runCli([...argv, ...flags]);
      assert.equal(code, 3);
      assert.match(stderr, /the model is quantized already; got packed under plan/);
    }
  });

  it('replaces nothing unasked, and says what it needs to know', async () => {
    const out = at('free.safetensors');
    const args = ['export', toy.model, '--bits', '4', '--out', out];
    assert.equal((await toy.runs(...args)).code, 0);
    const taken = await toy.runs(...args);
    assert.equal(taken.code, 4);
    assert.match(taken.stderr, /there is a file already/);
    assert.equal((await toy.runs(...args, '--force')).code, 0);
    const own = await toy.runs('export', toy.model, '--bits', '4', '--out', toy.model, '--force');
    assert.equal(own.code, 4);
    for (const argv of [
      ['export', toy.model, '--out', out],
      ['export', '--bits', '4', '--out', out],
      ['export', toy.model, '--bits', '4', '--lambda', '1', '--out', out],
      ['export', toy.model, '--bits', '4', '--plan', 'x', '--out', out],
    ]) {
      const { code, stderr } = await toy.runs(...argv);
      assert.equal(code, 2, stderr);
    }
    const nowhere = ['export', '--run', 'nowhere', '--out', at('nowhere.safetensors')];
    assert.equal((await toy.runs(...nowhere)).code, 3);
    const unknown = at('unknown.json');
    await writeFile(unknown, '{"format":"qslm-plan/1","units":{"attention.9":4}}');
    const plan = await toy.runs('export', toy.model, '--plan', unknown, '--out', out, '--force');
    assert.equal(plan.code, 3);
    assert.match(plan.stderr, /unknown unit; got attention\.9/);
  });

  it('writes the plan of a search: its result, or another weight’s', async () => {
    const flags = ['--bits', '8,4,2', '--max-loss', '50', '--max-memory', '40%', '--json'];
    const run = json(await toy.study('search', ...flags)) as unknown as {
      id: string;
      result: { selected: { plan: string; bytes: number }; selections: { plan: string }[] };
    };
    const exported = async (...more: readonly string[]): Promise<Exported> => {
      const argv = ['export', '--run', run.id, '--out', at('run.safetensors'), '--force', '--json'];
      return json(await toy.runs(...argv, ...more)) as unknown as Exported;
    };
    const result = await exported();
    assert.equal(result.planId, run.result.selected.plan);
    assert.equal(result.footprint.total, run.result.selected.bytes);
    assert.equal((await exported('--lambda', '0')).planId, run.result.selections[0].plan);
    const other = at('other.safetensors');
    await writeFile(other, await readFile(toy.model));
    const bytes = await readFile(other);
    bytes[bytes.length - 1] ^= 1;
    await writeFile(other, bytes);
    const wrong = await toy.runs('export', other, '--run', run.id, '--out', at('w.safetensors'));
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /not the model that was searched/);
  });
});
