import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { PoolOpener } from '../../src/experiment/scoring/scorer-pool.js';
import { hierarchyOf } from '../../src/layout/hierarchy.js';
import { CASES } from '../../src/search/constraints.js';
import { select } from '../../src/search/score.js';
import { tieredSearch, type TieredSearchResult } from '../../src/search/tiers/tiers.js';
import { readSst2Tsv } from '../../src/tasks/data/tsv.js';
import { sst2Task } from '../../src/tasks/sst2.js';
import type { Task } from '../../src/tasks/task.js';
import { wikitext2Task } from '../../src/tasks/wikitext2.js';
import { loadTokenizer } from '../../src/tokenizer/tokenizer.js';
import { loadReference } from '../search/reference-path.js';
import { deriveConfig, Evaluator, modelSpace, parametersOf } from '../support/spikegpt.js';

/** Files of a case in the developers' shared folder: model, data, tokenizer. */
export const FILES = {
  a1: ['models/spikegpt-mini-sst2.pth', 'data/sst2/search.tsv', 'models/tokenizer.json'],
  b1: ['models/spikegpt-mini.pth', 'data/wikitext2/valid.txt', 'models/tokenizer.json'],
} as const;

/** The task of a case. */
export async function taskOf(name: 'a1' | 'b1', data: string, words: string): Promise<Task> {
  const tokenizer = await loadTokenizer(words);
  if (name === 'b1') {
    const text = await readFile(data, 'utf8');
    return wikitext2Task({ text, tokenizer, source: data, limitTokens: 16384 });
  }
  const examples = await readSst2Tsv(data);
  return sst2Task({ examples, tokenizer, source: data, paddingId: 1 });
}

/** One sentence of 1,000, and 0.1 % of a perplexity: what float32 of another order may move. */
const TOLERANCE = { a1: 0.001 + 1e-9, b1: 0.001 } as const;

/**
 * Searches as the PyTorch reference did, and holds the path to its.
 *
 * @param openPool other places than this process's threads
 */
export async function walk(
  name: 'a1' | 'b1',
  model: string,
  task: Task,
  openPool?: PoolOpener,
): Promise<TieredSearchResult> {
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
    openPool,
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
    return result;
  } finally {
    await evaluator.close();
    await checkpoint.close();
  }
}
