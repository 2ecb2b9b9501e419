import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { duration } from '../../../src/cli/options/amounts.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from '../support/study.js';

/** Limits with room, on enough sentences for several rungs. */
const EASY = [
  ...['--bits', '8,4', '--max-loss', '20points', '--max-memory', '60%'],
  ...['--limit', '400', '--no-uniform', '--random', '0'],
] as const;

interface Rung {
  readonly items: number;
  readonly of: number;
  readonly level: number;
  readonly clear: boolean;
  readonly low: number;
  readonly high: number;
  readonly taken?: string;
}

interface Run {
  readonly folder: string;
  readonly config: { readonly settings: { readonly ladder?: object } };
  readonly work: {
    readonly measured: number;
    readonly stopped: number;
    readonly tokens: number;
    readonly remembered: number;
  };
  readonly result: {
    readonly ladder?: {
      readonly level: number;
      readonly decisions: number;
      readonly rungs: readonly number[];
      readonly all: number;
    };
    readonly selected: { readonly plan: string };
  };
}

interface Trace {
  readonly steps: readonly { readonly rung?: Rung; readonly accepted: boolean }[];
}

describe('cli: search on samples', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });

  /** A search with stores of its own, so that no answer is there already. */
  const search = async (name: string, ...flags: readonly string[]): Promise<Run> =>
    json(
      await toy.study('search', ...EASY, '--store', at(`${name}.sqlite`), ...flags, '--json'),
    ) as unknown as Run;
  const traceOf = async ({ folder }: Run): Promise<Trace> =>
    JSON.parse(await readFile(join(folder, 'trace.json'), 'utf8')) as Trace;

  it('says in the trace which rung decided and at what level, and saves tokens by it', async () => {
    const exact = await search('exact');
    assert.equal(exact.config.settings.ladder, undefined);
    assert.equal(exact.result.ladder, undefined);
    assert.ok((await traceOf(exact)).steps.every(({ rung }) => rung === undefined));
    const run = await search('level', '--ladder', '--level', '0.01');
    const { level, decisions, rungs, all } = run.result.ladder!;
    assert.deepEqual([level, rungs.at(-1), all], [0.01, 400, 400]);
    assert.ok(rungs[0] < 50 && rungs.length > 5, String(rungs));
    const { steps } = await traceOf(run);
    for (const { rung } of steps) {
      assert.ok(rung !== undefined, 'a step without its rung');
      assert.equal(rung.of, 400);
      assert.ok(rungs.includes(rung.items), String(rung.items));
      if (rung.items === 400) continue;
      // Its share of the level of the search; the whole needs none.
      assert.ok(rung.level > 0 && rung.level <= 0.01 / decisions, String(rung.level));
      assert.ok(rung.clear && rung.taken === undefined);
    }
    assert.ok(steps.some(({ rung }) => rung!.items < 400));
    assert.ok(run.work.tokens < exact.work.tokens, 'nothing was saved');
    assert.equal(run.result.selected.plan, exact.result.selected.plan);
  }).timeout(120_000);

  it('chooses the largest rung by --time, tells it, and marks what that does not tell', async () => {
    // Too little for any of them: one rung, and what it does not tell is taken as it has it.
    const flags = ['--time', '0.001s', '--store', at('short.sqlite')] as const;
    const { code, stdout, stderr } = await toy.study('search', ...EASY, ...flags);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^ladder +\d+ of 400 items; any decision called clear is wrong with probability 0\.001 at most, shared among \d+$/m,
    );
    assert.match(
      stdout,
      /^samples +\d+ decided on a part of the data; [1-9]\d* undecided on the /m,
    );
    const run = await search('short', '--time', '0.001s');
    // The same again, from the store.
    const { measured, stopped, tokens, remembered } = run.work;
    assert.deepEqual([measured, stopped, tokens], [0, 0, 0]);
    assert.ok(remembered > 2, String(remembered));
    const { rungs } = run.result.ladder!;
    assert.equal(rungs.length, 1);
    assert.deepEqual(run.config.settings.ladder, { level: 0.001, seed: 1, time: 0.001 });
    const { steps } = await traceOf(run);
    const undecided = steps.filter(({ rung }) => rung?.clear === false);
    assert.ok(undecided.length > 0);
    for (const { rung, accepted } of undecided)
      assert.equal(rung!.taken, `undecided, taken as ${accepted ? 'kept' : 'refused'}`);
    const kept = JSON.parse(await readFile(join(run.folder, 'ladder.json'), 'utf8')) as object;
    assert.equal((kept as { rungs: number }).rungs, 1);
    // What is selected was measured on all of them all the same.
    const page = at('short.html');
    const report = await toy.runs('report', run.folder, '--out', page);
    assert.equal(report.code, 0, report.stderr);
    assert.match(await readFile(page, 'utf8'), /undecided, taken as (kept|refused): \d+ of 400/);
  }).timeout(120_000);

  it('decides on up to all data where --time has room, and on all where samples are switched off', async () => {
    const long = await search('long', '--time', '1h 30min');
    const { rungs } = long.result.ladder!;
    assert.equal(rungs.at(-1), 400);
    assert.ok((await traceOf(long)).steps.every(({ rung }) => rung!.clear));
    const off = await search('exact', '--time', '1h', '--no-ladder');
    assert.equal(off.config.settings.ladder, undefined);
    assert.ok((await traceOf(off)).steps.every(({ rung }) => rung === undefined));
  }).timeout(120_000);

  it('refuses values that are none, and options that would do nothing', async () => {
    const bad: readonly (readonly [readonly string[], RegExp])[] = [
      [['--time', '2'], /Expected a time with its unit: "2h", "90min", "1h30min"/],
      [['--time', 'soon'], /Expected a time with its unit/],
      [['--time', '-2h'], /Expected a time with its unit/],
      [['--time', '0s'], /Expected a time with its unit/],
      [['--time', '2 fortnights'], /Expected a time with its unit/],
      [['--ladder', '--level', '0'], /a probability, above 0 and at most 0\.5/],
      [['--ladder', '--level', '0.6'], /a probability, above 0 and at most 0\.5/],
      [['--ladder', '--level', '5%'], /a probability, above 0 and at most 0\.5/],
      [['--ladder', '--level', ''], /a probability, above 0 and at most 0\.5/],
      [['--level', '0.01'], /--level: .*samples.*--ladder or --time/],
      [['--level', '0.01', '--time', '1h', '--no-ladder'], /--level: .*--ladder or --time/],
      [['--method', 'knapsack', '--ladder'], /belongs to --method tiered/],
      [['--method', 'knapsack', '--time', '2h'], /belongs to --method tiered/],
    ];
    for (const [flags, message] of bad) {
      const { code, stdout, stderr } = await toy.study('search', ...EASY, ...flags);
      assert.equal(code, 2, `${flags.join(' ')}: ${stderr}`);
      assert.match(stderr.replace(/\s+/g, ' '), message, flags.join(' '));
      assert.equal(stdout, '');
    }
    assert.equal(duration('1h30min'), 5400);
    assert.equal(duration('1.5 d'), 129_600);
  });
});

describe('cli: eval with a noise floor', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });
  it('measures it where it is asked for, keeps it, and shows it', async () => {
    const plain = await toy.evaluate('--json');
    assert.equal((json(plain) as { noise?: object }).noise, undefined);
    const first = json(await toy.evaluate('--noise-floor', '2', '--json')) as {
      noise: { dithers: number; metric: number };
    };
    assert.equal(first.noise.dithers, 2);
    assert.ok(first.noise.metric >= 0 && first.noise.metric < 0.1, String(first.noise.metric));
    const { stdout } = await toy.evaluate('--noise-floor', '2', '--bits', '16');
    assert.match(
      stdout,
      /^noise floor +\d\S* points at most, the last bits of the weights at random 2 times$/m,
    );
    assert.deepEqual(
      (json(await toy.evaluate('--noise-floor', '2', '--json')) as typeof first).noise,
      first.noise,
    );
  }).timeout(120_000);

  it('refuses counts that are none', async () => {
    for (const count of ['0', '-1', '1.5', 'many']) {
      const { code, stderr } = await toy.evaluate(`--noise-floor=${count}`);
      assert.equal(code, 2, `${count}: ${stderr}`);
      assert.match(stderr, /noise-floor/);
    }
  });
});
