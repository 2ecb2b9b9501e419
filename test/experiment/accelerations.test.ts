import assert from 'node:assert/strict';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { ALL_ACCELERATIONS, NO_ACCELERATIONS } from '../../src/experiment/scoring/options.js';
import { generate } from '../../src/model/generate.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import { structureOf } from '../../src/model/structure.js';
import { sst2Task, type Sst2Task } from '../../src/tasks/sst2.js';
import type { Task } from '../../src/tasks/task.js';
import { wikitext2Task } from '../../src/tasks/wikitext2.js';
import { seededRandom } from '../../src/util/random.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { FAMILY_TOYS, saveBalancedToy, type FamilyToy } from '../families/toys.js';
import { HAS_NATIVE } from '../support/native.js';
import { SpikeGPT } from '../support/spikegpt.js';
import { writeToy } from '../support/toy-file.js';
import { TOY } from '../support/toy.js';
import { EACH, pathOf as path, search } from './accelerations-support.js';

/** One token a word: "t17" is token 17. */
const tokenizer = {
  encode: (text: string) =>
    Int32Array.from(text.trim().split(/\s+/), (word) => Number(word.slice(1))),
  byteLengthOf: () => 1,
};

const words = (seed: number, count: number): string => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => `t${random.integer(0, TOY.vocabSize - 1)}`).join(' ');
};

/**
 * Short sentences, so that some leave early, in several batches. The labels are the model's own answers,
 * a fifth of them turned: quantizing then costs accuracy, which random labels would not show.
 */
async function sentences(model: SpikeGPT): Promise<Task> {
  const random = seededRandom(5);
  const examples = [];
  for (let index = 0; index < 90; index++) {
    const sentence = words(index, random.integer(1, 9));
    const ids = tokenizer.encode(sentence);
    const inputs = { ids, batch: 1, time: ids.length };
    const logits = await model.classLogits(inputs, Int32Array.of(ids.length), 'real-tokens');
    const answer = logits[1] > logits[0];
    examples.push({ sentence, label: answer === index % 5 > 0 ? (1 as const) : (0 as const) });
  }
  return sst2Task({ examples, tokenizer, source: 'toy', paddingId: 1, batchTokens: 60 });
}

/** Text drawn from the model itself, which predicts it better than its quantized forms do. */
async function text(model: SpikeGPT): Promise<Task> {
  const drawn: string[] = [];
  for await (const token of generate(model, Int32Array.of(1), { length: 500, temperature: 0.5 }))
    drawn.push(`t${token}`);
  const options = { context: 12, batchTokens: 60 };
  return wikitext2Task({ text: drawn.join(' '), tokenizer, source: 'toy', ...options });
}

/** A family's toy, and the same sort of task as its models are fed. */
async function familyTask(modelPath: string, toy: FamilyToy): Promise<Task> {
  const { family, config } = toy;
  const { length, poolings } = family.tokens(config);
  const random = seededRandom(5);
  const tokens = Array.from({ length: 60 }, (_, index) => words(index, random.integer(4, 11)));
  const taskOf = (labels: readonly number[]): Sst2Task =>
    sst2Task({
      examples: tokens.map((sentence, index) => ({ sentence, label: labels[index] as 0 | 1 })),
      ...{ tokenizer, source: 'toy', paddingId: 0, batchTokens: 120, pooling: poolings[0] },
      length: length === 'longest' ? undefined : length,
    });
  const zeros = taskOf(tokens.map(() => 0));
  await startBackend('wasm');
  await saveBalancedToy(modelPath, toy, zeros.batches, 7);
  const checkpoint = await openCheckpoint(modelPath);
  const model = await LoadedModel.load(checkpoint);
  try {
    const { correct } = await zeros.evaluate(model);
    return taskOf(correct.map((isZero, index) => (index % 5 > 0 ? 1 - isZero : isZero)));
  } finally {
    model.dispose();
    await checkpoint.close();
  }
}

async function taskFor(
  path: string,
  make: (model: SpikeGPT) => Promise<Task>,
  backend = 'wasm',
): Promise<Task> {
  await startBackend(backend);
  const checkpoint = await openCheckpoint(path);
  const model = await SpikeGPT.load(checkpoint);
  try {
    return await make(model);
  } finally {
    model.dispose();
    await checkpoint.close();
  }
}

describe('accelerations change no bit of a search', function () {
  this.timeout(120_000);
  const at = temporaryFolder();
  for (const [name, make] of [
    ['accuracy', sentences],
    ['perplexity', text],
  ] as const)
    for (const ffnPre of [false, true])
      it(`${name}${ffnPre ? ', ffnPre' : ''}: none, each alone, all`, async () => {
        const toy = await writeToy({ ffnPre, classes: name === 'accuracy' ? 2 : 0 }, 7);
        try {
          const task = await taskFor(toy.path, make);
          const plain = await search(toy.path, task, NO_ACCELERATIONS);
          assert.ok(plain.result.trace.length > 5);
          assert.ok(plain.result.candidates.length > 1);
          assert.ok(plain.result.trace.some((step) => !step.accepted));
          const { work } = plain.report;
          assert.equal(work.savedByPrefix + work.savedByExit + work.savedByVerdict, 0);

          for (const [title, some] of EACH) {
            const outcome = await search(toy.path, task, { ...NO_ACCELERATIONS, ...some });
            const exact = some.verdicts !== true;
            assert.deepEqual(path(outcome, exact), path(plain, exact), title);
            if (some.prefix) assert.ok(outcome.report.work.savedByPrefix > 0, title);
            if (title === 'all' && name === 'accuracy')
              assert.ok(outcome.report.work.savedByVerdict > 0, 'no verdict was certain early');
            if (title === 'exit')
              assert.ok(outcome.report.work.savedByExit > 0, 'nothing left early');
          }
        } finally {
          await toy.remove();
        }
      });

  for (const toy of FAMILY_TOYS)
    it(`${toy.family.title}: none, each alone, all`, async () => {
      const modelPath = at(`${toy.family.id}.safetensors`);
      const task = await familyTask(modelPath, toy);
      const memoryShare = 0.7;
      const plain = await search(modelPath, task, NO_ACCELERATIONS, { memoryShare });
      assert.ok(plain.result.trace.length > 5);
      assert.ok(plain.result.candidates.length > 1);
      assert.ok(plain.result.trace.some((step) => !step.accepted));
      const { discreteStream } = structureOf(toy.family, toy.config).layout;
      for (const [title, some] of EACH) {
        const ways = { ...NO_ACCELERATIONS, ...some };
        const outcome = await search(modelPath, task, ways, { memoryShare });
        assert.deepEqual(
          path(outcome, some.verdicts !== true),
          path(plain, some.verdicts !== true),
        );
        const { work } = outcome.report;
        if (some.prefix) assert.ok(work.savedByPrefix > 0, title);
        if (some.exit && !discreteStream) assert.equal(work.exitCandidates, 0, title);
        if (title === 'exit' && discreteStream)
          // Spikes of many steps hardly ever meet again; that was looked for all the same.
          assert.ok(toy.family.id === 'spikebert' ? work.savedByExit > 0 : work.exitCandidates > 0);
      }
    });

  it('keeps within a budget that holds only some streams, or none', async () => {
    const toy = await writeToy({}, 7);
    try {
      const task = await taskFor(toy.path, sentences);
      const plain = await search(toy.path, task, NO_ACCELERATIONS);
      for (const budget of [0, 5_000, 60_000]) {
        const all = { ...ALL_ACCELERATIONS, workers: 0 };
        const outcome = await search(toy.path, task, all, { budgetBytes: budget });
        assert.deepEqual(path(outcome, false), path(plain, false), `budget ${budget}`);
      }
    } finally {
      await toy.remove();
    }
  });

  if (HAS_NATIVE)
    for (const [name, make] of [
      ['accuracy', sentences],
      ['perplexity', text],
    ] as const)
      it(`${name}, native TensorFlow: none, each alone, all`, async () => {
        const toy = await writeToy({ classes: name === 'accuracy' ? 2 : 0 }, 7);
        const backend = 'tensorflow';
        try {
          const task = await taskFor(toy.path, make, backend);
          const plain = await search(toy.path, task, NO_ACCELERATIONS, { backend });
          assert.ok(plain.result.trace.length > 5);
          for (const [title, some] of EACH.filter(([, { workers = 0 }]) => workers === 0)) {
            const asked = { ...NO_ACCELERATIONS, ...some };
            const outcome = await search(toy.path, task, asked, { backend });
            const exact = some.verdicts !== true;
            assert.deepEqual(path(outcome, exact), path(plain, exact), title);
            if (some.prefix) assert.ok(outcome.report.work.savedByPrefix > 0, title);
            if (title === 'exit')
              assert.ok(outcome.report.work.savedByExit > 0, 'nothing left early');
          }
        } finally {
          await startBackend('wasm');
          await toy.remove();
        }
      });
});
