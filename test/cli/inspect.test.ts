import assert from 'node:assert/strict';
import { open, truncate } from 'node:fs/promises';
import { encodeHeader } from '../../src/checkpoint/safetensors/header.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { parametersOf } from '../support/spikegpt.js';
import { runCli } from './support/run.js';

/** The published model: vocabulary 50,277, width 768, 18 blocks. */
const SPIKEGPT_216M = {
  vocabSize: 50_277,
  width: 768,
  hiddenWidth: 3072,
  layers: 18,
  embedding: 'spike',
  contextLength: 1024,
  classes: 0,
  head: true,
  ffnPre: false,
} as const;

describe('cli: inspect', () => {
  const at = temporaryFolder();

  it('shows the published model’s parameters and shares without reading its 862 MB', async () => {
    // A header, and a hole in place of the weights.
    const tensors = parametersOf(SPIKEGPT_216M).map((parameter) => ({
      ...parameter,
      dtype: 'float32' as const,
    }));
    const header = encodeHeader(tensors, {});
    const path = at('SpikeGPT-216M.safetensors');
    const file = await open(path, 'w');
    await file.write(header);
    await file.close();
    await truncate(path, header.length + 4 * 215_399_424);

    const started = process.memoryUsage().rss;
    const { code, stdout } = await runCli(['inspect', path]);
    assert.equal(code, 0);
    assert.match(stdout, /^parameters +215,399,424; 861\.60 MB in float32$/m);
    assert.match(stdout, /^input +38,612,736 +154\.45 MB +17\.9 %$/m);
    assert.match(stdout, /^attention, 18 blocks +138,172,416 +552\.69 MB +64\.1 %$/m);
    assert.match(stdout, /^output +38,614,272 +154\.46 MB +17\.9 %$/m);
    assert.match(stdout, /^all +215,399,424 +861\.60 MB +100\.0 %$/m);
    assert.match(stdout, /^attention\.1 to 17, each +7,676,160 /m);
    assert.match(stdout, /^ {4}key +\[3072, 768\] +2,359,296 /m);
    assert.match(stdout, /^embedding +spike \(default\)$/m);
    assert.match(stdout, /^context +1,024 tokens \(default\)$/m);
    assert.ok(process.memoryUsage().rss - started < 100e6);
  });

  it('shows as many levels as wanted, alike blocks together or each', async () => {
    const lines = async (...flags: string[]): Promise<string[]> => {
      const { stdout } = await runCli(['inspect', 'spikegpt-mini-sst2', ...flags]);
      return stdout.trimEnd().split('\n\n')[2].split('\n').slice(2);
    };
    assert.equal((await lines('--level', 'block')).length, 4);
    assert.equal((await lines('--level', 'block', '--unfold')).length, 8);
    const modules = await lines('--level', 'module');
    const inBlock = ['  SRWKV', '  SRFFN'];
    assert.deepEqual(
      modules.map((line) => /^ *\S+(?: \S+)*/.exec(line)![0]),
      [
        ...['input', '  embedding'],
        ...['attention.0', ...inBlock, '  6 vectors'],
        ...['attention.1 to 5, each', ...inBlock, '  4 vectors'],
        ...['output', '  head', '  2 vectors'],
      ],
    );
    assert.ok((await lines()).length > modules.length);
  });

  it('shows a packed model as what it was, with the widths that it was packed to', async () => {
    const packed = at('packed.safetensors');
    const flags = ['--bits', '4', '--quantizer', 'best', '--quiet', '--out', packed];
    assert.equal((await runCli(['export', 'spikegpt-mini', ...flags])).code, 0);
    const { code, stdout, stderr } = await runCli(['inspect', packed]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^file .*\(safetensors, packed\)$/m);
    assert.match(
      stdout,
      /^packed +2\.\d\d MB, 8\d\.\d % less than in float32; plan [0-9a-f]{16}$/m,
    );
    assert.match(stdout, /^parameters +4,461,696; 17\.85 MB in float32$/m);
    assert.match(stdout, /^ {4}emb +\[4096, 192\] +sign +786,432 /m);
    assert.match(stdout, /^ {4}key +\[768, 192\] +4 +147,456 /m);
  });

  it('gives the whole tree as JSON, whose numbers add up', async () => {
    interface Counts {
      readonly parameters: number;
    }
    interface Tree extends Counts {
      readonly blocks: (Counts & {
        modules: (Counts & { matrices: Counts[]; vectors: Counts[] })[];
        vectors: Counts[];
      })[];
    }
    const { stdout } = await runCli(['inspect', 'spikegpt-mini', '--json']);
    const { hierarchy } = JSON.parse(stdout) as { hierarchy: Tree };
    const sum = (parts: readonly Counts[]): number =>
      parts.reduce((total, { parameters }) => total + parameters, 0);
    assert.equal(hierarchy.parameters, 4_461_696);
    assert.equal(sum(hierarchy.blocks), 4_461_696);
    for (const { parameters, modules, vectors } of hierarchy.blocks) {
      assert.equal(parameters, sum(modules) + sum(vectors));
      for (const module of modules)
        assert.equal(module.parameters, sum(module.matrices) + sum(module.vectors));
    }
  });
});
