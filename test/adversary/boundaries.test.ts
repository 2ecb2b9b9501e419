import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, open, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exportModel } from '../../src/experiment/open/export-model.js';
import { openModelFile } from '../../src/experiment/open/model-file.js';
import { quantizerPlan } from '../../src/quant/quantizers.js';
import { TokenizerError } from '../../src/util/errors.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from '../cli/support/run.js';
import { TOKENIZER } from '../cli/support/study.js';
import { saveToy } from '../experiment/support.js';
import { fill } from './soak/attempt.js';
import { mountSmall } from './soak/ground.js';

const RUNS = packagePath('test', 'fixtures', 'before-families', 'runs');
const QUIET = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--quiet', '--limit', '4'];
const CLASSIFIER = { vocabSize: 4096, layers: 1, head: false } as const;

describe('cli: at the limits', () => {
  const at = temporaryFolder();
  let toy = '';
  before(async () => {
    toy = await saveToy(at('toy.safetensors'), CLASSIFIER);
  });

  it('ends with 4 on a full disk, whatever is written, and leaves nothing', async function () {
    const small = at('small');
    await mkdir(small);
    const unmount = mountSmall(small, 2 * 1024 * 1024);
    if (typeof unmount === 'string') this.skip();
    try {
      const run = join(small, 'run');
      await cp(join(RUNS, '20261126-105928-a138f5'), run, { recursive: true });
      await fill(join(small, 'filler'), 0);
      const left = async (): Promise<string[]> =>
        (await readdir(small, { recursive: true })).sort();
      const there = await left();
      const sweep = [
        'sweep',
        toy,
        ...QUIET,
        '--held-out-limit',
        '4',
        '--workers',
        '0',
        '--bits',
        '4',
      ];
      const search = ['search', ...sweep.slice(1), '--max-loss', '90%', '--max-memory', '90%'];
      const speaker = await saveToy(at('speaker.safetensors'), {
        ...CLASSIFIER,
        classes: 0,
        head: true,
      });
      const spoken = [
        '--tokenizer',
        TOKENIZER,
        '--backend',
        'cpu',
        '--quiet',
        '--length',
        '2',
        '--prompt',
        'the',
      ];
      const store = at('m.sqlite');
      const tokens = ['--tokenizer', TOKENIZER, '--quiet'];
      for (const argv of [
        ['inspect', toy, '--out', join(small, 'inspect.json')],
        ['eval', toy, ...QUIET, '--out', join(small, 'eval.json')],
        ['convert', toy, '--out', join(small, 'converted.safetensors'), '--quiet'],
        ['convert', toy, ...tokens, '--out', join(small, 'converted/')],
        ['export', toy, '--bits', '8', ...tokens, '--out', join(small, 'exported.safetensors')],
        ['export', toy, '--bits', '8', ...tokens, '--out', join(small, 'exported/')],
        [...sweep, '--store', store, '--runs', join(small, 'runs')],
        [...sweep, '--store', join(small, 'm.sqlite'), '--runs', at('runs')],
        [...sweep, '--store', store, '--runs', at('runs'), '--out', join(small, 'sweep.json')],
        [...search, '--store', store, '--runs', join(small, 'runs')],
        [...search, '--store', store, '--runs', at('runs'), '--out', join(small, 'search.json')],
        ['generate', speaker, ...spoken, '--out', join(small, 'generated.json')],
        [
          'demo',
          '--no-search',
          '--bits',
          '4',
          '--limit',
          '8',
          '--quiet',
          '--out',
          join(small, 'demo'),
        ],
        ['plot', run, '--quiet', '--format', 'json'],
        ['report', run, '--quiet'],
      ]) {
        const { code, stderr } = await runCli(argv);
        assert.equal(code, 4, `${argv.join(' ')}: ${stderr}`);
        assert.match(stderr, /no space left|disk is full|ENOSPC/, argv.join(' '));
      }
      // Folders and an empty store take no space.
      const may =
        /^(m\.sqlite[^/]*|demo(\/measurements\.sqlite[^/]*)?|runs(\/[^/]*)?|run\/figures)$/;
      assert.deepEqual(
        (await left()).filter((name) => !there.includes(name) && !may.test(name)),
        [],
      );
    } finally {
      unmount();
    }
  });

  it('says that too many files are open, and does not call it a defect', function () {
    if (process.platform === 'win32') this.skip();
    const argv = ['sweep', toy, ...QUIET, '--held-out-limit', '4', '--bits', '4'];
    const places = ['--store', at('few.sqlite'), '--runs', at('few')];
    const words = [process.execPath, packagePath('dist/cli/main.js'), ...argv, ...places];
    const said: string[] = [];
    for (const files of [25, 28, 40]) {
      const script = `ulimit -n ${files}; exec "$@"`;
      const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', ...words], {
        encoding: 'utf8',
      });
      assert.doesNotMatch(stderr, /defect of qslm/);
      assert.ok([0, 3, 4].includes(status!), `${files}: ${status}, ${stderr}`);
      said.push(stderr);
    }
    assert.match(said.join(), /too many files are open|EMFILE/);
  });

  it('reads what it wrote of a model of 700 blocks, whose header has more than 4 MiB', async () => {
    const config = { ...CLASSIFIER, layers: 700, width: 4, hiddenWidth: 4, contextLength: 8 };
    const deep = await saveToy(at('deep.safetensors'), config);
    const out = at('deep-packed.safetensors');
    const flags = ['--bits', '4', '--tokenizer', TOKENIZER, '--quiet', '--out', out];
    const exported = await runCli(['export', deep, ...flags]);
    assert.equal(exported.code, 0, exported.stderr);
    assert.ok((await readFile(out)).readBigUInt64LE(0) > 4n * 1024n * 1024n);
    const { code, stdout, stderr } = await runCli([
      'eval',
      out,
      ...QUIET,
      '--limit',
      '1',
      '--json',
    ]);
    assert.equal(code, 0, stderr);
    assert.ok((JSON.parse(stdout) as { value: number }).value <= 1);
  });

  it('refuses an output of no name, and of 300 characters, in each command', async () => {
    const long = at('n'.repeat(300));
    for (const out of ['', long])
      for (const argv of [
        ['inspect', toy],
        ['eval', toy, ...QUIET],
        ['convert', toy, '--quiet'],
        ['export', toy, '--bits', '8', '--quiet'],
        ['export', toy, '--bits', '8', '--quiet', '--tokenizer', TOKENIZER],
      ]) {
        const { code, stderr } = await runCli([...argv, '--out', out]);
        assert.equal(code, 4, `${argv[0]} to ${out.length} characters: ${stderr}`);
        assert.ok(stderr.length < 1000);
      }
  });

  it('takes none but a missing config.json for none', async () => {
    const folder = at('config');
    await mkdir(folder);
    const model = await saveToy(join(folder, 'm.safetensors'), CLASSIFIER);
    const path = join(folder, 'config.json');
    const refused = async (message: RegExp): Promise<void> => {
      const { code, stderr } = await runCli(['inspect', model]);
      assert.match(stderr, message);
      assert.equal(code, 3);
    };
    await symlink('config.json', path);
    await refused(/config\.json: .*ELOOP/);
    await cp(model, join(at('other'), 'm.safetensors'));
    await mkdir(join(at('other'), 'config.json'));
    const other = await runCli(['inspect', join(at('other'), 'm.safetensors')]);
    assert.match(other.stderr, /config\.json: .*EISDIR/);
    await cp(model, join(at('huge'), 'm.safetensors'));
    await writeFile(join(at('huge'), 'config.json'), '{}');
    await truncate(join(at('huge'), 'config.json'), 600e6);
    const huge = await runCli(['inspect', join(at('huge'), 'm.safetensors')]);
    assert.match(huge.stderr, /config\.json: file is too large/);
    await cp(model, join(at('pipe'), 'm.safetensors'));
    execFileSync('mkfifo', [join(at('pipe'), 'config.json')]);
    const pipe = await runCli(['inspect', join(at('pipe'), 'm.safetensors')]);
    assert.match(pipe.stderr, /config\.json: .*(pipe|regular file)/);
    assert.equal(pipe.code, 3);
  });

  it('shows a folder of an export with all of its files, or none', async () => {
    const out = at('whole/');
    const seen = new Set<string>();
    let watching = true;
    const look = async (): Promise<void> => {
      while (watching) {
        seen.add((await readdir(out).catch(() => ['nothing'])).sort().join());
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const looking = look();
    const flags = ['--bits', '8', '--tokenizer', TOKENIZER, '--quiet', '--out', out];
    assert.equal((await runCli(['export', toy, ...flags])).code, 0);
    watching = false;
    await looking;
    seen.add((await readdir(out)).sort().join());
    assert.deepEqual([...seen].sort(), ['model.safetensors,tokenizer.json', 'nothing']);
    assert.deepEqual(
      (await readdir(dirname(toy))).filter((name) => name.includes('.partial')),
      [],
    );
  });

  it('copies the tokenizer that was checked, or writes nothing', async () => {
    const tokenizer = at('changing.json');
    await cp(TOKENIZER, tokenizer);
    const file = await openModelFile(toy, { tokenizer });
    try {
      const handle = await open(tokenizer, 'r+');
      await handle.write(' ', 0);
      await handle.close();
      const plan = quantizerPlan('min-max', 4, file.hierarchy);
      await assert.rejects(
        exportModel(file, plan, join(at('never'), 'm.safetensors')),
        (error) => error instanceof TokenizerError && /was changed/.test(error.message),
      );
      assert.ok(!(await readdir(dirname(toy))).includes('never'));
    } finally {
      await file.close();
    }
  });
});
