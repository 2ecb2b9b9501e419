import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { buildTask } from '../../src/experiment/open/build-task.js';
import { describeModel } from '../../src/model/structure.js';
import { readSst2Parquet, readWikitextParquet } from '../../src/tasks/data/parquet.js';
import { loadTextSamples } from '../../src/tasks/data/samples.js';
import { requireWords } from '../../src/tasks/data/text.js';
import { readGlueTsv } from '../../src/tasks/glue/tsv.js';
import type { Task } from '../../src/tasks/task.js';
import { wikitext2Task } from '../../src/tasks/wikitext2.js';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.js';
import { DataError, TokenizerError } from '../../src/util/errors.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { wikitext2Parts } from '../support/parts.js';
import { openBundled } from '../support/toy.js';

/** No part of any UTF-8 text: what is read of it is refused. */
const BROKEN = Buffer.alloc(1 << 20, 0xff);

describe('data: reading what is asked for', () => {
  const at = temporaryFolder();
  let tokenizer: Tokenizer;
  let prose = '';
  before(async () => {
    tokenizer = await loadTokenizer(
      packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json'),
    );
    // More than is read at once.
    prose = (await loadTextSamples()).text.repeat(3);
  });

  async function build(data: string, limit?: number, natural = false): Promise<Task> {
    const checkpoint = await openBundled('spikegpt-mini');
    try {
      const model = await describeModel(checkpoint);
      const context = data.endsWith('.tsv') ? undefined : 64;
      return await buildTask({ data, limit, natural, context }, tokenizer, model);
    } finally {
      await checkpoint.close();
    }
  }

  async function refused(data: string, message: RegExp, limit?: number): Promise<void> {
    await assert.rejects(build(data, limit), (error) => {
      assert.ok(error instanceof DataError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }

  it('gives the tokens of the whole text, whatever the limit', async () => {
    const path = at('prose.txt');
    await writeFile(path, prose);
    for (const limit of [2, 100, 5000, 20_000, 1e6]) {
      const whole = wikitext2Task({
        text: prose,
        tokenizer,
        source: path,
        context: 64,
        limitTokens: limit,
      });
      const task = await build(path, limit);
      assert.equal(task.id, whole.id);
      assert.deepEqual(wikitext2Parts(task).scored, wikitext2Parts(whole).scored);
    }
    const natural = await build(path, 3000, true);
    const all = await build(path, undefined, true);
    const { scored } = wikitext2Parts(natural);
    assert.deepEqual(scored, wikitext2Parts(all).scored.subarray(0, scored.length));
  });

  it('reads no more of a text than its limit needs', async () => {
    const path = at('endless.txt');
    await writeFile(path, Buffer.concat([Buffer.from(prose), BROKEN]));
    assert.equal((await build(path, 2000)).tokens, 1984);
    await refused(path, /not UTF-8/);
    // One line, and more of it than a string can hold.
    await writeFile(path, prose.replaceAll('\n', ' '));
    await truncate(path, 600e6);
    assert.equal((await build(path, 2000)).tokens, 1984);
    await refused(path, /file is too large; got 600.00 MB; expected .* at most 256.00 MB/);
  });

  it('reads no more sentences than its limit says', async () => {
    const path = at('endless.tsv');
    const rows = Array.from({ length: 5000 }, (_, index) => `a fine film no. ${index}\t1\n`);
    await writeFile(
      path,
      Buffer.concat([Buffer.from(`sentence\tlabel\n${rows.join('')}`), BROKEN]),
    );
    assert.equal((await build(path, 40)).items, 40);
    await refused(path, /not UTF-8/);
    await writeFile(path, `sentence\tlabel\nfine\t1\n\n${rows.join('')}`);
    await refused(path, /line 3: missing column/, 2);
    await writeFile(path, `sentence\tlabel\nfine\t1\n\n`);
    assert.equal((await build(path, 2)).items, 1);
    await writeFile(path, 'x '.repeat(1 << 20));
    await refused(path, /no lines; got 1048576 characters without a line end/, 2);
  });

  it("reads no more of GLUE's tables than its limit says, with a header and without", async () => {
    const path = at('endless-glue.tsv');
    const rows = Array.from({ length: 5000 }, (_, index) => `gj04\t1\t\tA fine film ${index}.\n`);
    await writeFile(path, Buffer.concat([Buffer.from(rows.join('')), BROKEN]));
    const some = await readGlueTsv('cola', path, 40);
    assert.deepEqual(some[39], { sentences: ['A fine film 39.'], label: 1 });
    assert.ok(some.length <= 41);
    await assert.rejects(readGlueTsv('cola', path), /not UTF-8/);
    const pairs = `index\tsentence1\tsentence2\tlabel\n${'0\tyes\tno\tentailment\n'.repeat(4000)}`;
    await writeFile(path, Buffer.concat([Buffer.from(pairs), BROKEN]));
    assert.equal((await readGlueTsv('rte', path, 40)).length, 40);
    await writeFile(path, 'x '.repeat(1 << 20));
    await assert.rejects(readGlueTsv('rte', path, 2), /no lines; got 1048576 characters/);
  });

  it('reads no more of a parquet file than its limit says, whatever lies between', async () => {
    for (const name of ['sentences', 'lines']) {
      const bytes = await readFile(packagePath('test', 'fixtures', 'parquet', `${name}.parquet`));
      // Offsets count from the beginning, the footer from the end: a hole of 600 MB between them.
      const footer = 8 + bytes.readUInt32LE(bytes.length - 8);
      const path = at(`${name}-hole.parquet`);
      await writeFile(path, bytes.subarray(0, -footer));
      await truncate(path, 600e6);
      await appendFile(path, bytes.subarray(-footer));
    }
    const whole = await readSst2Parquet(packagePath('test/fixtures/parquet/sentences.parquet'));
    assert.deepEqual(await readSst2Parquet(at('sentences-hole.parquet'), 2), whole.slice(0, 2));
    const text = await readWikitextParquet(packagePath('test/fixtures/parquet/lines.parquet'));
    const read: string[] = [];
    const cut = (all: string): string => {
      read.push(all);
      return all.slice(0, 20);
    };
    assert.equal(await readWikitextParquet(at('lines-hole.parquet'), cut), text.slice(0, 20));
    assert.ok(text.startsWith(read[0]));
    for (const reading of [
      readSst2Parquet(at('sentences-hole.parquet')),
      readWikitextParquet(at('lines-hole.parquet')),
    ])
      await assert.rejects(reading, /file is too large; got 600\.00 MB/);
  });

  it('refuses what has no words by name, before it is taken apart', async () => {
    await writeFile(at('letters.txt'), 'a'.repeat(1e6));
    for (const limit of [undefined, 2000])
      await refused(
        at('letters.txt'),
        /letters\.txt: no lines and no words; got 65,536 char/,
        limit,
      );
    requireWords(`${'b'.repeat(65_535)} `.repeat(4), 'here');
    assert.throws(() => requireWords(`a ${'b'.repeat(65_537)}`, 'here'), /from 1 on/);
  });

  it('refuses pipes and devices without reading them', async function () {
    if (!existsSync('/dev/zero')) this.skip();
    await refused(
      '/dev/zero',
      /\/dev\/zero: file cannot be read; got a device; expected .*regular/,
    );
    execFileSync('mkfifo', [at('pipe.txt')]);
    for (const limit of [undefined, 10])
      await refused(at('pipe.txt'), /pipe\.txt: file cannot be read; got a pipe/, limit);
    await assert.rejects(loadTokenizer(at('pipe.txt')), (error) => {
      assert.ok(error instanceof TokenizerError);
      assert.match(error.message, /got a pipe/);
      return true;
    });
  });

  it('takes no tokenizer whose tokens are longer than any in use', async () => {
    const path = packagePath('data', 'models', 'spikegpt-mini', 'tokenizer.json');
    const good = JSON.parse(await readFile(path, 'utf8')) as {
      model: { vocab: Record<string, number> };
      added_tokens: { id: number; content: string }[];
    };
    const refusedAs = async (file: object, message: RegExp): Promise<void> => {
      await writeFile(at('long.json'), JSON.stringify(file));
      await assert.rejects(loadTokenizer(at('long.json')), (error) => {
        assert.ok(error instanceof TokenizerError);
        assert.match(error.message, message);
        return true;
      });
    };
    const long = Array.from({ length: 300 }, (_, index) => String(index).padStart(16_384, 'x'));
    const vocab = Object.fromEntries([...long.entries()].map(([id, token]) => [token, id]));
    const message = /a token is too long; got .*; expected at most 4096/;
    await refusedAs({ ...good, model: { ...good.model, vocab } }, message);
    const pairs = long.map((token, score) => [token, -score]);
    await refusedAs({ ...good, model: { type: 'Unigram', unk_id: 0, vocab: pairs } }, message);
    const [first, ...rest] = good.added_tokens;
    await refusedAs({ ...good, added_tokens: [{ ...first, content: long[0] }, ...rest] }, message);
  });
});
