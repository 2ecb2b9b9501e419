import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { runCli } from './support/run.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

const LIMITS = ['--max-loss', '50', '--max-memory', '40%', '--bits', '8,4,2', '--json'] as const;

describe('cli: runs', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  let [tiered, knapsack, sweep] = ['', '', ''];
  before(async () => {
    toy = await toyCommands(at);
    tiered = json(await toy.study('search', ...LIMITS)).id as string;
    knapsack = json(await toy.study('search', ...LIMITS, '--method', 'knapsack')).id as string;
    sweep = json(await toy.study('sweep', '--bits', '8', '--level', 'block', '--json'))
      .id as string;
  });

  it('lists runs, the last one first', async () => {
    const list = ['runs', 'list', '--store', toy.store, '--runs', at('runs')];
    const { stdout } = await runCli(list);
    const lines = stdout.trim().split('\n').slice(2);
    assert.deepEqual(
      lines.map((line) => line.split(/ +/)[0]),
      [sweep, knapsack, tiered],
    );
    assert.match(
      lines[2],
      /^\S+ +search tiered exact +finished +toy +Film reviews \(bundled\): 40 +loss ≤ 50 points, memory ≤ 40\.0 % +\d+\.\d % \(fp32 \d+\.\d %\), \d.* kB \(−\d.* %\) +\d/,
    );
    assert.match(lines[0], /^\S+ +sweep +finished +toy +Film reviews.* fp32 \d+\.\d % +\d/);
    const searches = json(await runCli([...list, '--kind', 'search', '--json']));
    assert.equal((searches.runs as unknown[]).length, 2);
    const empty = await runCli([
      'runs',
      'list',
      '--store',
      at('empty.sqlite'),
      '--runs',
      at('no-runs'),
    ]);
    assert.equal(empty.stdout, 'no runs yet\n');
    assert.equal(existsSync(at('empty.sqlite')), false, 'looking creates nothing');
  });

  it('lists folders without a store, of the folder that is named alone', async () => {
    const moved = at('moved');
    await cp(at('runs'), moved, { recursive: true });
    await rm(join(moved, knapsack), { recursive: true });
    await mkdir(join(moved, 'no-run'));
    const list = ['runs', 'list', '--runs', moved, '--json'];
    for (const store of [[], ['--store', at('none.sqlite')]]) {
      const { runs } = json(await runCli([...list, ...store]));
      assert.deepEqual(
        (runs as { id: string }[]).map(({ id }) => id),
        [sweep, tiered],
      );
    }
    // Named as well, the store tells of what lies elsewhere.
    const { runs } = json(await runCli([...list, '--store', toy.store]));
    assert.equal((runs as unknown[]).length, 3);
  });

  it('shows what a run was and what came of it', async () => {
    const { stdout } = await toy.runs('runs', 'show', tiered, '--store', toy.store);
    assert.match(stdout, new RegExp(`^run +${tiered}: a search, finished after \\d`, 'm'));
    assert.match(stdout, /^data +Film reviews \(bundled\)$/m);
    assert.match(stdout, /^command +qslm search /m);
    assert.match(stdout, /^granularity +module$/m);
    assert.match(stdout, /^limits +accuracy at least .* %, at most \d.* \(40\.0 %\)$/m);
    assert.match(stdout, /^The result, judged once on held-out data:$/m);
    assert.doesNotMatch(stdout, /[{}]|entries$/m);
    // Names beside bits, in network order, each plan once.
    const bits = [...stdout.matchAll(/^(input|attention\.\d|output) +(\S+) +([\d ]+)$/gm)];
    assert.deepEqual(
      bits.map(([, block, module]) => `${block}/${module}`),
      [
        'input/embedding',
        ...[0, 1].flatMap((block) => [`attention.${block}/SRWKV`, `attention.${block}/SRFFN`]),
        'output/head',
      ],
    );
    const swept = await toy.runs('runs', 'show', sweep, '--store', toy.store);
    assert.match(swept.stdout, /^block alone +8 bits$/m);
    const value = json(await toy.runs('runs', 'show', tiered, '--store', toy.store, '--json'));
    assert.equal(value.id, tiered);
    const none = await toy.runs('runs', 'show', 'nowhere', '--store', toy.store);
    assert.equal(none.code, 3);
  });

  it('compares searches: settings that differ, cost, results, all fronts in one table', async () => {
    const { code, stdout, stderr } = await toy.runs('runs', 'compare', tiered, knapsack);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^method +tiered +knapsack$/m);
    assert.doesNotMatch(stdout, /^bits /m);
    assert.match(stdout, /^evaluations +\d+ +\d+ \+ \d+ table$/m);
    assert.match(stdout, /^selected +\d+\.\d %, \d.* kB \(−\d+\.\d %\) +\d/m);
    assert.match(stdout, /uniform, 4 bits$/m);
    const value = json(await toy.runs('runs', 'compare', tiered, knapsack, '--json'));
    const plans = value.plans as { bytes: number; metric: number; onFront: boolean }[];
    for (const plan of plans) {
      const beaten = plans.some(
        (other) =>
          other.bytes <= plan.bytes &&
          other.metric >= plan.metric &&
          (other.bytes < plan.bytes || other.metric > plan.metric),
      );
      assert.equal(plan.onFront, !beaten, JSON.stringify(plan));
    }
  });

  it('does not compare what cannot be compared', async () => {
    const one = await toy.runs('runs', 'compare', tiered);
    assert.equal(one.code, 2);
    assert.match(one.stderr, /nothing to compare with/);
    const other = json(await toy.study('search', ...LIMITS, '--limit', '20')).id as string;
    const data = await toy.runs('runs', 'compare', tiered, other);
    assert.equal(data.code, 3);
    assert.match(data.stderr, /the runs are of different models or data/);
    const kinds = await toy.runs('runs', 'compare', tiered, sweep);
    assert.equal(kinds.code, 3);
  });
});
