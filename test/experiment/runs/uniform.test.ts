import assert from 'node:assert/strict';
import { startBackend } from '../../../src/backend/start.js';
import { inThisThread } from '../../../src/experiment/runs/measure-plans.js';
import {
  PRECISION_LIST,
  runUniform as measureUniform,
  type UniformOptions,
  type UniformRun,
} from '../../../src/experiment/runs/uniform.js';
import type { Measurement } from '../../../src/tasks/metrics/metrics.js';
import { sst2Task, type Sst2Task } from '../../../src/tasks/sst2.js';
import type { Task } from '../../../src/tasks/task.js';
import { AbortedError, ModelError } from '../../../src/util/errors.js';
import type { ProgressEvent } from '../../../src/util/progress.js';
import { seededRandom } from '../../../src/util/random.js';
import { hierarchyFor, SpikeGPT } from '../../support/spikegpt.js';
import { toyCheckpoint, TOY } from '../../support/toy.js';

/** Sentences without meaning; labels at random. */
function toyTask(sentences = 40): Sst2Task {
  const random = seededRandom(5);
  const examples = Array.from({ length: sentences }, (_, index) => ({
    sentence: Array.from({ length: 3 + (index % 7) }, () => random.integer(0, 60)).join(' '),
    label: random.integer(0, 1),
  }));
  const encode = (text: string): Int32Array => Int32Array.from(text.split(' '), Number);
  return sst2Task({
    examples,
    tokenizer: { encode },
    source: 'toy',
    paddingId: 1,
    batchTokens: 64,
  });
}

describe('experiment/uniform', () => {
  /** Measures in the calling thread. */
  const runUniform = (
    model: typeof subject,
    task: Task,
    options: UniformOptions = {},
  ): Promise<UniformRun> =>
    inThisThread(model, task, (measurable) => measureUniform(measurable, options));

  const checkpoint = toyCheckpoint({ head: false });
  const hierarchy = hierarchyFor({ ...TOY, head: false });
  let subject: Parameters<typeof inThisThread>[0];
  before(async () => {
    await startBackend('cpu');
    const model = await SpikeGPT.load(checkpoint);
    subject = { name: 'toy', model, checkpoint, hierarchy };
  });
  after(() => {
    subject.model.dispose();
  });

  it('gives the baseline, then each width once, in the order asked for', async () => {
    const points = await runUniform(subject, toyTask(6), { bits: [4, 16, 4, 32, 1] });
    assert.deepEqual(
      points.map(({ bits, name }) => [bits, name]),
      [
        [32, 'fp32'],
        [4, '4 bits'],
        [16, '16 bits'],
        [1, '1 bit'],
      ],
    );
  });

  it('counts every byte: packed integers, a scale and a zero point a matrix, vectors in float32', async () => {
    const points = await runUniform(subject, toyTask(2), { bits: PRECISION_LIST });
    const { width, hiddenWidth, vocabSize, layers, classes } = TOY;
    const block = 5 * width * width + 2 * width * hiddenWidth;
    const weights = vocabSize * width + layers * block + classes * width;
    const matrices = 2 + 7 * layers;
    // ln0 and ln_out, two vectors each; in a block two norms, decay, first, three and two mixes.
    const vectors = (4 + layers * (4 + 2 + 3 + 2)) * width;
    const fp32 = 4 * (weights + vectors);
    for (const { bits, bytes, saving } of points) {
      // Every matrix has a multiple of eight values, so no byte is left unfilled at any width.
      const expected = bits === 32 ? fp32 : (weights * bits) / 8 + 8 * matrices + 4 * vectors;
      assert.equal(bytes, expected, `${bits} bits`);
      assert.equal(saving, 1 - expected / fp32);
    }
  });

  it('compares each width with the baseline, item by item', async () => {
    const [baseline, fine, coarse] = await runUniform(subject, toyTask(), { bits: [16, 1] });
    assert.equal(baseline.comparison, undefined);
    for (const point of [fine, coarse]) {
      const own = (point.measurement as Measurement & { correct: number[] }).correct;
      const other = (baseline.measurement as Measurement & { correct: number[] }).correct;
      const only = own.filter((right, index) => right === 1 && other[index] === 0).length;
      assert.ok(point.comparison?.metric === 'accuracy');
      assert.equal(point.comparison.onlyOther, only);
    }
    assert.notEqual(coarse.plan, fine.plan);
  });

  it('leaves the model as it was, and gives the same numbers again', async () => {
    const task = toyTask();
    const strip = (points: readonly { measurement?: Measurement }[]): unknown =>
      points.map(({ measurement, ...rest }) => ({ ...rest, ...measurement, seconds: 0 }));
    const first = await runUniform(subject, task, { bits: [3, 8] });
    const second = await runUniform(subject, task, { bits: [3, 8] });
    assert.deepEqual(strip(first), strip(second));
  });

  it('makes a point without measurement of a width that breaks the model, and goes on', async () => {
    const task = toyTask();
    let calls = 0;
    const breaking: Task = {
      ...task,
      evaluate: (model, options) => {
        if (++calls !== 2) return task.evaluate(model, options);
        throw new ModelError({ what: 'class logit is not a finite number', where: 'sentence 3' });
      },
    };
    const points = await runUniform(subject, breaking, { bits: [8, 4] });
    assert.equal(points[1].measurement, undefined);
    assert.match(points[1].failure ?? '', /sentence 3: class logit is not a finite number/);
    assert.equal(points[1].comparison, undefined);
    assert.ok(points[1].bytes > 0);
    assert.ok(points[2].measurement);
  });

  it('passes on what the baseline throws', async () => {
    const task = toyTask();
    const evaluate = (): Promise<Measurement> =>
      Promise.reject(new ModelError({ what: 'the model has no classifier', where: 'x' }));
    await assert.rejects(runUniform(subject, { ...task, evaluate }), /no classifier/);
  });

  it('reports progress as one piece of work', async () => {
    const events: ProgressEvent[] = [];
    const task = toyTask();
    const all = 3 * task.tokens;
    await runUniform(subject, task, {
      bits: [8, 2],
      onProgress: (event) => events.push(event),
    });
    assert.ok(events.length > 6);
    assert.deepEqual([...new Set(events.map(({ phase }) => phase))], ['toy']);
    assert.deepEqual([...new Set(events.map(({ total }) => total))], [all]);
    assert.deepEqual([events[0].done, events.at(-1)!.done], [0, all]);
    events.slice(1).forEach((event, index) => {
      assert.ok(event.done >= events[index].done, 'progress went back');
    });
    assert.match(events.at(-1)!.note ?? '', /^2 bits: accuracy 0\.\d{3}$/);
  });

  it('stops on request, with the weights of the checkpoint', async () => {
    const task = toyTask();
    const before = await task.evaluate(subject.model);
    const abort = new AbortController();
    const running = runUniform(subject, task, {
      bits: [1],
      signal: abort.signal,
      onProgress: ({ done, total }) => {
        if (done > total / 2) abort.abort();
      },
    });
    await assert.rejects(running, AbortedError);
    const after = await task.evaluate(subject.model);
    assert.deepEqual({ ...after, seconds: 0 }, { ...before, seconds: 0 });
  });
});
