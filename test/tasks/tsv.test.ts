import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSst2Tsv, readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { DataError } from '../../src/util/errors.js';
import { itShared } from '../support/shared.js';

const HEADER = 'sentence\tlabel\n';
const TWO = [
  { sentence: 'a "joy" to watch', label: 1 },
  { sentence: 'dull , dull , dull', label: 0 },
];

function fault(text: string): DataError['detail'] {
  try {
    parseSst2Tsv(text, 'dev.tsv');
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return error.detail;
  }
  assert.fail('nothing was thrown');
}

describe('SST-2 TSV', () => {
  it('reads sentences and labels, quotation marks as they are', () => {
    const text = `${HEADER}a "joy" to watch\t1\ndull , dull , dull\t0\n`;
    assert.deepEqual(parseSst2Tsv(text, 'dev.tsv'), TWO);
  });

  it('accepts a byte order mark, CRLF, GLUE’s trailing space and no line end at the end', () => {
    const text = '\uFEFFsentence\tlabel\r\na "joy" to watch \t1\r\ndull , dull , dull \t0';
    assert.deepEqual(parseSst2Tsv(text, 'dev.tsv'), TWO);
    assert.deepEqual(parseSst2Tsv(`${text}\r\n\r\n`, 'dev.tsv'), TWO);
  });

  it('refuses a file without header', () => {
    const detail = fault('a joy to watch\t1\n');
    assert.equal(detail.what, 'no header');
    assert.equal(detail.where, 'dev.tsv line 1');
    assert.equal(detail.got, '"a joy to watch\\t1"');
    assert.match(detail.expected!, /sentence\\tlabel/);
  });

  it('refuses GLUE’s unlabelled test layout', () => {
    assert.equal(fault('index\tsentence\n0\tuneasy\n').what, 'no header');
  });

  for (const label of ['2', '-1', '', 'positive', '1 ', '1.0']) {
    it(`refuses the label ${JSON.stringify(label)} and names its line`, () => {
      const detail = fault(`${HEADER}fine\t1\nodd\t${label}\n`);
      assert.equal(detail.what, 'wrong label');
      assert.equal(detail.where, 'dev.tsv line 3');
      assert.equal(detail.got, JSON.stringify(label));
      assert.match(detail.expected!, /0 .* 1 /);
    });
  }

  it('refuses missing and surplus columns', () => {
    const missing = fault(`${HEADER}no label here\n`);
    assert.equal(missing.what, 'missing column');
    assert.equal(missing.where, 'dev.tsv line 2');
    assert.equal(missing.got, '1 column: "no label here"');
    assert.equal(fault(`${HEADER}fine\t1\n\nfine\t1\n`).where, 'dev.tsv line 3');
    assert.equal(fault(`${HEADER}one\ttwo\t1\n`).what, 'too many columns');
  });

  it('refuses an empty sentence', () => {
    const detail = fault(`${HEADER}fine\t1\n  \t0\n`);
    assert.equal(detail.what, 'empty sentence');
    assert.equal(detail.where, 'dev.tsv line 3');
  });

  it('refuses text without data', () => {
    assert.equal(fault('').what, 'empty text');
    assert.equal(fault(' \n\n').what, 'empty text');
    assert.equal(fault(HEADER).what, 'no sentences');
  });

  it('cuts a long line in the message', () => {
    assert.ok(fault('x'.repeat(10_000)).got!.length < 80);
  });

  describe('files', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'qslm-tsv-'));
    });
    after(() => rm(folder, { recursive: true }));

    const failure = async (path: string): Promise<DataError['detail']> => {
      const error: unknown = await readSst2Tsv(path).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof DataError, String(error));
      assert.equal(error.detail.where, path);
      return error.detail;
    };

    it('names a file that is missing, empty or not UTF-8', async () => {
      assert.equal((await failure(join(folder, 'none.tsv'))).got, 'ENOENT (there is no such file)');
      await writeFile(join(folder, 'empty.tsv'), '');
      assert.equal((await failure(join(folder, 'empty.tsv'))).what, 'empty text');
      const latin1 = Buffer.from(`${HEADER}caf\xE9\t1\n`, 'latin1');
      await writeFile(join(folder, 'latin1.tsv'), latin1);
      assert.match((await failure(join(folder, 'latin1.tsv'))).what, /not UTF-8/);
    });

    // GLUE's published counts: 872 sentences, 444 of them positive.
    itShared('reads SST-2 dev', ['data/sst2/dev.tsv'], async (path) => {
      const examples = await readSst2Tsv(path);
      assert.equal(examples.length, 872);
      assert.equal(examples.filter(({ label }) => label === 1).length, 444);
    });
  });
});
