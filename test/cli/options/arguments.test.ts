import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { separateValues } from '../../../src/cli/arguments.js';
import { buildProgram } from '../../../src/cli/program.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { Collector, runCli } from '../support/run.js';
import { json, toyCommands, type ToyCommands } from '../support/study.js';

const program = buildProgram({
  stdout: new Collector(),
  stderr: new Collector(),
  onInterrupt: () => () => undefined,
});

describe('cli: arguments', () => {
  it('gives each value of an option its flag, wherever the option stands', () => {
    const separated = (line: string): string => separateValues(program, line.split(' ')).join(' ');
    assert.equal(separated('plot --figure pareto RUN'), 'plot --figure=pareto RUN');
    const two = '--figure=pareto --figure=trace';
    assert.equal(separated('plot RUN --figure pareto trace'), `plot RUN ${two}`);
    assert.equal(separated('plot --figure pareto,trace RUN'), `plot ${two} RUN`);
    assert.equal(separated('sweep --level block module M'), 'sweep --level=block --level=module M');
    assert.equal(separated('convert --exclude a.b M'), 'convert --exclude=a.b M');
    for (const line of ['plot --figure', 'plot -- --figure pareto trace', 'eval M --bits 8'])
      assert.equal(separated(line), line);
  });

  it('helps by -h and by name, and knows no help of what there is not', async () => {
    const [short, long] = [await runCli(['-h']), await runCli(['--help'])];
    assert.deepEqual(short, long);
    assert.match(short.stdout, /^ {2}help /m);
    assert.match((await runCli(['eval', '-h'])).stdout, /^Usage: qslm eval/);
    assert.deepEqual(await runCli(['help']), long);
    assert.match((await runCli(['help', 'runs', 'list'])).stdout, /^Usage: qslm runs list/);
    const none = await runCli(['help', 'nosuch']);
    assert.deepEqual([none.code, none.stdout], [2, '']);
    assert.match(none.stderr, /unknown command 'nosuch'/);
  });

  it('shows lists in its help as they are typed', async () => {
    const { stdout } = await runCli(['search', '-h']);
    assert.match(stdout, /--bits <widths>[^]*?\(default:\s+16,14,[\d,]+4\)/);
    assert.match(stdout, /--lambdas <weights>[^]*?\(default:\s+0,0\.25,0\.5,0\.75,1\)/);
  });

  it('refuses kinds of runs and formats of files that there are not', async () => {
    const kind = await runCli(['runs', 'list', '--kind', 'foo']);
    assert.equal(kind.code, 2);
    assert.match(kind.stderr, /argument 'foo' is invalid\. Allowed choices are search, sweep/);
  });
});

describe('cli: a search', () => {
  const at = temporaryFolder();
  let toy: ToyCommands;
  before(async () => {
    toy = await toyCommands(at);
  });
  const limits = ['--max-loss', '50', '--max-memory', '40%'] as const;

  it('refuses options that its method does not look at', async () => {
    const refused = async (method: string, ...option: string[]): Promise<void> => {
      const outcome = await toy.study('search', '--method', method, ...option, ...limits);
      assert.equal(outcome.code, 2);
      const other = method === 'tiered' ? 'knapsack' : 'tiered';
      assert.match(
        outcome.stderr,
        new RegExp(`^error: ${option[0]}: the option belongs to --method ${other}; got --method`),
      );
    };
    await refused('tiered', '--objective', 'quality');
    await refused('tiered', '--predictor', 'kl');
    await refused('tiered', '--max-evaluations', '3');
    await refused('knapsack', '--pace', 'exact');
    await refused('knapsack', '--order', 'network');
    assert.equal(existsSync(at('measurements.sqlite')), false, 'refused before anything is opened');
  });

  it('says where only one limit was given', async () => {
    const noted = async (...given: string[]): Promise<string> => {
      // Neither is a model: what is said comes before.
      const { stderr } = await runCli(['search', at('none.pth'), ...given]);
      return stderr;
    };
    assert.match(await noted('--max-loss', '2'), /only the loss is limited: a plan of any size/);
    assert.match(await noted('--max-memory', '9%'), /only the memory is limited: a plan of any qu/);
    for (const both of [[], ['--max-loss', '2', '--max-memory', '9%']])
      assert.doesNotMatch(await noted(...both), /only the/);
  });

  it('answers a memory limit that no plan keeps before anything is measured', async () => {
    const tight = ['--bits', '8,4', '--max-loss', '50', '--max-memory', '1kB'];
    const { code, stdout, stderr } = await toy.study('search', ...tight);
    assert.deepEqual([code, stdout], [5, '']);
    assert.match(
      stderr,
      /^error: memory limit: no plan is as small as that; got at most 1\.0 kB; expected [\d.]+ kB or more, which every unit at 4 bits takes/,
    );
    assert.equal(existsSync(at('runs')), false, 'a run was begun');
  });

  it('writes figures named before the run, and no file of an unknown format', async () => {
    const { id } = json(await toy.study('search', ...limits, '--bits', '8,4', '--json'));
    const out = join(at('figures'), 'pareto.svg');
    const plot = (...more: string[]): ReturnType<typeof runCli> =>
      runCli(['plot', '--figure', 'pareto', id as string, '--runs', at('runs'), ...more]);
    assert.equal((await plot('--out', out)).code, 0);
    assert.ok(existsSync(out));
    const bitmap = await plot('--out', at('p.bmp'));
    assert.equal(bitmap.code, 2);
    assert.match(bitmap.stderr, /--out: no format of that name; got .*p\.bmp; expected a file in/);
    assert.equal(existsSync(at('p.bmp')), false);
  });

  it('ends alike for a model and for a run that there is not', async () => {
    const model = await runCli(['inspect', at('none.pth')]);
    const run = await runCli(['plot', 'none', '--runs', at('runs')]);
    assert.deepEqual([model.code, run.code], [3, 3]);
    for (const { stderr } of [model, run]) assert.match(stderr, /there is no such (model|run)/);
  });
});
