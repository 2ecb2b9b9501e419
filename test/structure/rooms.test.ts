import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { packagePath } from '../../src/util/paths.js';

const ROOT = packagePath();
const SRC = join(ROOT, 'src');

/** Most files that lie side by side, and most lines of one, kernels and charts apart. */
const MOST_FILES = 15;
const MOST_LINES = 300;
const LONG_FILES = ['src/backend/assembly', 'src/backend/kernels', 'src/plots/figures'];

/** Words of model families that only the folders of those who have them may know. */
const FAMILY_WORDS: readonly (readonly [words: RegExp, folders: readonly string[]])[] = [
  [/att\.key|ffnPre|SRWKV/, ['src/model/spikegpt']],
  [/emb\.weight/, ['src/model/spikegpt', 'src/model/spikebert']],
  [/q_m\b|last_ln/, ['src/model/spikebert']],
  [/act_clip_val/, ['src/model/spikelm']],
  [/network_[sx]/, ['src/model/spikingbert']],
];

const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path.startsWith(`${folder}/`));

interface Source {
  /** From the package's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

function sourcesBelow(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const path = join(folder, file).split(sep).join('/');
      return { path, text: readFileSync(join(ROOT, path), 'utf8') };
    });
}

/** File → the files of ours that it imports or re-exports, for types alone too. */
function importGraph(sources: readonly Source[]): Map<string, string[]> {
  const known = new Set(sources.map(({ path }) => path));
  return new Map(
    sources.map(({ path, text }) => {
      const specifiers = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, to]) => to);
      const targets = specifiers.map((to) =>
        relative(ROOT, resolve(ROOT, dirname(path), to))
          .split(sep)
          .join('/')
          .replace(/\.js$/, '.ts'),
      );
      return [path, targets.filter((target) => known.has(target))];
    }),
  );
}

/** The first way back to where it started, or undefined. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const walk = (node: string, way: readonly string[]): string[] | undefined => {
    const at = way.indexOf(node);
    if (at >= 0) return [...way.slice(at), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const circle = walk(next, [...way, node]);
      if (circle !== undefined) return circle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const circle = walk(node, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

describe('rooms', () => {
  const sources = sourcesBelow('src');

  it('have no circle of imports, of types neither', () => {
    const made = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['d', ['b']],
    ]);
    assert.deepEqual(circleIn(made), ['b', 'd', 'b']);
    const graph = importGraph(sources);
    assert.ok([...graph.values()].flat().length > 500);
    assert.equal(circleIn(graph), undefined);
  });

  it(`list at most ${MOST_FILES} files beside their sub-folders`, () => {
    const counts = new Map<string, number>();
    for (const { path } of [...sources, ...sourcesBelow('test'), ...sourcesBelow('scripts')])
      counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    assert.deepEqual(
      [...counts].filter(([, count]) => count > MOST_FILES),
      [],
    );
  });

  it(`have files of at most ${MOST_LINES} lines, kernels and charts apart`, () => {
    const long = sources
      .filter(({ path }) => !isBelow(path, LONG_FILES))
      .map(({ path, text }) => [path, text.split('\n').length - 1] as const);
    assert.deepEqual(
      long.filter(([, lines]) => lines > MOST_LINES),
      [],
    );
  });

  it('know the words of a family in its own folder alone', () => {
    for (const [words, folders] of FAMILY_WORDS) {
      const knowing = sources.filter(({ text }) => words.test(text)).map(({ path }) => path);
      assert.ok(knowing.length > 0, String(words));
      assert.deepEqual(
        knowing.filter((path) => !isBelow(path, folders)),
        [],
      );
    }
  });

  it('say in a docstring what a thing is or does, not what it is about', () => {
    const asking = /\/\*\*\s+(?:\* )?(?:What|How|Whether)\b.*/g;
    const found = sources.flatMap(({ path, text }) =>
      [...text.matchAll(asking)].map(([line]) => `${path}: ${line}`),
    );
    assert.deepEqual(found, []);
  });

  it('are all under src', () => {
    assert.ok(sources.some(({ path }) => resolve(ROOT, path) === join(SRC, 'index.ts')));
  });
});
