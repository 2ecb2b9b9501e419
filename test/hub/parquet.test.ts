import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { readSst2Parquet, readWikitextParquet } from '../../src/tasks/data/parquet.js';
import { readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { taskOfParquet } from '../../src/tasks/glue/recognise.js';
import { DataError } from '../../src/util/errors.js';
import { packagePath } from '../../src/util/paths.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { sharedPath } from '../support/shared.js';

const SCRIPT = packagePath('test', 'hub', 'support', 'write_parquet.py');
const FIXTURES = (name: string): string => packagePath('test', 'fixtures', 'parquet', name);

/** A Python with pyarrow: PYTHON_WITH_PYARROW, else python3. */
function pythonWithPyarrow(): string | undefined {
  const named = process.env.PYTHON_WITH_PYARROW ?? 'python3';
  try {
    execFileSync(named, ['-c', 'import pyarrow'], { stdio: 'ignore' });
    return named;
  } catch {
    return undefined;
  }
}

describe('parquet data', () => {
  const at = temporaryFolder();

  // Written by pyarrow 26.0.1 with test/hub/support/write_parquet.py from the text files beside them.
  it('gives the sentences that the TSV gives', async () => {
    const path = FIXTURES('sentences.parquet');
    assert.equal(await taskOfParquet(path), 'sst2');
    const examples = await readSst2Parquet(path);
    assert.deepEqual(examples, await readSst2Tsv(FIXTURES('sentences.tsv')));
    assert.equal(examples.length, 4);
    assert.equal(examples[3].sentence, 'thé café scene alone is worth it');
  });

  it('gives the text that the text file has, to the byte', async () => {
    const path = FIXTURES('lines.parquet');
    assert.equal(await taskOfParquet(path), 'wikitext2');
    assert.equal(await readWikitextParquet(path), await readFile(FIXTURES('lines.txt'), 'utf8'));
  });

  it('says which columns are missing', async () => {
    await assert.rejects(readSst2Parquet(FIXTURES('lines.parquet')), {
      message:
        /lines\.parquet: columns are missing; got columns text; expected the columns sentence and label/,
    });
    await assert.rejects(
      readWikitextParquet(FIXTURES('sentences.parquet')),
      /got columns sentence, label, idx; expected the columns text/,
    );
  });

  it('refuses what is no parquet, and every truncation, in words', async () => {
    const whole = await readFile(FIXTURES('sentences.parquet'));
    const lengths = [0, 3, 4, 12, 100, whole.length >> 1, whole.length - 9, whole.length - 1];
    for (const length of lengths) {
      await writeFile(at('cut.parquet'), whole.subarray(0, length));
      await assert.rejects(readSst2Parquet(at('cut.parquet')), (error: Error) => {
        assert.ok(error instanceof DataError, `${length}: ${error.stack}`);
        assert.match(error.message, /cut\.parquet: .*; got .*; expected/);
        return true;
      });
    }
    await writeFile(at('cut.parquet'), 'PAR1 no, only text PAR1');
    await assert.rejects(taskOfParquet(at('cut.parquet')), DataError);
    await assert.rejects(
      taskOfParquet(at('none.parquet')),
      /none\.parquet: cannot be read; got ENOENT/,
    );
  });

  it('refuses text that is not UTF-8, where a replacement would be evaluated', async () => {
    const bytes = await readFile(FIXTURES('sentences.parquet'));
    const place = bytes.indexOf(Buffer.from('café'));
    assert.ok(place > 0);
    bytes[place + 3] = 0xff;
    await writeFile(at('latin.parquet'), bytes);
    await assert.rejects(readSst2Parquet(at('latin.parquet')), DataError);
  });

  const python = pythonWithPyarrow();
  const data = [
    ['sst2', 'data/sst2/dev.tsv'],
    ['sst2', 'data/sst2/search.tsv'],
    ['sst2', 'data/sst2/train.tsv'],
    ['wikitext', 'data/wikitext2/valid.txt'],
    ['wikitext', 'data/wikitext2/test.txt'],
    ['wikitext', 'data/wikitext2/train.txt'],
  ] as const;
  const missing = [
    ...(python === undefined ? ['pyarrow; PYTHON_WITH_PYARROW names a Python that has it'] : []),
    ...data.map(([, name]) => name).filter((name) => sharedPath(name) === undefined),
  ];
  if (missing.length > 0 || python === undefined) {
    it(`skipped: files with the hub's schemas give our data (no ${missing.join(', ')})`, function () {
      this.skip();
    });
    return;
  }
  for (const [kind, name] of data)
    it(`written by pyarrow with the hub's schema gives ${name}`, async () => {
      const source = sharedPath(name)!;
      const target = at(`${name.replaceAll('/', '-')}.parquet`);
      execFileSync(python, [SCRIPT, kind, source, target]);
      if (kind === 'sst2')
        assert.deepEqual(await readSst2Parquet(target), await readSst2Tsv(source));
      else assert.equal(await readWikitextParquet(target), await readFile(source, 'utf8'));
    }).timeout(60_000);
});
