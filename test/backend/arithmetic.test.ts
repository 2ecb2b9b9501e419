import assert from 'node:assert/strict';
import { detectArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { backendIdentity, startBackend } from '../../src/backend/start.js';
import { ScorerPool } from '../../src/experiment/scoring/scorer-pool.js';
import { BackendError } from '../../src/util/errors.js';
import { writeToy } from '../support/toy-file.js';

const OTHER = { wasm: 'wasm-fused', 'wasm-fused': 'wasm' } as const;

describe('arithmetic of the wasm kernels', () => {
  it('is not taken for the slower one where there is no memory to find out', function () {
    // Where it is prescribed there is nothing to find out.
    if (process.env.QSLM_ARITHMETIC !== undefined) this.skip();
    const noMemory = (): never => {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory');
    };
    assert.throws(
      () => detectArithmetic(noMemory),
      (error) => {
        assert.ok(error instanceof BackendError);
        assert.match(error.message, /cannot find out .*; got WebAssembly\.Memory\(\): could not/);
        return true;
      },
    );
    assert.match(detectArithmetic(), /^(?:fused|separate)$/);
  });

  it('is one in all threads of a run, or there is no run', async () => {
    const identity = backendIdentity('wasm') as keyof typeof OTHER;
    await startBackend('wasm', identity);
    await assert.rejects(startBackend('wasm', OTHER[identity]), /round otherwise than the rest/);
    const { path, remove } = await writeToy();
    const open = (asked: string): Promise<ScorerPool> =>
      ScorerPool.open({
        checkpoint: path,
        stated: {},
        backend: 'wasm',
        identity: asked,
        workers: 2,
        reuse: { prefix: true, exit: true, budgetBytes: 1e6 },
      });
    try {
      await (await open(identity)).close();
      // Threads that can only round once cannot be asked to, on a processor that has no such instruction.
      if (identity === 'wasm') await assert.rejects(open(OTHER[identity]), BackendError);
      else await (await open('wasm')).close();
    } finally {
      await remove();
    }
  });
});
