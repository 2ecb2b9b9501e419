import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { packagePath } from '../../src/util/paths.js';

/** The folders of src/ in order: each may import from itself and the ones before it. */
const ORDER = [
  'util',
  'hub',
  'checkpoint',
  'tokenizer',
  'layout',
  'quant',
  'backend',
  'model',
  'tasks',
  'training',
  'search',
  'energy',
  'store',
  'experiment',
  'queue',
  'plots',
  'figures',
  'notebook',
  'cli',
];

/** Packages that only these folders may load. */
const RESERVED: readonly { readonly package: RegExp; readonly folders: readonly string[] }[] = [
  { package: /^@tensorflow\//, folders: ['backend', 'model'] },
  { package: /^commander$|^cli-progress$/, folders: ['cli'] },
  { package: /^libsql$/, folders: ['store'] },
  { package: /^@huggingface\/hub$|^undici$/, folders: ['hub'] },
  { package: /^hyparquet$/, folders: ['tasks'] },
  { package: /^bullmq$|^ioredis$/, folders: ['queue'] },
];

/** Folders of model/ that hold a single family each, and the one file elsewhere that knows of them. */
const FAMILIES = ['spikegpt', 'spikebert', 'spikelm', 'spikingbert'];
const LIST_OF_FAMILIES = join('model', 'families.ts');

/** Folders whose rules go beyond the order. */
const FORBIDDEN: readonly { readonly from: string; readonly to: readonly string[] }[] = [
  // search/ knows no model: it is handed evaluate(plan).
  { from: 'search', to: ['backend', 'model', 'checkpoint'] },
  { from: 'plots', to: ['backend', 'model', 'checkpoint', 'store'] },
  { from: 'layout', to: ['checkpoint', 'tokenizer'] },
  { from: 'quant', to: ['tokenizer'] },
];

interface Import {
  readonly file: string;
  readonly from: string;
  readonly specifier: string;
  /** Folder of src/ it points into; undefined for a package. */
  readonly to: string | undefined;
}

const SRC = packagePath('src');

function importsOf(text: string): string[] {
  const pattern = /(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => match[1]);
}

function allImports(): Import[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.includes('assembly'),
  );
  return files.flatMap((file) =>
    importsOf(readFileSync(join(SRC, file), 'utf8')).map((specifier) => {
      const target = relative(SRC, resolve(SRC, dirname(file), specifier));
      const to = specifier.startsWith('.') ? target.split(sep)[0] : undefined;
      return { file, from: file.split(sep)[0], specifier, to };
    }),
  );
}

describe('import order', () => {
  const imports = allImports();

  it('is read from the sources', () => {
    assert.ok(imports.length > 100);
    assert.deepEqual(importsOf("import { a } from './b.js';\nawait import('c');"), ['./b.js', 'c']);
  });

  it('covers every folder of src', () => {
    const folders = readdirSync(SRC, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    assert.deepEqual(
      folders.filter((folder) => !ORDER.includes(folder)),
      [],
    );
  });

  it('never goes up', () => {
    const upward = imports.filter(
      ({ from, to }) =>
        to !== undefined && ORDER.includes(from) && ORDER.indexOf(to) > ORDER.indexOf(from),
    );
    assert.deepEqual(upward, []);
  });

  it('keeps packages where they belong', () => {
    const strays = imports.filter(({ from, specifier }) =>
      RESERVED.some((rule) => rule.package.test(specifier) && !rule.folders.includes(from)),
    );
    assert.deepEqual(strays, []);
  });

  it('knows a family in its own folder and in the list of families alone', () => {
    const familyOf = (path: string): string | undefined =>
      FAMILIES.find((family) => path.startsWith(join('model', family) + sep));
    const known = imports.filter(({ file, specifier, to }) => {
      const family = to && familyOf(relative(SRC, resolve(SRC, dirname(file), specifier)));
      return family !== undefined && family !== familyOf(file);
    });
    assert.deepEqual([...new Set(known.map(({ file }) => file))], [LIST_OF_FAMILIES]);
  });

  it('keeps input and output of energy/ in its meters', () => {
    const doing = imports.filter(
      ({ from, specifier }) => from === 'energy' && /^node:(?!timers)/.test(specifier),
    );
    assert.ok(doing.length > 0);
    const meters = join('energy', 'meters') + sep;
    assert.deepEqual(
      doing.filter(({ file }) => !file.startsWith(meters)),
      [],
    );
  });

  it('keeps folders apart that must not know each other', () => {
    const strays = imports.filter(({ from, to }) =>
      FORBIDDEN.some((rule) => rule.from === from && to !== undefined && rule.to.includes(to)),
    );
    assert.deepEqual(strays, []);
  });
});
