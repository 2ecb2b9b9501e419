import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  constraintsOf,
  lossAmount,
  memoryAmount,
  weight,
  weights,
} from '../../src/cli/options/amounts.js';
import { asOneBar } from '../../src/cli/run-progress.js';
import type { SearchProgress } from '../../src/search/trace.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

const EASY = ['--bits', '8,6,4', '--max-loss', '50', '--max-memory', '30%'] as const;

interface SearchJson {
  readonly id: string;
  readonly folder: string;
  readonly command: readonly string[];
  readonly state: string;
  readonly work: { readonly measured: number; readonly stopped: number };
  readonly result: {
    readonly candidates: number;
    readonly selected?: { readonly bytes: number };
    readonly heldOut?: object;
    readonly nearest?: { readonly misses: { readonly bytes: number } };
  };
}

describe('cli: amounts', () => {
  it('reads losses in the unit of the metric, and shares', () => {
    const absolute = { loss: { kind: 'absolute', value: 0.02 } };
    assert.deepEqual(constraintsOf(lossAmount('2'), undefined, 'accuracy'), absolute);
    const perplexity = { loss: { kind: 'absolute', value: 2.5 } };
    assert.deepEqual(constraintsOf(lossAmount('2.5'), undefined, 'perplexity'), perplexity);
    const share = { loss: { kind: 'share', share: 0.05 } };
    for (const metric of ['accuracy', 'perplexity'] as const)
      assert.deepEqual(constraintsOf(lossAmount('5 %'), undefined, metric), share);
    assert.deepEqual(constraintsOf(undefined, undefined, 'accuracy'), {});
    assert.deepEqual(constraintsOf(lossAmount('2 points'), undefined, 'accuracy'), absolute);
    assert.deepEqual(constraintsOf(lossAmount('2.5ppl'), undefined, 'perplexity'), perplexity);
    assert.throws(
      () => constraintsOf(lossAmount('2 points'), undefined, 'perplexity'),
      /--max-loss: the limit is of another metric; got 2 of accuracy, for a search by perplexity/,
    );
    for (const text of ['', 'two', '-1', '2 pints', '1e3'])
      assert.throws(() => lossAmount(text), /Expected accuracy points/, text);
  });

  it('reads sizes and shares', () => {
    assert.deepEqual(memoryAmount('6.82MB'), { kind: 'absolute', value: 6_820_000 });
    assert.deepEqual(memoryAmount('12 kb'), { kind: 'absolute', value: 12_000 });
    assert.deepEqual(memoryAmount('1.5GB'), { kind: 'absolute', value: 1.5e9 });
    assert.deepEqual(memoryAmount('4711B'), { kind: 'absolute', value: 4711 });
    assert.deepEqual(memoryAmount('6820000'), { kind: 'absolute', value: 6_820_000 });
    assert.deepEqual(memoryAmount('46.4%'), { kind: 'share', share: 0.464 });
    for (const text of ['', 'MB', '-1', '6 MiB', '6,8MB'])
      assert.throws(() => memoryAmount(text), /Expected bytes/, text);
  });

  it('asks back what a small bare number means', () => {
    assert.throws(
      () => lossAmount('0.02'),
      /means 2% of the metric, or 0\.02 of its unit: write 2%, or 0\.02points, or 0\.02ppl/,
    );
    assert.throws(
      () => memoryAmount('8'),
      /mean 8 MB or 8 % of float32 or 8 bytes: write 8MB or 8% or 8bytes/,
    );
    assert.throws(() => memoryAmount('0.464'), /0\.464 MB or 46\.4 % of float32: write/);
    assert.throws(() => memoryAmount('400'), /mean 400 MB or 400 bytes: write 400MB or 400bytes/);
    assert.deepEqual(lossAmount('0'), { value: 0 });
  });

  it('reads weights of the trade-off', () => {
    assert.deepEqual(weights('0, 0.5,1,0.5'), [0, 0.5, 1]);
    assert.equal(weight('12'), 12);
    for (const text of ['', 'Infinity', '-0.1', 'x'])
      assert.throws(() => weight(text), /0 or more/);
  });
});

describe('cli: search progress', () => {
  it('is one bar for the search, with tier, unit, bits, best so far and evaluations left', () => {
    const seen: ProgressEvent[] = [];
    const listener = asOneBar(
      (event) => seen.push(event),
      'accuracy',
      () => undefined,
    );
    const event: SearchProgress = {
      phase: 'block: attention.0 at 8 bits',
      done: 7,
      total: 30,
      unit: 'evaluations',
      stage: 'block',
      group: 'attention.0',
      bits: 8,
      evaluationsLeft: 23,
      best: { metric: 0.772, bytes: 2_280_000 } as NonNullable<SearchProgress['best']>,
    };
    listener(event);
    listener({ ...event, phase: 'global: model at 8 bits', stage: 'global', group: 'model' });
    const part = { done: 0, total: 3, unit: 'evaluations' };
    listener({ ...part, phase: 'compare', note: '8 bits' });
    listener({ ...part, phase: 'sensitivity', note: 'input at 8 bits' });
    listener({ phase: 'held-out: unquantized', done: 1, total: 3, unit: 'items' });
    assert.deepEqual(
      seen.map(({ phase }) => phase),
      ['search', 'search', 'compare', 'sensitivity', 'held-out: unquantized'],
    );
    assert.equal(
      seen[0].note,
      'block tier: attention.0 at 8 bits, 23 left at most, best so far 77.2 %, 2.28 MB',
    );
    assert.match(seen[1].note ?? '', /^global tier: all at 8 bits/);
    assert.equal(seen[2].note, '8 bits');
    assert.equal(seen[3].note, 'input at 8 bits');
  });
});

describe('cli: search', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });

  it('tells limits, cost, selections, comparison and the held-out result', async () => {
    const { code, stdout, stderr } = await toy.study('search', ...EASY, '--lambdas', '0,1');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^limits +accuracy at least 0\.0 %, at most \d.* kB \(30\.0 %\)$/m);
    assert.match(stdout, /^search +\d+ plans tried; \d+ keep both limits$/m);
    assert.match(stdout, /^evaluations +\d+ to the end, /m);
    assert.match(stdout, /^ *λ +accuracy +95 % interval +memory +saving +tokens\/s +found in$/m);
    assert.match(stdout, /^selected plan \* +\d/m);
    assert.match(stdout, /^4 bits +\d/m);
    assert.match(stdout, /^ *selected +\d.* +[+−]?\d+\.\d +(\d|<)/m);
  });

  it('says score, decisions and a certificate, and shows the chosen λ among the others', async () => {
    const flags = [...EASY, '--lambdas', '0,1', '--lambda', '0.3'];
    const { stdout } = await toy.study('search', ...flags);
    assert.match(stdout, /^score +paper: accuracy − λ · memory\/\d.*, the largest wins$/m);
    assert.match(
      stdout,
      /^decisions +\d+ about the loss limit on the same data: of \d+ measured to the end \d+ within one standard error/m,
    );
    assert.match(stdout, /^Certificate: loss at most −?\d+\.\d\d points with 95 %: /m);
    assert.deepEqual(
      [...stdout.matchAll(/^ *(0|0\.3 \*|1) +\d+\.\d % +\d/gm)].map(([, lambda]) => lambda),
      ['0', '0.3 *', '1'],
    );
    assert.doesNotMatch(stdout, /candidates were skipped/);
  });

  it('says of a pace that skips candidates that it does, in its help, its result and its report', async () => {
    const flags = [...EASY, '--pace', 'bisection'];
    const { stdout } = await toy.study('search', ...flags);
    assert.match(
      stdout,
      /candidates were skipped, and λ may select another plan than with pace exact/,
    );
    const run = json(await toy.study('search', ...flags, '--json')) as unknown as SearchJson;
    const page = at('pace.html');
    assert.equal((await toy.runs('report', run.id, '--out', page)).code, 0);
    const text = (await readFile(page, 'utf8')).replace(/<[^>]*>/g, ' ');
    assert.ok(text.split('candidates were skipped').length > 2, 'in the table and in the figure');
    const help = await toy.runs('search', '--help');
    assert.match(
      help.stdout.replace(/\s+/g, ' '),
      /skip candidates, so that λ may select another plan/,
    );
  });

  it('selects by the balanced score and by the rule of one standard error where asked to', async () => {
    const flags = [...EASY, '--score', 'balanced', '--tie', 'one-se'];
    const { stdout } = await toy.study('search', ...flags);
    assert.match(stdout, /^score +balanced: \(1 − λ\) · loss\/\d.* points \+ λ · memory\/\d/m);
    assert.match(stdout, /^ties +the smallest plan within one standard error of the best$/m);
    const run = json(await toy.study('search', ...flags, '--json')) as unknown as {
      readonly id: string;
      readonly result: { readonly selections: readonly { readonly plan: string }[] };
    };
    // Its own score and rule, unless others are named.
    const again = json(await toy.runs('select', run.id, '--lambda', '0,0.25,0.5,0.75,1', '--json'));
    const plans = (value: unknown): unknown =>
      (value as { selections: { plan: string }[] }).selections.map(({ plan }) => plan);
    assert.deepEqual(plans(again), plans(run.result));
    assert.deepEqual([again.score, again.tie], ['balanced', 'one-se']);
    const refused = await toy.runs('select', run.id, '--lambda', '2');
    assert.match(refused.stderr, /got 2; expected a number from 0 to 1 for the balanced score/);
    const paper = json(
      await toy.runs('select', run.id, '--score', 'paper', '--lambda', '2', '--json'),
    );
    assert.equal(paper.score, 'paper');
  });

  it('prints its run.json with --json; repeated, it measures nothing', async () => {
    const first = json(await toy.study('search', ...EASY, '--json')) as unknown as SearchJson;
    assert.equal(first.state, 'finished');
    assert.deepEqual(first.command.slice(0, 2), ['search', toy.model]);
    assert.ok(first.result.candidates > 0 && first.result.selected && first.result.heldOut);
    const again = json(await toy.study('search', ...EASY, '--json')) as unknown as SearchJson;
    assert.notEqual(again.id, first.id);
    assert.deepEqual([again.work.measured, again.work.stopped], [0, 0]);
    assert.deepEqual(again.result, first.result);
  });

  it('ends with code 5 where nothing keeps the limits, and names the nearest plan', async () => {
    const impossible = ['--bits', '5', '--max-loss', '0', '--max-memory', '46.95kB'];
    const { code, stdout, stderr } = await toy.study('search', ...impossible);
    assert.equal(code, 5);
    assert.match(stdout, /^No quantized plan that was tried keeps both limits\.$/m);
    assert.match(stdout, /^nearest +\S/m);
    assert.match(stdout, /^misses by +(\d.* points and )?\d.* (kB|bytes)$/m);
    assert.match(stderr, /^error: search: no quantized plan that was tried keeps both limits/m);
    const value = json(await toy.study('search', ...impossible, '--json'), 5);
    const { result, state } = value as unknown as SearchJson;
    assert.equal(state, 'finished');
    assert.ok(result.nearest!.misses.bytes > 0);
    assert.equal(result.selected, undefined);
  });

  it('goes on where Ctrl-C stopped it', async () => {
    const other = [...EASY, '--seed', '7'];
    const runs = (): number => (existsSync(at('runs')) ? readdirSync(at('runs')).length : 0);
    const before = runs();
    const stopped = await toy.interruptible(
      {
        // As soon as the run has its folder: the signal is seen between two plans, or two batches.
        onListening: (interrupt) => {
          const look = (): void => {
            if (runs() > before) interrupt();
            else setImmediate(look);
          };
          look();
        },
      },
      ...(['search', ...other] as const),
    );
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /^interrupted; nothing half-written is left$/m);
    const done = json(await toy.study('search', ...other, '--json'));
    assert.equal(done.state, 'finished');
    assert.equal((done.starts as unknown[]).length, 2);
    assert.equal(runs(), before + 1);
  });

  it('searches by knapsack, by matrices, least sensitive first', async () => {
    for (const more of [
      ['--method', 'knapsack', '--predictor', 'kl'],
      ['--granularity', 'matrix', '--order', 'least-sensitive-first', '--pace', 'bracketing'],
      ['--quantizer', 'best', '--no-uniform', '--random', '0'],
    ]) {
      const { code, stderr } = await toy.study('search', ...EASY, ...more);
      assert.equal(code, 0, stderr);
    }
  });

  it('says that without held-out data nothing is judged', async () => {
    const data = at('own.tsv');
    const lines = Array.from({ length: 12 }, (_, i) => `a film number ${i}\t${i % 2}`);
    await writeFile(data, `sentence\tlabel\n${lines.join('\n')}\n`);
    const { stdout } = await toy.study('search', ...EASY, '--data', data);
    assert.match(stdout, /^Not judged: without held-out data/m);
    const judged = await toy.study('search', ...EASY, '--data', data, '--held-out', data);
    assert.equal(judged.code, 3);
    assert.match(judged.stderr, /the held-out data is the data that is searched on/);
  });

  it('takes the first case of the metric, and refuses one of another', async () => {
    const { stdout } = await toy.study('search', '--bits', '8,4', '--json');
    const { config } = JSON.parse(stdout) as { config: { settings: { case: string } } };
    assert.equal(config.settings.case, 'a1');
    const other = await toy.study('search', '--case', 'b1');
    assert.equal(other.code, 2);
    assert.match(other.stderr, /the case is about another metric; got b1.*expected a1, a2, a3/);
    const both = await toy.study('search', '--case', 'a1', '--max-loss', '2');
    assert.equal(both.code, 2);
  });

  it('leaves alone a file that is no store of ours', async () => {
    const store = at(join('other', 'm.sqlite'));
    await mkdir(at('other'));
    const text = 'no database at all, '.repeat(100);
    await writeFile(store, text);
    const { code, stderr } = await toy.study('search', ...EASY, '--store', store);
    assert.equal(code, 3);
    assert.match(stderr, /m\.sqlite/);
    assert.equal(await readFile(store, 'utf8'), text);
    assert.deepEqual(await readdir(at('other')), ['m.sqlite']);
  });
});
