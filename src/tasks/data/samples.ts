import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toSst2 } from '../../tokenizer/normaliser.js';
import { DataError } from '../../util/errors.js';
import { sha256 } from '../../util/hash.js';
import { packagePath } from '../../util/paths.js';
import { systemReason } from '../../util/system-errors.js';
import { articleToWikiText } from './articles.js';
import { readBytes, readTextFile } from './text.js';
import type { LabelledSentence } from './tsv.js';

/** The source of samples and their terms, for people. */
export interface SampleOrigin {
  readonly source: string;
  readonly licence: string;
}

export interface SentimentSamples extends SampleOrigin {
  /** In SST-2's style; 0 negative, 1 positive; 500 of each. */
  readonly examples: readonly LabelledSentence[];
}

export interface TextSamples extends SampleOrigin {
  /** In WikiText's style, article after article. */
  readonly text: string;
  /** Each article for itself: joined they are `text`. */
  readonly texts: readonly string[];
  readonly articles: number;
}

/**
 * The npm package that carries the sentences as a fixture of its tests. Another version may change
 * them, and with them every accuracy: so version and content are those the published figures had.
 */
const SENTIMENT = {
  package: 'sentiment',
  version: '5.0.2',
  file: 'test/fixtures/imdb.json',
  sha256: '44a7b9082ed732ee2de3c858ea5ee2e99aca34f239a1c4359d3a300bf099bdb5',
} as const;

/**
 * 1,000 sentences of film reviews, labelled by their tone: Kotzias et al., "From Group to Individual
 * Labels using Deep Features" (KDD 2015), UCI Machine Learning Repository, "Sentiment Labelled
 * Sentences", the part from imdb.com. Brought into SST-2's style.
 *
 * @param folder the installed package; found by itself.
 * @throws {DataError} when the package is missing, of another version, or its file is not the expected.
 */
export async function loadSentimentSamples(folder = sentimentFolder()): Promise<SentimentSamples> {
  await checkVersion(folder);
  const entries = await readFixture(join(folder, SENTIMENT.file));
  return {
    // One entry is empty and has no label.
    examples: entries.flatMap(({ text, class: label }) =>
      label === null ? [] : [{ sentence: toSst2(text), label }],
    ),
    source: 'Sentiment Labelled Sentences (Kotzias et al., 2015), imdb.com part, UCI Repository',
    licence: 'CC BY 4.0',
  };
}

function sentimentFolder(): string {
  try {
    return dirname(require.resolve(`${SENTIMENT.package}/package.json`));
  } catch (cause) {
    const detail = {
      what: 'npm package is not installed',
      where: 'bundled sentences',
      got: `no package "${SENTIMENT.package}"`,
      expected: `${SENTIMENT.package}@${SENTIMENT.version}, which npm ci installs`,
    };
    throw new DataError(detail, { cause });
  }
}

async function checkVersion(folder: string): Promise<void> {
  const path = join(folder, 'package.json');
  const { version } = JSON.parse(await readTextFile(path)) as { version?: unknown };
  if (version === SENTIMENT.version) return;
  throw new DataError({
    what: 'npm package has another version',
    where: path,
    got: `${SENTIMENT.package}@${String(version)}`,
    expected: `${SENTIMENT.package}@${SENTIMENT.version}, whose sentences the figures were made with`,
  });
}

interface FixtureEntry {
  readonly text: string;
  readonly class: number | null;
}

async function readFixture(path: string): Promise<FixtureEntry[]> {
  const bytes = await readBytes(path, `the sentences in ${SENTIMENT.package}@${SENTIMENT.version}`);
  const got = `sha256 ${sha256(bytes)}`;
  const expected = `sha256 ${SENTIMENT.sha256}`;
  if (got !== expected)
    throw new DataError({ what: 'content is not the expected', where: path, got, expected });
  // The hash has vouched for the shape.
  return JSON.parse(new TextDecoder().decode(bytes)) as FixtureEntry[];
}

/**
 * The articles that come with the package: encyclopaedic prose written for it, in natural typography,
 * brought into WikiText's style and put together in the order of their file names.
 *
 * @param folder Markdown files, see {@link articleToWikiText}.
 * @throws {DataError} when there are none, or one is not laid out as it should be.
 */
export async function loadTextSamples(
  folder = packagePath('data', 'samples', 'articles'),
): Promise<TextSamples> {
  const articles: string[] = [];
  for (const name of await articleNames(folder)) {
    const path = join(folder, name);
    articles.push(articleToWikiText(await readTextFile(path), path));
  }
  return {
    text: articles.join(''),
    texts: articles,
    articles: articles.length,
    source: 'Articles written for qslm',
    licence: 'CC0 1.0',
  };
}

async function articleNames(folder: string): Promise<string[]> {
  const expected = 'Markdown files, one an article';
  const names = await readdir(folder).catch((cause: unknown) => {
    const got = systemReason(cause);
    throw new DataError({ what: 'folder cannot be read', where: folder, got, expected }, { cause });
  });
  // Code units, not locale: the same order, and so the same windows, on every machine.
  const articles = names.filter((name) => name.endsWith('.md') && name !== 'README.md').sort();
  if (articles.length > 0) return articles;
  throw new DataError({ what: 'no articles', where: folder, got: 'no *.md', expected });
}
