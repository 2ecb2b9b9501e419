import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { cardPath, withFileTable } from '../../../scripts/model-card.js';
import { startBackend } from '../../../src/backend/start.js';
import { decodeFloat32, encodeFloat32 } from '../../../src/checkpoint/dtypes.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { buildTask, type TaskRequest } from '../../../src/experiment/open/build-task.js';
import {
  BUNDLED_MODELS,
  locateCheckpoint,
  openModel,
  type BundledModel,
} from '../../../src/experiment/open/model-file.js';
import type { SpikeGPTConfig } from '../../../src/model/spikegpt/config.js';
import { type Measurement } from '../../../src/tasks/metrics/metrics.js';
import { itShared } from '../../support/shared.js';

async function measure(name: BundledModel, request: TaskRequest): Promise<Measurement> {
  const open = await openModel(name);
  try {
    const task = await buildTask(request, open.tokenizer, open);
    return await task.evaluate(open.model);
  } finally {
    await open.close();
  }
}

describe('the bundled models', () => {
  before(() => startBackend('wasm'));

  for (const name of BUNDLED_MODELS) {
    it(`${name}: the card states size and sha256 of the files that are there`, async () => {
      const card = await readFile(cardPath(name), 'utf8');
      assert.match(card, /\| `model\.safetensors` \| [\d,]+ \| `[0-9a-f]{64}` \|/);
      assert.equal(await withFileTable(card, name), card, 'run: npm run models');
    });

    it(`${name}: says itself what its shapes do not`, async () => {
      const open = await openModel(name);
      try {
        const { embedding, contextLength } = open.config as SpikeGPTConfig;
        assert.deepEqual([embedding, contextLength], ['spike', 256]);
        const { sources } = open.model.description;
        assert.deepEqual(Object.values(sources), ['checkpoint metadata', 'checkpoint metadata']);
        assert.equal(open.checkpoint.metadata['name'], name);
      } finally {
        await open.close();
      }
    });

    itShared(
      `${name}: every weight is the trained one in float16, every embedding spike its spike`,
      [`models/${name}.pth`],
      async (path) => {
        const trained = await openCheckpoint(path);
        const bundled = await openCheckpoint((await locateCheckpoint(name)).path);
        try {
          for (const tensor of bundled.tensors.keys()) {
            const [from, to] = [
              await trained.readFloat32(tensor),
              await bundled.readFloat32(tensor),
            ];
            const rounded = new Float32Array(from.length);
            decodeFloat32('float16', encodeFloat32(from, 'float16'), rounded);
            const isEmbedding = tensor === 'emb.weight';
            const wrong = from.findIndex((value, index) =>
              isEmbedding
                ? value >= 0 !== to[index] >= 0 || Math.abs(rounded[index] - to[index]) > 2 ** -24
                : rounded[index] !== to[index],
            );
            assert.equal(wrong, -1, `${tensor} at ${wrong}`);
          }
          const left = [...trained.tensors.keys()].filter((key) => !bundled.tensors.has(key));
          assert.deepEqual(left, name === 'spikegpt-mini-sst2' ? ['head.weight'] : []);
        } finally {
          await Promise.all([trained.close(), bundled.close()]);
        }
      },
    );
  }

  // The figures of the float32 weights in PyTorch, see the cards.
  itShared('spikegpt-mini-sst2 gets 672 of 872 right, ± 2', ['data/sst2/dev.tsv'], async (data) => {
    const measurement = await measure('spikegpt-mini-sst2', { data });
    assert.ok(measurement.metric === 'accuracy');
    const right = measurement.correct.filter(Boolean).length;
    assert.equal(measurement.items, 872);
    assert.ok(Math.abs(right - 672) <= 2, `${right} right`);
  });

  itShared(
    'spikegpt-mini has a perplexity of 36.32 ± 0.2 % on the beginning of WikiText-2 valid',
    ['data/wikitext2/valid.txt'],
    async (data) => {
      const { value, tokens } = await measure('spikegpt-mini', { data, limit: 16_384 });
      assert.equal(tokens, 16_384);
      assert.ok(Math.abs(value / 36.32 - 1) < 0.002, `perplexity ${value}`);
    },
  );
});
