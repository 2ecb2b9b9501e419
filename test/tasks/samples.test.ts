import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { articleToWikiText } from '../../src/tasks/data/articles.js';
import { loadSentimentSamples, loadTextSamples } from '../../src/tasks/data/samples.js';
import { fromWikiText } from '../../src/tokenizer/normaliser.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { sha256 } from '../../src/util/hash.js';
import { packagePath } from '../../src/util/paths.js';
import { itShared } from '../support/shared.js';

const PACKAGE = dirname(require.resolve('sentiment/package.json'));

describe('tasks: bundled samples', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'qslm-samples-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  describe('sentences', () => {
    it("are 500 of each class, in SST-2's style", async () => {
      const { examples, licence, source } = await loadSentimentSamples();
      assert.equal(examples.length, 1000);
      assert.equal(examples.filter(({ label }) => label === 1).length, 500);
      assert.ok(examples.every(({ label }) => label === 0 || label === 1));
      assert.deepEqual(examples[0], {
        sentence:
          'a very , very , very slow-moving , aimless movie about a distressed , drifting young man .',
        label: 0,
      });
      assert.deepEqual(examples[9], {
        sentence: 'loved the casting of jimmy buffet as the science teacher .',
        label: 1,
      });
      for (const { sentence } of examples) {
        assert.match(sentence, /^\S+(?: \S+)*$/u);
        assert.doesNotMatch(sentence, /["“”‘’–—…\p{Lu}\u0080-\u009F]/u);
      }
      assert.equal(licence, 'CC BY 4.0');
      assert.match(source, /Sentiment Labelled Sentences/);
    });

    it('are those that the published accuracies were measured on', async () => {
      // spikegpt-mini-sst2 in PyTorch fp32 classifies 785 of exactly these sentences rightly
      // (reference_qslm.py, torch 1.13). A change of the normaliser changes that: measure again.
      const { examples } = await loadSentimentSamples();
      const text = examples.map(({ sentence, label }) => `${sentence}\t${label}\n`).join('');
      assert.equal(
        sha256(text),
        '3d247d6b4ec115aa1fbbbd076e123d035067761cbfe6ffdf51ef1e659eff1dd2',
      );
    });

    it('are refused from another version of the package', async () => {
      await writeFile(join(folder, 'package.json'), '{"name":"sentiment","version":"5.0.1"}');
      await assert.rejects(loadSentimentSamples(folder), {
        name: 'DataError',
        message: /another version; got sentiment@5\.0\.1; expected sentiment@5\.0\.2/,
      });
    });

    it('are refused when the file is not the expected one, or missing', async () => {
      await cp(join(PACKAGE, 'package.json'), join(folder, 'package.json'));
      await assert.rejects(loadSentimentSamples(folder), {
        name: 'DataError',
        message:
          /imdb\.json: cannot be read; got ENOENT \(there is no such file\); expected the sentences in sentiment@5\.0\.2/,
      });
      const fixture = await readFile(join(PACKAGE, 'test/fixtures/imdb.json'), 'utf8');
      await mkdir(join(folder, 'test/fixtures'), { recursive: true });
      await writeFile(
        join(folder, 'test/fixtures/imdb.json'),
        fixture.replace('"class":0', '"class":1'),
      );
      await assert.rejects(loadSentimentSamples(folder), {
        name: 'DataError',
        message:
          /imdb\.json: content is not the expected; got sha256 [0-9a-f]{64}; expected sha256 44a7b90/,
      });
    });
  });

  describe('articles', () => {
    it("are laid out and written in WikiText's style", () => {
      const article =
        '---\nlicence: CC0\n---\n# The Fire (1666)\n\nIt burnt\n13,200 houses.\n\nAll were lost.\n\n' +
        '## After-effects\n\n### At once\n\n“No!” he said.\n';
      assert.equal(
        articleToWikiText(article, 'fire.md'),
        ' \n = The Fire ( 1666 ) = \n \n It burnt 13 @,@ 200 houses . \n All were lost . \n' +
          ' \n = = After @-@ effects = = \n \n \n = = = At once = = = \n \n " No ! " he said . \n \n',
      );
      const windows = article.replaceAll('\n', '\r\n');
      assert.equal(articleToWikiText(windows, 'fire.md'), articleToWikiText(article, 'fire.md'));
    });

    it('are joined in the order of their names, each set off by empty lines', async () => {
      await writeFile(join(folder, '10-b.md'), '# B\n\nSecond.');
      await writeFile(join(folder, '09-a.md'), '# A\n\nFirst.');
      await writeFile(join(folder, 'README.md'), 'no article');
      await writeFile(join(folder, 'LICENSE'), 'no article');
      const { text, articles } = await loadTextSamples(folder);
      assert.equal(text, ' \n = A = \n \n First . \n \n \n = B = \n \n Second . \n \n');
      assert.equal(articles, 2);
    });

    it('are refused when they are not laid out as they should be', async () => {
      for (const [article, message] of [
        ['', /x\.md: article has no title; got ""/],
        ['Text.', /x\.md: article has no title; got "Text\."; expected a line "# Title"/],
        ['# A\n\nText.\n\n# B', /x\.md: article has two titles/],
        ['# A\n\n## B\n', /x\.md: article has no text/],
      ] as const)
        assert.throws(() => articleToWikiText(article, 'x.md'), { name: 'DataError', message });
      await assert.rejects(loadTextSamples(folder), { name: 'DataError', message: /no articles/ });
      await assert.rejects(loadTextSamples(join(folder, 'nowhere')), {
        name: 'DataError',
        message: /folder cannot be read; got ENOENT/,
      });
      await writeFile(join(folder, 'a.md'), '');
      await assert.rejects(loadTextSamples(folder), { name: 'DataError', message: /a\.md: empty/ });
    });

    it('of the package come back to what their authors wrote', async () => {
      const { text, licence } = await loadTextSamples();
      assert.equal(licence, 'CC0 1.0');
      const wanted = await writtenLines();
      assert.ok(wanted.length >= 50);
      const lines = fromWikiText(text)
        .split('\n')
        .filter((line) => line !== '');
      assert.deepEqual(lines, wanted);
    });

    itShared(
      'of the package are at least 12,000 tokens',
      ['models/tokenizer.json'],
      async (path) => {
        const tokenizer = await loadTokenizer(path);
        const { text } = await loadTextSamples();
        const ids = tokenizer.encode(text);
        assert.ok(ids.length >= 12_000, `${ids.length} tokens`);
        assert.equal(tokenizer.decode(ids), text);
      },
    );
  });
});

/** The articles' paragraphs and headings (`== Section ==`), read without the loader. */
async function writtenLines(): Promise<string[]> {
  const articles = packagePath('data', 'samples', 'articles');
  const names = (await readdir(articles)).filter((name) => /^\d.*\.md$/u.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(articles, name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split(/\n{2,}/u)
      .map((block) => block.trim().replaceAll('\n', ' '))
      .filter((block) => block !== '')
      .map((block) =>
        block.replace(/^(#+) (.*)$/u, (_, marks: string, title: string) => {
          const equals = marks.replaceAll('#', '=');
          return `${equals} ${title} ${equals}`;
        }),
      ),
  );
}
