import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { buildTask } from '../../../src/experiment/open/build-task.js';
import { openModelFile, type ModelFile } from '../../../src/experiment/open/model-file.js';
import { articlesOfPart, sentencesOfPart } from '../../../src/experiment/open/sample-parts.js';
import {
  buildStudyTasks,
  type StudyTasksRequest,
} from '../../../src/experiment/open/study-tasks.js';
import type { StudyTasks } from '../../../src/experiment/open/study.js';
import { DataError } from '../../../src/util/errors.js';
import { sst2Parts } from '../../support/parts.js';

describe('experiment/sample-parts', () => {
  it('deals each class out in turn: nothing lost, nothing in both, halves of each class', () => {
    const labels = fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(labels, (all) => {
        const examples = all.map((label, index) => ({ sentence: String(index), label }));
        const [search, heldOut] = (['search', 'held-out'] as const).map((part) =>
          sentencesOfPart(examples, part),
        );
        const order = (a: { sentence: string }, b: { sentence: string }): number =>
          Number(a.sentence) - Number(b.sentence);
        assert.deepEqual([...search, ...heldOut].sort(order), examples);
        for (const label of [0, 1]) {
          const [a, b] = [search, heldOut].map((part) => part.filter((one) => one.label === label));
          assert.ok(a.length === b.length || a.length === b.length + 1);
        }
      }),
    );
  });

  it('takes the first 60 % of the articles, and leaves at least one', () => {
    const articles = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
    assert.deepEqual(articlesOfPart(articles(15), 'search'), articles(9));
    assert.deepEqual(articlesOfPart(articles(15), 'held-out'), [9, 10, 11, 12, 13, 14]);
    assert.deepEqual(articlesOfPart(articles(2), 'search'), [0]);
    assert.deepEqual(articlesOfPart(articles(2), 'held-out'), [1]);
  });
});

describe('experiment/study-tasks', () => {
  let folder = '';
  let classifier: ModelFile;
  let language: ModelFile;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-tasks-'));
    classifier = await openModelFile('spikegpt-mini-sst2');
    language = await openModelFile('spikegpt-mini');
  });
  after(async () => {
    await classifier.close();
    await language.close();
    await rm(folder, { recursive: true, force: true });
  });

  const build = (file: ModelFile, request: StudyTasksRequest = {}): Promise<StudyTasks> =>
    buildStudyTasks(request, file.tokenizer, file);
  const save = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };

  it('splits the bundled sentences into two tasks of 500 with no sentence in common', async () => {
    const { search, heldOut } = await build(classifier);
    const [a, b] = [search, heldOut!].map(({ task }) => sst2Parts(task));
    assert.deepEqual([a.labels.length, b.labels.length], [500, 500]);
    for (const { labels } of [a, b])
      assert.equal(labels.filter((label) => label === 1).length, 250);
    const texts = (one: typeof a): string[] => one.sequences.map((ids) => ids.join(' '));
    const common = texts(a).filter((text) => texts(b).includes(text));
    // The collection itself holds a few sentences twice.
    assert.ok(common.length <= 3, `${common.length} in common`);
    assert.match(search.task.source, /search part/);
    assert.match(heldOut!.task.source, /held-out part/);
    assert.equal(search.context, undefined);
  });

  it('splits the bundled articles', async () => {
    const { search, heldOut } = await build(language, { context: 128 });
    const whole = await buildTask({ context: 128 }, language.tokenizer, language);
    const [a, b] = [search.task.tokens, heldOut!.task.tokens];
    assert.ok(a > b && b > 20 * 128);
    assert.ok(a + b <= whole.tokens && a + b > whole.tokens - 3 * 128);
    assert.deepEqual([search.context, heldOut!.context], [128, 128]);
    assert.match(search.task.source, /\(bundled, 9 articles, search part\)/);
  });

  it('limits each part by itself', async () => {
    const { search, heldOut } = await build(classifier, { limit: 20, heldOutLimit: 30 });
    assert.deepEqual([search.task.items, search.limit], [20, 20]);
    assert.deepEqual([heldOut!.task.items, heldOut!.limit], [30, 30]);
  });

  it('takes files, and has nothing held out where none is named', async () => {
    const data = await save('a.tsv', 'sentence\tlabel\ngood\t1\nbad\t0\n');
    const judged = await save('b.tsv', 'sentence\tlabel\nfine\t1\n');
    const alone = await build(classifier, { data });
    assert.equal(alone.heldOut, undefined);
    assert.equal(alone.search.task.items, 2);
    const both = await build(classifier, { data, heldOut: judged });
    assert.equal(both.heldOut?.task.items, 1);
    assert.equal(both.heldOut.split, 'held-out');
    const text = await save('c.txt', 'a b c d e f g h i j k l m n o p '.repeat(40));
    const mixed = await build(language, { context: 8, heldOut: text });
    assert.equal(mixed.heldOut?.task.source, text);
  });

  it('refuses to judge by what was searched on', async () => {
    const data = await save('d.tsv', 'sentence\tlabel\ngood\t1\nbad\t0\n');
    const copy = await save('e.tsv', 'sentence\tlabel\ngood\t1\nbad\t0\n');
    await assert.rejects(build(classifier, { data, heldOut: copy }), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /held-out data is the data that is searched on/);
      return true;
    });
  });

  it('refuses to judge by a part of what was searched on, also under limits', async () => {
    const rows = Array.from({ length: 60 }, (_, index) => `film number ${index}\t${index % 2}`);
    const whole = await save('f.tsv', `sentence\tlabel\n${rows.join('\n')}\n`);
    const refused = (promise: Promise<StudyTasks>, got: RegExp): Promise<void> =>
      assert.rejects(promise, (error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, /the held-out data holds what is searched on/);
        assert.match(error.message, got);
        return true;
      });
    await refused(
      build(classifier, { data: whole, heldOut: whole, limit: 20 }),
      /got 20 sentences of the 20 in the smaller part/,
    );
    const rest = await save('g.tsv', `sentence\tlabel\n${rows.slice(20).join('\n')}\n`);
    await refused(build(classifier, { data: whole, heldOut: rest, limit: 30 }), /got 10 sentences/);
    const apart = await build(classifier, { data: whole, heldOut: rest, limit: 20 });
    assert.equal(apart.heldOut?.task.items, 40);
  });

  it('finds text that is cut elsewhere in another task', async () => {
    const words = Array.from({ length: 900 }, (_, index) => `word${(index * 7919) % 1009} of`);
    const [first, second] = [words.slice(0, 500).join(' '), words.slice(500).join(' ')];
    const all = await save('h.txt', `${first} ${second}`);
    const part = await save('i.txt', second);
    const options = { data: all, heldOut: part, context: 16 };
    await assert.rejects(build(language, options), /pieces of 24 tokens of the \d+ in the smaller/);
    const head = await save('j.txt', first);
    const apart = await build(language, { ...options, data: head });
    assert.equal(apart.heldOut?.task.source, part);
  });
});
