import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Checkpoint, CheckpointFormat, Dtype } from '../../src/checkpoint/types.js';
import { itShared } from '../support/shared.js';

interface Expected {
  readonly file: string;
  readonly format: CheckpointFormat;
  readonly dtype: Dtype;
  readonly tensors: number;
  /** See `digest`. Computed with PyTorch 1.13: torch.load, `.float()`, hashlib. */
  readonly sha256: string;
}

const zip = { format: 'torch-zip', dtype: 'float32' } as const;
const FILES: readonly Expected[] = [
  {
    ...zip,
    file: 'golden/spike-emb.pth',
    tensors: 79,
    sha256: '6ae924598de455b35959937e229164316c3f3f7bdf291bf65538cefc97bf0ba8',
  },
  {
    ...zip,
    file: 'golden/dense-emb.pth',
    tensors: 78,
    sha256: '1d122ea9847010761f60fa189239e6cbd85d3bd654e7287431554d1191bd6424',
  },
  {
    ...zip,
    file: 'golden/ffn-pre.pth',
    tensors: 74,
    sha256: '9938e8ed39306d0fe92bf8e5f6732935cb6ba17cfcdc2f2fb900d68130f0132e',
  },
  {
    ...zip,
    dtype: 'bfloat16',
    file: 'golden/bf16.pth',
    tensors: 78,
    sha256: 'e94d04610f553a2b6102faaf743013cf3bb27761ef5dce77ad5fcdab34837d17',
  },
  {
    ...zip,
    dtype: 'float16',
    file: 'golden/fp16.pth',
    tensors: 78,
    sha256: '81df6e9ba77eaaff2cbe7f421ca213da17aecafd0a603a492407f36e8e718bd0',
  },
  {
    ...zip,
    format: 'torch-legacy',
    file: 'golden/legacy.pth',
    tensors: 78,
    sha256: 'e9f1360f55fc20b75498dc3bbac25754eac574e504afca27ee5c9e09cd97f416',
  },
  {
    ...zip,
    file: 'models/spikegpt-mini.pth',
    tensors: 114,
    sha256: 'ca216859829c31ff0658be57b7d7afeb59a01de16f8e9ea5fb1967f4b8ef52d4',
  },
  {
    ...zip,
    file: 'models/spikegpt-mini-sst2.pth',
    tensors: 115,
    sha256: '3a6055482e540c40d44999c9b51f00520feaff7adc9da87ced3f6907077cb557',
  },
];

/** SHA-256 over "name dtype size,size\n" and the float32 bytes of each tensor in turn. */
async function digest(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    const values = await checkpoint.readFloat32(name);
    hash.update(`${name} ${dtype} ${shape.join(',')}\n`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

describe('checkpoint: files written by PyTorch', () => {
  for (const expected of FILES) {
    itShared(`${expected.file}: every value as PyTorch reads it`, [expected.file], async (path) => {
      const checkpoint = await openCheckpoint(path);
      try {
        assert.equal(checkpoint.format, expected.format);
        assert.equal(checkpoint.tensors.size, expected.tensors);
        assert.equal(checkpoint.tensors.get('head.weight')?.dtype, expected.dtype);
        assert.equal(await digest(checkpoint), expected.sha256);
      } finally {
        await checkpoint.close();
      }
    });
  }
});
