import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { packagePath } from '../../src/util/paths.js';
import { HAS_NATIVE } from '../support/native.js';

if (HAS_NATIVE)
  describe('npm run bench:gpu, the processor standing in', () => {
    it('prints ceilings, tokens/s a batch, and says why there is no PyTorch beside it', async () => {
      const small = ['--shapes', 'toy', '--batches', '1,2', '--tokens', '8', '--rounds', '1'];
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--import', 'tsx', 'bench/gpu.ts', '--any-device', '--no-tests', ...small],
        { cwd: packagePath(), env: { ...process.env, QSLM_PYTHON: '/nonexistent/python' } },
      );
      assert.match(stdout, /^TensorFlow.js .*, TensorFlow 2\.\d+/);
      assert.match(stdout, /^ceilings: \d+ GFLOP\/s \(float32 product\), \d+ GB\/s/m);
      for (const batch of [1, 2])
        assert.match(stdout, new RegExp(`^toy, batch ${batch} × 8: [1-9]\\d* tokens/s; `, 'm'));
      assert.match(stdout, /PyTorch: skipped: .*ENOENT/);
    });
  });
