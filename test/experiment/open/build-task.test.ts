import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { buildTask } from '../../../src/experiment/open/build-task.js';
import { sst2Task } from '../../../src/tasks/sst2.js';
import { wikitext2Task, type Wikitext2Task } from '../../../src/tasks/wikitext2.js';
import { loadTokenizer, type Tokenizer } from '../../../src/tokenizer/tokenizer.js';
import { DataError, UsageError } from '../../../src/util/errors.js';
import { packagePath } from '../../../src/util/paths.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { modelOf } from '../../support/spikegpt.js';
import { TOY } from '../../support/toy.js';

const CONFIG = { ...TOY, vocabSize: 4096, contextLength: 256, classes: 0 };
const MODEL = modelOf(CONFIG);
const CLASSIFIER = modelOf({ ...CONFIG, classes: 2 });
const TSV = 'sentence\tlabel\na fine film .\t1\nnot so fine .\t0\n';
const TEXT = ` ${'The castle was built in 1823 . '.repeat(60)}\n`;

describe('experiment/inputs-task', () => {
  const folder = temporaryFolder();
  let tokenizer: Tokenizer;
  before(async () => {
    tokenizer = await loadTokenizer(packagePath('data/models/spikegpt-mini/tokenizer.json'));
    await writeFile(folder('data.tsv'), TSV);
    await writeFile(folder('DATA.TSV'), TSV);
    await writeFile(folder('data.txt'), TEXT);
  });
  const at = folder;

  it('takes the bundled samples that fit the model', async () => {
    const sentences = await buildTask({}, tokenizer, CLASSIFIER);
    assert.deepEqual([sentences.name, sentences.items], ['sst2', 1000]);
    assert.match(sentences.source, /Kotzias.*bundled/);
    const text = await buildTask({}, tokenizer, MODEL);
    assert.equal(text.name, 'wikitext2');
    assert.ok(text.tokens >= 12_000, `${text.tokens} tokens`);
  });

  it('lets the data decide, and an explicit task before it', async () => {
    assert.equal((await buildTask({ data: at('data.tsv') }, tokenizer, MODEL)).name, 'sst2');
    assert.equal((await buildTask({ data: at('DATA.TSV') }, tokenizer, MODEL)).name, 'sst2');
    assert.equal(
      (await buildTask({ data: at('data.txt') }, tokenizer, CLASSIFIER)).name,
      'wikitext2',
    );
    const asText = { data: at('data.tsv'), task: 'wikitext2' } as const;
    assert.equal((await buildTask(asText, tokenizer, MODEL)).name, 'wikitext2');
  });

  it('builds the task that the data and options say', async () => {
    const examples = [
      { sentence: 'a fine film .', label: 1 },
      { sentence: 'not so fine .', label: 0 },
    ];
    const own = await buildTask({ data: at('data.tsv') }, tokenizer, CLASSIFIER);
    assert.equal(own.id, sst2Task({ examples, tokenizer, source: 'x', paddingId: 1 }).id);
    const windowed = { data: at('data.txt'), context: 32, stride: 16, limit: 200 };
    const text = (await buildTask(windowed, tokenizer, MODEL)) as Wikitext2Task;
    const settings = { text: TEXT, tokenizer, source: 'x', context: 32, stride: 16 };
    assert.equal(text.id, wikitext2Task({ ...settings, limitTokens: 200 }).id);
    assert.deepEqual([text.context, text.stride], [32, 16]);
  });

  it('remarks on ordinary text where the model was trained on another style', async () => {
    const remarks: string[] = [];
    const onRemark = (text: string): unknown => remarks.push(text);
    const ordinary =
      'It was late. The sea, as ever, was grey; nobody spoke. Then, at last, we left. ';
    await writeFile(at('ordinary.txt'), ordinary.repeat(8));
    const request = { data: at('ordinary.txt'), onRemark, context: 8 };
    const trained = { ...MODEL, checkpoint: { metadata: { text_style: 'wikitext' } } };
    await buildTask(request, tokenizer, trained);
    assert.match(
      remarks[0],
      /ordinary\.txt reads like ordinary text.*`natural` brings the text into/,
    );
    // Brought into the style, of a model without one, or in the style already: nothing to say.
    await buildTask({ ...request, natural: true }, tokenizer, trained);
    await buildTask(request, tokenizer, MODEL);
    await buildTask({ ...request, data: at('data.txt') }, tokenizer, trained);
    assert.equal(remarks.length, 1);
  });

  it('says that an ending chose the task', async () => {
    const remarks: string[] = [];
    await writeFile(at('table.csv'), 'sentence,label\n'.repeat(40));
    const onRemark = (text: string): unknown => remarks.push(text);
    const request = { data: at('table.csv'), onRemark, context: 8 };
    await buildTask(request, tokenizer, MODEL);
    assert.match(remarks[0], /table\.csv: its ending, \.csv, chose the task wikitext2/);
    await assert.rejects(
      buildTask(request, tokenizer, modelOf({ ...CONFIG, classes: 2, head: false })),
      /the ending chose the task wikitext2, which the model cannot do; got \.csv, for a classifier/,
    );
  });

  it('takes the context of the model for windows', async () => {
    const model = modelOf({ ...CONFIG, contextLength: 100 });
    const task = (await buildTask({ data: at('data.txt') }, tokenizer, model)) as Wikitext2Task;
    assert.equal(task.context, 100);
  });

  it('brings ordinary text into the style of the task where it is asked to', async () => {
    await writeFile(at('natural.tsv'), "sentence\tlabel\nIt's a fine film.\t1\n");
    await writeFile(at('styled.tsv'), "sentence\tlabel\nit 's a fine film .\t1\n");
    const of = (data: string, natural = false) =>
      buildTask({ data: at(data), natural }, tokenizer, CLASSIFIER);
    const [natural, styled] = [await of('natural.tsv', true), await of('styled.tsv')];
    assert.equal(natural.id, styled.id);
    assert.notEqual((await of('natural.tsv')).id, styled.id);
    assert.match(natural.source, /natural\.tsv, brought into SST-2's style/);

    await writeFile(at('natural.txt'), 'It was built in 1823, and burned down.');
    await writeFile(at('styled.txt'), ' It was built in 1823 , and burned down . ');
    const [prose, words] = [await of('natural.txt', true), await of('styled.txt')];
    assert.equal(prose.id, words.id);
  });

  it('refuses options that do not belong to the task', async () => {
    const refused = (request: object, option: RegExp) =>
      assert.rejects(buildTask(request, tokenizer, CLASSIFIER), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, option);
        return true;
      });
    await refused({ context: 128 }, /^context: the option does not apply; got 128 for sst2/);
    await refused({ stride: 64 }, /^stride: /);
    await refused({ data: at('data.txt'), pooling: 'real-tokens' }, /^pooling: /);
  });

  it('refuses data that cannot be used', async () => {
    await writeFile(at('empty.txt'), ' \n');
    await assert.rejects(buildTask({ data: at('empty.txt') }, tokenizer, MODEL), DataError);
    await assert.rejects(buildTask({ data: at('missing.tsv') }, tokenizer, MODEL), DataError);
  });
});
