import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { json, toyCommands, type ToyCommands } from './support/study.js';

interface Selected {
  readonly selections: readonly { readonly lambda: number; readonly plan: string }[];
  readonly intervals: readonly { readonly from: number; readonly to: number | null }[];
}

describe('cli: select', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  let run: { id: string; folder: string; result: { selections: { plan: string }[] } };
  before(async () => {
    toy = await toyCommands(at);
    const flags = ['--bits', '8,4,2', '--max-loss', '50', '--lambdas', '0,0.5,1', '--json'];
    run = json(await toy.study('search', ...flags)) as unknown as typeof run;
  });

  it('selects what the search selected, by id and by folder, without a store or a model', async () => {
    for (const named of [run.id, run.folder]) {
      const value = json(await toy.runs('select', named, '--lambda', '0,0.5,1', '--json'));
      const { selections, intervals } = value as unknown as Selected;
      assert.deepEqual(
        selections.map(({ plan }) => plan),
        run.result.selections.map(({ plan }) => plan),
      );
      assert.equal(intervals[0].from, 0);
      assert.equal(intervals.at(-1)!.to, null);
    }
    const { stdout } = await toy.runs('select', run.id);
    assert.match(stdout, /^ *λ +accuracy +95 % interval +memory +saving +plan$/m);
    assert.match(stdout, /^block +module +λ 0/m);
    assert.match(stdout, /^input +embedding +\d+/m);
    assert.match(stdout, /^attention\.1 +SRWKV +\d+/m);
  });

  it('weighs modelled energy when asked, and says the word beside each number of it', async () => {
    const weighed = ['select', run.id, '--lambda', '0', '--energy-weight', '50'];
    const { stdout, stderr } = await toy.runs(...weighed);
    assert.equal(stderr, '');
    assert.match(stdout, /^ *λ .* saving +modelled µJ\/token +plan$/m);
    assert.match(stdout, /^score +paper: .* − 50 · modelled energy\/[\d.]+ µJ, the largest wins$/m);
    assert.match(stdout, /^energy +modelled as built.*; not measured$/m);
    const value = json(await toy.runs(...weighed, '--json')) as unknown as {
      readonly selections: readonly { readonly plan: string; modelledMicrojoules: number }[];
    };
    // So large a weight takes the plan with the least, which quality alone does not.
    assert.notEqual(value.selections[0].plan, run.result.selections[0].plan);
    assert.ok(value.selections[0].modelledMicrojoules > 0);
    const plain = await toy.runs('select', run.id);
    assert.doesNotMatch(plain.stdout, /modelled|energy/i);
    const none = await toy.runs('select', run.id, '--energy-weight', '-1');
    assert.equal(none.code, 2);
  });

  it('takes the best plan whose packed speed keeps a limit, measured now, and says how', async () => {
    const fast = ['select', run.id, '--lambda', '0,1', '--min-speed', '0.001x', '--repeat', '3'];
    const { code, stdout, stderr } = await toy.runs(...fast);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^speed +at least 0\.001 times float32 in packed execution, measured now:/m,
    );
    assert.match(
      stdout,
      /^intervals +95 %, Student of logarithms, over 3 repeats, of \d+ plans together/m,
    );
    assert.match(stdout, /^plan +limit +tokens\/s packed +times float32$/m);
    // So low a limit changes nothing.
    for (const { plan } of run.result.selections.filter((_, at) => at !== 1)) {
      assert.match(stdout, new RegExp(`^${plan} +keeps +[\\d.]+ \\(.* to .*\\) +[\\d.]+`, 'm'));
    }
    const refused = async (message: RegExp, ...more: readonly string[]): Promise<void> => {
      const outcome = await toy.runs('select', run.id, ...more);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, message);
    };
    await refused(/Expected tokens\/s/, '--min-speed', 'fast');
    await refused(/nothing is repeated/, '--repeat', '3');
    await refused(/too few repeats/, '--min-speed', '1', '--repeat', '1');
  });

  it('writes the plan of one weight, which eval takes', async () => {
    const out = at('selected.json');
    const { code } = await toy.runs('select', run.id, '--lambda', '1', '--plan', out);
    assert.equal(code, 0);
    assert.match(await readFile(out, 'utf8'), /"format": "qslm-plan\/1"/);
    const two = await toy.runs('select', run.id, '--lambda', '0,1', '--plan', out);
    assert.equal(two.code, 2);
    assert.match(two.stderr, /which plan to write is not clear; got 2 weights/);
  });

  it('refuses what is no run, and weights that are none', async () => {
    const none = await toy.runs('select', 'nowhere');
    assert.equal(none.code, 3);
    assert.match(none.stderr, /nowhere: there is no such run/);
    assert.equal((await toy.runs('select', run.id, '--lambda', '-1')).code, 2);
    const sweep = json(await toy.study('sweep', '--bits', '8', '--level', 'block', '--json'));
    const refused = await toy.runs('select', sweep.id as string);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /no candidates to select from; got a sweep that is finished/);
  });

  it('says where a search found nothing to select', async () => {
    const flags = ['--bits', '5', '--max-loss', '0', '--max-memory', '46.95kB', '--json'];
    const unmet = json(await toy.study('search', ...flags), 5);
    const { code, stderr } = await toy.runs('select', unmet.id as string);
    assert.equal(code, 3);
    assert.match(stderr, /no plan of this search keeps its limits/);
  });
});
