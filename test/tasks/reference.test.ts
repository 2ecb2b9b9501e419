import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { NO_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { type Measurement } from '../../src/tasks/metrics/metrics.js';
import { sst2Task } from '../../src/tasks/sst2.js';
import type { Task } from '../../src/tasks/task.js';
import { wikitext2Task } from '../../src/tasks/wikitext2.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { packagePath } from '../../src/util/paths.js';
import { itShared } from '../support/shared.js';
import { deriveConfig, Evaluator } from '../support/spikegpt.js';

/** `<|padding|>` in the vocabulary of the bundled models. */
const PADDING = 1;

/**
 * What PyTorch 1.13 in float32 measured of the same checkpoints (the shared reference_qslm.py): token
 * perplexity of WikiText-2 test in windows of 256, and right answers on SST-2 dev.
 */
const REFERENCE = { perplexity: 39.1255, tokens: 351744, right: 672, sentences: 872 };

/** The unquantized model on the task, every item computed once, on two threads. */
async function measure(path: string, task: Task): Promise<Measurement> {
  const checkpoint = await openCheckpoint(path);
  const { config } = await deriveConfig(checkpoint, { contextLength: 256 });
  const checkpointHash = await checkpoint.sha256();
  await checkpoint.close();
  const evaluator = Evaluator.open({
    ...{ checkpoint: path, checkpointHash, config, backend: 'wasm', task, split: 'all' },
    accelerations: { ...NO_ACCELERATIONS, workers: 2 },
  });
  try {
    return await evaluator.measure(new Map(), 0);
  } finally {
    await evaluator.close();
  }
}

const bundled = (name: string): string => packagePath('data', 'models', name, 'model.safetensors');

describe('measurements on real data against PyTorch', function () {
  this.timeout(600_000);

  const wikitext = async (path: string, data: string, vocabulary: string, tolerance: number) => {
    const tokenizer = await loadTokenizer(vocabulary);
    const text = await readFile(data, 'utf8');
    const result = await measure(
      path,
      wikitext2Task({ text, tokenizer, source: 'WikiText-2 test' }),
    );
    assert.ok(result.metric === 'perplexity');
    assert.equal(result.tokens, REFERENCE.tokens);
    const ratio = result.value / REFERENCE.perplexity;
    console.log(`        perplexity ${result.value.toFixed(4)}, ${result.seconds.toFixed(1)} s`);
    assert.ok(Math.abs(ratio - 1) < tolerance, `perplexity ${result.value}`);
    assert.ok(result.interval.low < result.value && result.value < result.interval.high);
  };
  const sst2 = async (path: string, data: string, vocabulary: string, tolerance: number) => {
    const tokenizer = await loadTokenizer(vocabulary);
    const examples = await readSst2Tsv(data);
    const task = sst2Task({ examples, tokenizer, source: 'SST-2 dev', paddingId: PADDING });
    const result = await measure(path, task);
    assert.ok(result.metric === 'accuracy');
    assert.equal(result.items, REFERENCE.sentences);
    const right = Math.round(result.value * REFERENCE.sentences);
    console.log(`        ${right} of ${result.items} right, ${result.seconds.toFixed(1)} s`);
    assert.ok(Math.abs(right - REFERENCE.right) <= tolerance, `${right} right`);
  };

  const text = 'data/wikitext2/test.txt';
  const sentences = 'data/sst2/dev.tsv';
  const vocabulary = 'models/tokenizer.json';
  itShared(
    'spikegpt-mini, fp32: WikiText-2 test perplexity within 0.1 %',
    ['models/spikegpt-mini.pth', text, vocabulary],
    (path, data, words) => wikitext(path, data, words, 1e-3),
  );
  itShared(
    'spikegpt-mini-sst2, fp32: SST-2 dev within 1 sentence',
    ['models/spikegpt-mini-sst2.pth', sentences, vocabulary],
    (path, data, words) => sst2(path, data, words, 1),
  );
  itShared(
    'spikegpt-mini, bundled fp16: WikiText-2 test perplexity within 0.2 %',
    [text, vocabulary],
    (data, words) => wikitext(bundled('spikegpt-mini'), data, words, 2e-3),
  );
  itShared(
    'spikegpt-mini-sst2, bundled fp16: SST-2 dev within 2 sentences',
    [sentences, vocabulary],
    (data, words) => sst2(bundled('spikegpt-mini-sst2'), data, words, 2),
  );
});
