import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { hierarchyOf } from '../../src/layout/hierarchy.js';
import { CASES } from '../../src/search/constraints.js';
import { select } from '../../src/search/score.js';
import { tieredSearch } from '../../src/search/tiers/tiers.js';
import { readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { sst2Task } from '../../src/tasks/sst2.js';
import type { Task } from '../../src/tasks/task.js';
import { wikitext2Task } from '../../src/tasks/wikitext2.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { loadReference } from '../search/reference-path.js';
import { itShared } from '../support/shared.js';
import { deriveConfig, Evaluator, modelSpace, parametersOf } from '../support/spikegpt.js';

/** One sentence of 1,000, and 0.1 % of a perplexity: what float32 of another order may move. */
const TOLERANCE = { a1: 0.001 + 1e-9, b1: 0.001 } as const;

async function walk(name: 'a1' | 'b1', model: string, task: Task): Promise<void> {
  const { rows } = loadReference(name);
  const steps = rows.filter(({ stage }) => ['global', 'block', 'module'].includes(stage));
  const checkpoint = await openCheckpoint(model);
  const { config } = await deriveConfig(checkpoint, { contextLength: 256 });
  const space = modelSpace(hierarchyOf(parametersOf(config)), { embedding: config.embedding });
  const evaluator = Evaluator.open({
    checkpoint: model,
    checkpointHash: await checkpoint.sha256(),
    config,
    backend: 'wasm',
    task,
    split: 'search',
  });
  try {
    const { metric, constraints } = CASES[name];
    const bits = [16, 14, 12, 10, 8, 6, 4];
    const result = await tieredSearch(space, evaluator.evaluateIn(space), {
      metric,
      constraints,
      bits,
    });
    const mark = (yes: boolean): string => (yes ? 'yes' : 'no');
    assert.deepEqual(
      result.trace.map((step) => [
        step.assignment.key,
        step.bytes,
        mark(step.accepted),
        mark(step.candidate),
      ]),
      steps.map((row) => [row.assignment.key, row.bytes, row.accepted, row.candidate]),
    );
    result.trace.forEach(({ evaluation }, index) => {
      if (evaluation.kind === 'verdict') return;
      const expected = steps[index].metric;
      const error = Math.abs(evaluation.metric - expected) / (metric === 'accuracy' ? 1 : expected);
      assert.ok(error <= TOLERANCE[name], `step ${index}: ${evaluation.metric}, ${expected}`);
    });
    const final = rows.find(({ stage }) => stage === 'final')!;
    assert.equal(result.final.key, final.assignment.key);
    for (const row of rows.filter(({ stage }) => stage.startsWith('lambda '))) {
      const context = { metric, fp32Bytes: result.fp32Bytes };
      const chosen = select(result.candidates, Number(row.stage.split(' ')[1]), context);
      assert.equal(chosen?.assignment.key, row.assignment.key, row.stage);
    }
  } finally {
    await evaluator.close();
    await checkpoint.close();
  }
}

describe("the tiered search on real data walks the PyTorch reference's path", function () {
  this.timeout(600_000);
  const vocabulary = 'models/tokenizer.json';

  itShared(
    'case a1: SST-2, all 1,000 sentences',
    ['models/spikegpt-mini-sst2.pth', 'data/sst2/search.tsv', vocabulary],
    async (model, data, words) => {
      const examples = await readSst2Tsv(data);
      const tokenizer = await loadTokenizer(words);
      await walk('a1', model, sst2Task({ examples, tokenizer, source: data, paddingId: 1 }));
    },
  );
  itShared(
    'case b1: WikiText-2 valid, 16,384 tokens',
    ['models/spikegpt-mini.pth', 'data/wikitext2/valid.txt', vocabulary],
    async (model, data, words) => {
      const text = await readFile(data, 'utf8');
      const tokenizer = await loadTokenizer(words);
      const options = { text, tokenizer, source: data, limitTokens: 16384 };
      await walk('b1', model, wikitext2Task(options));
    },
  );
});
