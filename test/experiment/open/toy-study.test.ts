import assert from 'node:assert/strict';
import { openModel } from '../../../src/experiment/open/model-file.js';
import { writeToyStudy } from '../../../src/experiment/open/toy-study.js';
import type { ModelConfig } from '../../../src/model/config.js';
import { readSst2Tsv } from '../../../src/tasks/data/tsv.js';
import { sst2Task } from '../../../src/tasks/sst2.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';

const CONFIG = {
  ...{ vocabSize: 200, width: 24, hiddenWidth: 48, layers: 2, contextLength: 12 },
  ...{ classes: 2, head: false, heads: 2, timeSteps: 3, types: 2 },
} as ModelConfig;

describe('made-up studies', function () {
  this.timeout(60_000);
  const at = temporaryFolder();

  /** The distances of the two logits of each sentence, and how many the model has right. */
  async function answersOf(surest: number): Promise<{ least: number; right: number }> {
    const request = { family: 'spikelm', config: CONFIG, sentences: 40, words: 7, surest };
    const { model, search, heldOut } = await writeToyStudy(at(`surest-${surest}`), request);
    const examples = [...(await readSst2Tsv(search)), ...(await readSst2Tsv(heldOut))];
    assert.equal(examples.length, 40);
    const opened = await openModel(model);
    const task = sst2Task({
      ...{ examples, tokenizer: opened.tokenizer, source: 'toy', paddingId: 0 },
      ...{ before: [2], after: [3], pooling: 'first-token' },
    });
    const scores = await Promise.all(task.batches.map((_, at) => task.score(opened.model, at)));
    const { correct } = await task.evaluate(opened.model);
    await opened.close();
    const margins = scores.flatMap(({ margins }) => Array.from(margins!, Math.abs));
    return { least: Math.min(...margins), right: correct.filter((one) => one === 1).length };
  }

  it('have sentences that the model is wrong about, one in ten, and those it is surest of', async () => {
    const [any, sure] = [await answersOf(1), await answersOf(8)];
    assert.deepEqual([any.right, sure.right], [36, 36]);
    assert.ok(sure.least > 10 * any.least, `${any.least}, ${sure.least}`);
  });
});
