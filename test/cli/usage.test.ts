import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { errorText, exitCodeOf, ReaderGoneError } from '../../src/cli/exit-codes.js';
import {
  AbortedError,
  BackendError,
  CheckpointError,
  DataError,
  OutputError,
  UsageError,
} from '../../src/util/errors.js';
import { packagePath } from '../../src/util/paths.js';
import { runCli } from './support/run.js';

describe('cli: the command line itself', () => {
  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as {
      version: string;
    };
    assert.deepEqual(await runCli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('explains itself: commands, exit codes, and an example for each command', async () => {
    const { code, stdout } = await runCli(['--help']);
    assert.equal(code, 0);
    for (const name of ['demo', 'inspect', 'eval', 'generate', 'convert']) {
      assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
      const help = await runCli([name, '--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /^Examples?:\n {2}\$ qslm /m, name);
      assert.match(help.stdout, /--json/);
    }
    for (const code of [0, 1, 2, 3, 4, 130])
      assert.match(stdout, new RegExp(`^  ${code} +\\w`, 'm'));
  });

  const faults: readonly [argv: readonly string[], message: RegExp][] = [
    [[], /^Usage: qslm/],
    [['evil'], /unknown command 'evil'\n\(Did you mean eval\?\)/],
    [['eval'], /missing required argument 'model'\nSee: qslm eval --help/],
    [['eval', 'spikegpt-mini', '--bit', '8'], /unknown option '--bit'\n\(Did you mean --bits\?\)/],
    [['eval', 'a', 'b'], /too many arguments/],
    [
      ['eval', 'spikegpt-mini', '--backend', 'cuda'],
      /'--backend <name>' argument 'cuda' is invalid\. Allowed choices are auto, tensorflow,.*wasm, cpu/,
    ],
    [['eval', 'a', '--bits', '17'], /argument '17' is invalid\. Expected a bit width from 1 to 16/],
    [['eval', 'a', '--bits', '8.5'], /argument '8\.5' is invalid/],
    [['eval', 'a', '--bits', ''], /argument '' is invalid/],
    [['eval', 'a', '--bits', '8', '--plan', 'p'], /'--bits <width>' cannot be used with.*'--plan/],
    [['eval', 'a', '--limit', '0'], /argument '0' is invalid\. Expected a whole number, 1 or more/],
    [['eval', 'a', '--context', '-1'], /argument '-1' is invalid/],
    [['demo', '--bits', '8,,4'], /argument '8,,4' is invalid\. Expected a bit width/],
    [['generate', 'a'], /required option '--prompt <text>' not specified/],
    [['generate', 'a', '--prompt', 'b', '--top-p', '0'], /Expected a number above 0 and at most 1/],
    [['generate', 'a', '--prompt', 'b', '--temperature', 'hot'], /Expected a number, 0 or more/],
    [['generate', 'a', '--prompt', 'b', '--seed', '1e3'], /Expected a whole number, 0 or more/],
    [['convert', 'a'], /required option '--out <path>' not specified/],
    [['convert', 'a', '--out', 'b', '--meta', 'x'], /Expected KEY=VALUE/],
    [
      ['convert', 'spikegpt-mini', '--out', 'b', '--exclude', 'emb.weight'],
      /--exclude: no output layer of the model; got emb\.weight; expected head\.weight/,
    ],
  ];
  for (const [argv, message] of faults)
    it(`refuses: qslm ${argv.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runCli(argv);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /, 'a stack');
    });
});

describe('cli: exit codes and messages', () => {
  const detail = { what: 'is damaged', where: 'a.pth', got: '1 byte', expected: '2' };

  it('tells the kinds of failure apart', () => {
    assert.equal(exitCodeOf(new TypeError('x')), 1);
    assert.equal(exitCodeOf('not even an error'), 1);
    assert.equal(exitCodeOf(new UsageError(detail)), 2);
    assert.equal(exitCodeOf(new InvalidArgumentError('x')), 2);
    for (const kind of [CheckpointError, DataError, BackendError])
      assert.equal(exitCodeOf(new kind(detail)), 3);
    assert.equal(exitCodeOf(new OutputError(detail)), 4);
    assert.equal(exitCodeOf(new AbortedError('x')), 130);
    assert.equal(exitCodeOf(new ReaderGoneError()), 141);
  });

  it('prints one message, and stack and cause with --debug', () => {
    const error = new CheckpointError(detail, { cause: new RangeError('the reason') });
    assert.equal(errorText(error, false), 'error: a.pth: is damaged; got 1 byte; expected 2\n');
    const debug = errorText(error, true) ?? '';
    assert.match(
      debug,
      /CheckpointError: a\.pth: is damaged[^]*\n\s+at [^]*caused by RangeError: the reason/,
    );
  });

  it('calls a defect a defect', () => {
    assert.match(
      errorText(new TypeError('x is undefined'), false) ?? '',
      /defect of qslm: x is undefined/,
    );
    assert.equal(errorText(new ReaderGoneError(), false), undefined);
  });
});
