import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { assertOriginsSaid, blocksOf, partsOf } from '../support/energy-words.js';
import { runCli } from './support/run.js';

interface Numbers {
  readonly searches: readonly {
    readonly name: string;
    readonly sweep: { readonly rows: readonly { readonly unit: string }[] };
    readonly cases: readonly {
      readonly case: string;
      readonly folder: string;
      readonly result: { readonly selected?: { readonly plan: string }; readonly heldOut?: object };
    }[];
  }[];
}

describe('cli: demo, the whole flow', function () {
  this.timeout(300_000);
  const at = temporaryFolder();

  it('sweeps, searches the six cases, judges, reports; repeated, it measures nothing', async () => {
    const small = ['--limit', '60', '--bits', '8', '--workers', '0'];
    const argv = ['demo', '--out', at('out'), ...small, '--quiet'];
    const { code, stdout, stderr } = await runCli(argv);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^attention\.5 +\d+\.\d %$/m);
    assert.match(stdout, /^a1 +(0 )?0\.25 0\.5\* 0\.75 1 +\d+\.\d %/m);
    assert.match(stdout, /^b3 +perplexity at most .* \(48\.7 %\) +\d/m);
    assert.doesNotMatch(stdout, /NaN|undefined|null/);
    const read = async (): Promise<Numbers> =>
      JSON.parse(await readFile(at('out/uniform.json'), 'utf8')) as Numbers;
    const first = await read();
    assert.deepEqual(
      first.searches.map(({ name, cases }) => [name, cases.map((one) => one.case)]),
      [
        ['spikegpt-mini', ['b1', 'b2', 'b3']],
        ['spikegpt-mini-sst2', ['a1', 'a2', 'a3']],
      ],
    );
    for (const { sweep, cases } of first.searches) {
      assert.equal(sweep.rows.length, 8);
      for (const { result, folder } of cases) {
        assert.ok(result.selected ? result.heldOut : true);
        assert.ok((await readdir(folder)).includes('run.json'));
      }
    }
    const html = await readFile(at('out/report.html'), 'utf8');
    for (const heading of ['which blocks are sensitive', 'judged on held-out data', 'case a3'])
      assert.ok(html.includes(heading), heading);
    assert.ok(html.includes('the selected plans among published models'));
    assertOriginsSaid(partsOf(html), 'demo');
    assertOriginsSaid(blocksOf(stdout), 'demo');

    const again = await runCli(argv);
    assert.equal(again.code, 0, again.stderr);
    const results = ({ searches }: Numbers): unknown =>
      searches.map(({ sweep: { rows }, cases }) => [rows, cases.map(({ result }) => result)]);
    assert.deepEqual(results(await read()), results(first));
    // All of it was known: no evaluation is left for the figure of what was saved.
    const repeated = await readFile(at('out/report.html'), 'utf8');
    assert.ok(html.includes('did not have to compute'));
    assert.ok(!repeated.includes('did not have to compute'));
  });
});
