import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRun } from '../../src/experiment/record/folder.js';
import { cachedData, fetchData } from '../../src/hub/data.js';
import {
  fetchData as fetchInCell,
  fetchModel as fetchModelInCell,
} from '../../src/notebook/fetch.js';
import { packagePath } from '../../src/util/paths.js';
import { runCli } from '../cli/support/run.js';
import { saveToy } from '../experiment/support.js';
import { environment, quickPatience, temporaryHome } from './support/home.js';
import { HubServer, type ServedRepository } from './support/hub-server.js';

const COMMIT = 'abcdefabcdefabcdefabcdefabcdefabcdefabcd';
const fixture = (name: string): Promise<Buffer> =>
  readFile(packagePath('test', 'fixtures', 'parquet', name));

describe('hub: names in place of paths', () => {
  let hub: HubServer;
  const home = temporaryHome();
  const set = environment();
  before(async () => {
    const sentences = await fixture('sentences.parquet');
    const lines = await fixture('lines.parquet');
    const file = (folder: string, split: string): string =>
      `${folder}/${split}-00000-of-00001.parquet`;
    const glue: ServedRepository = {
      kind: 'dataset',
      name: 'nyu-mll/glue',
      commit: COMMIT,
      files: {
        'README.md': Buffer.from('x'),
        [file('sst2', 'train')]: sentences,
        [file('sst2', 'validation')]: sentences,
        [file('sst2', 'test')]: sentences,
        [file('cola', 'train')]: sentences,
      },
    };
    const wikitext: ServedRepository = {
      kind: 'dataset',
      name: 'Salesforce/wikitext',
      commit: COMMIT,
      files: {
        [file('wikitext-2-v1', 'train')]: lines,
        [file('wikitext-2-v1', 'validation')]: lines,
        [file('wikitext-2-v1', 'test')]: lines,
        'wikitext-2-raw-v1/test-00000-of-00002.parquet': lines,
        'wikitext-2-raw-v1/test-00001-of-00002.parquet': lines,
        [file('wikitext-2-raw-v1', 'train')]: lines,
        [file('wikitext-2-raw-v1', 'validation')]: lines,
      },
    };
    const path = join(tmpdir(), `qslm-toy-${process.pid}.safetensors`);
    await saveToy(path, { vocabSize: 4096, layers: 1, head: false });
    const weights = await readFile(path);
    await rm(path);
    const tokenizer = await readFile(
      packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json'),
    );
    const published: ServedRepository = {
      kind: 'model',
      name: 'ridger/SpikeGPT-OpenWebText-216M',
      commit: COMMIT,
      files: { 'SpikeGPT-216M.pth': weights },
    };
    const neox: ServedRepository = {
      kind: 'model',
      name: 'EleutherAI/gpt-neox-20b',
      commit: COMMIT,
      files: { 'tokenizer.json': tokenizer, 'vocab.json': Buffer.from('{}') },
    };
    hub = await HubServer.start([glue, wikitext, published, neox]);
  });
  after(() => hub.stop());
  beforeEach(() => {
    set({ HF_ENDPOINT: hub.endpoint, QSLM_HOME: home.path() });
    hub.seen.length = 0;
    hub.fault = () => undefined;
  });

  const MODEL = 'ridger/SpikeGPT-OpenWebText-216M';
  const measure = (...argv: string[]) =>
    runCli(['eval', ...argv, '--backend', 'cpu', '--quiet', '--json']);

  it('tells the command that gets what is missing, and asks nothing of the hub by itself', async () => {
    const model = await measure(MODEL);
    assert.equal(model.code, 3);
    assert.match(
      model.stderr,
      /there is no such model; got neither .*; expected `qslm fetch model ridger\/SpikeGPT/,
    );
    const data = await measure('spikegpt-mini-sst2', '--data', 'sst2');
    assert.equal(data.code, 3);
    assert.match(
      data.stderr,
      /sst2: the data is not on this machine; .*expected `qslm fetch data sst2`/,
    );
    const file = await measure('spikegpt-mini-sst2', '--data', 'nowhere.tsv');
    assert.match(file.stderr, /nowhere\.tsv: cannot be read; got neither a file nor a data set/);
    const checkpoint = await measure('folder/model.pth');
    assert.doesNotMatch(checkpoint.stderr, /qslm fetch/);
    assert.deepEqual(hub.seen, []);
  });

  it('fetches by command, measures by name, and records both in the run', async () => {
    const fetched = await runCli(['fetch', 'model', MODEL]);
    assert.equal(fetched.stderr, '');
    assert.match(fetched.stdout, /revision +abcdefabcdef/);
    assert.match(fetched.stdout, /fetched +.*SpikeGPT-216M\.pth \(.*sha256 [0-9a-f]{64}\)/);
    assert.match(fetched.stdout, /use +qslm eval ridger/);
    const json = await runCli(['fetch', 'data', 'sst2', '--json', '--quiet']);
    const { splits, revision } = JSON.parse(json.stdout) as { splits: string[]; revision: string };
    assert.deepEqual([splits, revision], [['train', 'validation'], COMMIT]);
    // The unlabelled split, and the other tasks of GLUE, are left where they are.
    assert.ok(!(await home.files()).some((name) => /sst2\/test|cola/.test(name)));

    set({ HF_HUB_OFFLINE: '1' });
    hub.seen.length = 0;
    const { code, stdout, stderr } = await measure(MODEL, '--data', 'sst2:train');
    assert.equal(code, 0, stderr);
    const value = JSON.parse(stdout) as { model: { name: string }; task: { source: string } };
    assert.equal(value.model.name, MODEL);
    assert.match(value.task.source, /SST-2 train \(nyu-mll\/glue, sst2, revision abcdefabcdef/);

    const runs = join(home.path(), 'runs');
    const sweep = await runCli([
      ...['sweep', MODEL, '--data', 'sst2', '--bits', '8', '--backend', 'cpu', '--workers', '0'],
      ...['--runs', runs, '--store', join(home.path(), 'store.sqlite'), '--quiet', '--json'],
    ]);
    assert.equal(sweep.code, 0, sweep.stderr);
    const [id] = await readdir(runs);
    const run = await readRun(join(runs, id));
    assert.equal(run.origins?.model?.repository, MODEL);
    assert.equal(run.origins.model.revision, COMMIT);
    assert.equal(run.origins.search?.repository, 'nyu-mll/glue');
    assert.equal(run.origins.search.path, 'sst2/validation-00000-of-00001.parquet');
    assert.equal(run.origins.model.digest.hex, run.config.model.sha256);
    const shown = await runCli([
      'runs',
      'show',
      join(runs, id),
      '--runs',
      runs,
      '--store',
      join(home.path(), 'store.sqlite'),
    ]);
    assert.match(shown.stdout, /model, fetched +endpoint http.* repository ridger\/SpikeGPT/);
    assert.deepEqual(hub.seen, []);
  });

  it('takes a local parquet file wherever a TSV or a text is taken', async () => {
    const path = packagePath('test', 'fixtures', 'parquet', 'sentences');
    const [parquet, tsv] = [
      await measure('spikegpt-mini-sst2', '--data', `${path}.parquet`),
      await measure('spikegpt-mini-sst2', '--data', `${path}.tsv`),
    ].map(({ stdout }) => JSON.parse(stdout) as { task: { id: string }; value: number });
    assert.equal(parquet.task.id, tsv.task.id);
    assert.equal(parquet.value, tsv.value);
  });

  it('puts the files of a split together, and takes no half of them', async () => {
    const patience = quickPatience();
    hub.fault = ({ path }) => (path.includes('test-00001') ? { status: 500 } : undefined);
    await assert.rejects(fetchData('wikitext2-raw', { patience }), /the hub is not well/);
    await assert.rejects(
      cachedData('wikitext2-raw:test'),
      /expected `qslm fetch data wikitext2-raw`/,
    );
    hub.fault = () => undefined;
    await fetchData('wikitext2-raw', { patience });
    assert.equal((await cachedData('wikitext2-raw:test'))?.files.length, 2);
    assert.equal((await cachedData('wikitext2-raw'))?.split, 'validation');
    await assert.rejects(
      cachedData('wikitext2-raw:dev'),
      /no such split; got dev; expected wikitext2-raw:train/,
    );
    // Of the same repository at the same commit, but not asked for.
    await assert.rejects(cachedData('wikitext2'), /not on this machine/);
  });

  it('notices a file that has changed since, and gets it again', async () => {
    const { files } = await fetchData('sst2');
    const damaged = await readFile(files[0].path);
    damaged[40] ^= 1;
    await writeFile(files[0].path, damaged);
    await assert.rejects(
      cachedData('sst2:train'),
      /has changed since it was fetched; .*qslm fetch data sst2/,
    );
    await fetchData('sst2');
    assert.equal((await cachedData('sst2:train'))?.files.length, 1);
  });

  it('says that a repository lacks a split', async () => {
    const files = { 'sst2/train-00000-of-00001.parquet': await fixture('sentences.parquet') };
    const other = await HubServer.start([
      { kind: 'dataset', name: 'nyu-mll/glue', commit: COMMIT, files },
    ]);
    set({ HF_ENDPOINT: other.endpoint });
    await assert.rejects(
      fetchData('sst2'),
      /lacks a split of the data; got no sst2\/validation-\*\.parquet; expected the layout of/,
    );
    await other.stop();
    assert.deepEqual(await home.files(), []);
  });

  it('fetches from a cell', async () => {
    const model = await fetchModelInCell(MODEL);
    assert.equal(model.tokenizer?.origin.repository, 'EleutherAI/gpt-neox-20b');
    assert.match(model.tokenizer.path, /ridger.*tokenizer\.json$/);
    assert.equal((await fetchInCell('sst2', { revision: 'v1' })).revision, COMMIT);
  });
});
