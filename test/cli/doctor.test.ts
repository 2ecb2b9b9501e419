import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { HAS_NATIVE } from '../support/native.js';
import { endProcesses, startCli } from './support/run.js';

interface Found {
  readonly machine: { readonly node: string };
  readonly backends: readonly {
    readonly name: string;
    readonly description?: string;
    readonly identity?: string;
    readonly reason?: string;
    readonly needs?: string;
  }[];
  readonly auto: string;
}

describe('qslm doctor', () => {
  const at = temporaryFolder();
  afterEach(endProcesses);

  const doctor = async (environment: Readonly<Record<string, string>> = {}): Promise<Found> => {
    const outcome = await startCli(['doctor', '--json'], 'pipe', environment).outcome;
    assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
    return JSON.parse(outcome.stdout) as Found;
  };

  it('shows every backend, what auto takes, and where measurements are stored', async () => {
    const { machine, backends, auto } = await doctor();
    assert.equal(machine.node, process.version);
    assert.deepEqual(
      backends.map(({ name }) => name),
      ['tensorflow', 'wasm', 'cpu'],
    );
    const [tensorflow, wasm, cpu] = backends;
    assert.match(wasm.description!, /WebAssembly/);
    assert.match(wasm.identity!, /^wasm(-fused)?$/);
    assert.match(cpu.description!, /plain JavaScript/);
    assert.equal(auto, HAS_NATIVE ? 'tensorflow' : 'wasm');
    if (HAS_NATIVE) {
      assert.match(tensorflow.description!, /TensorFlow 2\.\d+.*(threads|compute capability)/);
      assert.match(tensorflow.identity!, /^tensorflow-2\.\d+\.\d+-(cpu|gpu)-/);
    } else assert.match(tensorflow.needs!, /npm run setup:tensorflow/);
  });

  it('says why auto passes over native TensorFlow, and what it needs', async () => {
    // The package looks whether its binding is there, and throws a page where it is not.
    await writeFile(
      at('absent.cjs'),
      `const fs = require('node:fs');
       const { existsSync } = fs;
       fs.existsSync = (path) => !String(path).endsWith('tfjs_binding.node') && existsSync(path);`,
    );
    const absent = { NODE_OPTIONS: `--require ${at('absent.cjs')}` };
    const { backends, auto } = await doctor(absent);
    assert.equal(auto, 'wasm');
    assert.match(backends[0].reason!, /^The Node.js native addon module .* can not be found.*$/);
    assert.match(backends[0].needs!, /npm run setup:tensorflow/);
    const { stdout } = await startCli(['doctor'], 'pipe', absent).outcome;
    assert.match(stdout, /tensorflow +does not start: The Node.js .*; needs .*setup:tensorflow/);
    assert.match(stdout, /auto takes +wasm/);
  });
});

if (HAS_NATIVE)
  describe('a command on native TensorFlow', () => {
    afterEach(endProcesses);
    const evaluate = (environment: Readonly<Record<string, string>>) =>
      startCli(
        ['eval', 'spikegpt-mini', '--backend', 'tensorflow', '--limit', '256', '--quiet'],
        'pipe',
        environment,
      ).outcome;

    it('prints nothing of the library, unless the user has set its log level', async () => {
      const { code, stderr } = await evaluate({});
      assert.deepEqual([code, stderr], [0, '']);
      const told = await evaluate({ TF_CPP_MIN_LOG_LEVEL: '0' });
      assert.match(told.stderr, /oneDNN custom operations are on/);
    });
  });
