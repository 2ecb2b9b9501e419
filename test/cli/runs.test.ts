import assert from 'node:assert/strict';
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
    const list = ['runs', 'list', '--store', toy.store];
    const { stdout } = await runCli(list);
    const lines = stdout.trim().split('\n').slice(2);
    assert.deepEqual(
      lines.map((line) => line.split(/ +/)[0]),
      [sweep, knapsack, tiered],
    );
    assert.match(lines[2], /^\S+ +search +finished +toy +tiered exact +\d/);
    const searches = json(await runCli([...list, '--kind', 'search', '--json']));
    assert.equal((searches.runs as unknown[]).length, 2);
    const empty = await runCli(['runs', 'list', '--store', at('empty.sqlite')]);
    assert.equal(empty.stdout, 'no runs yet\n');
  });

  it('shows what a run was and what came of it', async () => {
    const { stdout } = await toy.runs('runs', 'show', tiered, '--store', toy.store);
    assert.match(stdout, /^state +finished$/m);
    assert.match(stdout, /^command +qslm search /m);
    assert.match(stdout, /^ {4}granularity: module$/m);
    assert.match(stdout, /^ {2}candidates: \d+$/m);
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
