import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import {
  fineTune,
  type FineTuned,
  type FineTuneRequest,
} from '../../src/experiment/training/train-run.js';
import { LoadedModel } from '../../src/model/loaded-model.js';
import {
  AdamW,
  DEFAULT_ADAMW,
  rateAt,
  sumOfSquares,
  updateParameter,
} from '../../src/training/adamw.js';
import { lengthOf } from '../../src/training/step-place.js';
import { AbortedError, DataError, MemoryError, ModelError } from '../../src/util/errors.js';
import { TOKENIZER } from '../cli/support/study.js';
import { inFolder } from '../experiment/study-support.js';
import { saveToy } from '../experiment/support.js';

const close = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expected.forEach((value, at) => assert.ok(Math.abs(actual[at] - value) < 2e-7, `${actual[at]}`));
};

describe('AdamW', () => {
  it('steps as torch.optim.AdamW with clip_grad_norm_', () => {
    // PyTorch 2: weight decay 0.1 for the first, 0 for the second, gradients cut to length 1.
    const steps = [
      [[0.3, -0.2, 0.05], [1.5], [0.4895, -0.989, 1.988], [0.09]],
      [
        [0.1, 0.4, -3],
        [2],
        [0.4813312590122223, -0.9877312779426575, 1.9931855201721191],
        [0.08049993216991425],
      ],
      [
        [-0.5, 0.2, 0],
        [-0.25],
        [0.4846295118331909, -0.9914711713790894, 1.9967374801635742],
        [0.07473006844520569],
      ],
    ] as const;
    const lengths = [1.5435348749160767, 3.62904953956604, 0.593717098236084];
    const adam = new AdamW({ ...DEFAULT_ADAMW, weightDecay: 0.1, clip: 1 });
    const values = new Map([
      ['p', Float32Array.of(0.5, -1, 2)],
      ['q', Float32Array.of(0.1)],
    ]);
    for (const [at, [p, q, pAfter, qAfter]] of steps.entries()) {
      const gradients = new Map([
        ['p', Float32Array.from(p)],
        ['q', Float32Array.from(q)],
      ]);
      const length = lengthOf([...gradients.values()].map(sumOfSquares));
      assert.ok(Math.abs(length - lengths[at]) < 1e-6);
      const numbers = adam.numbersOf(at + 1, 0.01, length);
      for (const [name, gradient] of gradients) {
        const moments = adam.momentsOf(name, gradient.length);
        updateParameter(values.get(name)!, gradient, moments, numbers, name === 'p');
      }
      close(values.get('p')!, pAfter);
      close(values.get('q')!, qAfter);
    }
  });

  it('rises to its rate and falls to a tenth of it', () => {
    const settings = { learningRate: 1, warmup: 10 };
    assert.equal(rateAt(1, 110, settings), 0.1);
    assert.equal(rateAt(10, 110, settings), 1);
    assert.ok(Math.abs(rateAt(60, 110, settings) - 0.55) < 1e-12);
    assert.ok(Math.abs(rateAt(110, 110, settings) - 0.1) < 1e-12);
  });
});

describe('fine-tuning', () => {
  const GOOD = ['a great film', 'wonderful and moving', 'the best of the year', 'a joy to watch'];
  const BAD = ['a dull mess', 'boring and too long', 'the worst of the year', 'a waste of time'];
  const table = (rows: readonly (readonly [string, number])[]): string =>
    ['sentence\tlabel', ...rows.map(([sentence, label]) => `${sentence}\t${label}`)].join('\n');
  const rows = (from: number): (readonly [string, number])[] =>
    Array.from({ length: 12 }, (_, i) => {
      const label = i % 2;
      const list = label === 1 ? GOOD : BAD;
      return [`${list[i % 4]} ${list[(i + from) % 4]}`, label] as const;
    });

  interface Place {
    readonly model: string;
    readonly request: (name: string, change?: Partial<FineTuneRequest>) => FineTuneRequest;
    readonly at: (name: string) => string;
  }

  function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
    return inFolder(async (folder) => {
      const at = (name: string): string => join(folder, name);
      const model = await saveToy(at('toy.safetensors'), {
        ...{ vocabSize: 4096, layers: 2, classes: 0, head: true },
      });
      await writeFile(at('train.tsv'), table(rows(1)));
      await writeFile(at('search.tsv'), table(rows(3)));
      const request = (name: string, change: Partial<FineTuneRequest> = {}): FineTuneRequest => ({
        ...{ task: 'sst2', backend: 'cpu', model: { tokenizer: TOKENIZER } },
        ...{ data: at('train.tsv'), search: at('search.tsv'), out: at(name), batchTokens: 40 },
        workers: 0,
        settings: { epochs: 3, learningRate: 0.01, warmup: 2, measureEvery: 4, dropout: 0.1 },
        ...change,
      });
      await work({ model, request, at });
    });
  }

  it('learns, gives the model a classifier, and is the same twice', () =>
    withPlace(async ({ model, request, at }) => {
      const done: FineTuned[] = [];
      for (const name of ['one.safetensors', 'two.safetensors'])
        done.push(await fineTune(model, request(name)));
      const [one] = done;
      assert.ok(one.best.metric > 0.8, String(one.best.metric));
      assert.ok(one.marks.at(-1)!.loss < one.marks[0].loss);
      assert.deepEqual(done[1].marks, one.marks);
      const [first, second] = await Promise.all(
        ['one', 'two'].map((name) => readFile(at(`${name}.safetensors`))),
      );
      assert.ok(first.equals(second));
      assert.ok(!existsSync(at('one.safetensors.training')));
      // What came out can be trained again, and measured.
      const again = request('three.safetensors', { settings: { epochs: 1, measureEvery: 50 } });
      const { marks } = await fineTune(at('one.safetensors'), again);
      assert.ok(marks[0].metric > 0.5);
    }));

  it('goes on bit for bit where it was interrupted, at any step', () =>
    withPlace(async ({ model, request, at }) => {
      const whole = await fineTune(model, request('whole.safetensors'));
      let interruptions = 0;
      let part: FineTuned | undefined;
      for (let after = 1; part === undefined; after += 2) {
        const abort = new AbortController();
        let steps = 0;
        const change = {
          signal: abort.signal,
          onProgress: ({ phase }: { readonly phase: string }) => {
            if (phase === 'training' && ++steps === after) abort.abort();
          },
        };
        try {
          part = await fineTune(model, request('part.safetensors', change));
        } catch (error) {
          if (!(error instanceof AbortedError)) throw error;
          interruptions++;
          assert.ok(!existsSync(at('part.safetensors')));
        }
      }
      assert.ok(interruptions >= 2, String(interruptions));
      assert.ok(part.resumed);
      assert.deepEqual(part.marks, whole.marks);
      const files = await Promise.all(
        ['whole', 'part'].map((name) => readFile(at(`${name}.safetensors`))),
      );
      assert.ok(files[0].equals(files[1]));
    }));

  it('is the same on any number of threads, with a new classifier, and a teacher', () =>
    withPlace(async ({ model, request, at }) => {
      const settings = { epochs: 1, learningRate: 0.01, warmup: 2, measureEvery: 4, dropout: 0.1 };
      const backend = 'wasm';
      await fineTune(model, request('float.safetensors', { backend, settings, workers: 2 }));
      await fineTune(model, request('float0.safetensors', { backend, settings }));
      const taught = { backend, settings, distill: {} };
      const float = at('float.safetensors');
      await fineTune(float, request('taught.safetensors', { ...taught, workers: 3 }));
      await fineTune(float, request('taught0.safetensors', taught));
      for (const name of ['float', 'taught']) {
        const [threads, alone] = await Promise.all(
          [name, `${name}0`].map((file) => readFile(at(`${file}.safetensors`))),
        );
        assert.ok(threads.equals(alone), name);
      }
    }));

  it('refuses to go on with other settings', () =>
    withPlace(async ({ model, request }) => {
      const abort = new AbortController();
      const onProgress = ({ phase }: { readonly phase: string }): void => {
        if (phase === 'training') abort.abort();
      };
      const { signal } = abort;
      await assert.rejects(
        fineTune(model, request('m.safetensors', { signal, onProgress })),
        AbortedError,
      );
      const other = request('m.safetensors', { settings: { epochs: 9 } });
      await assert.rejects(fineTune(model, other), /state of another training/);
    }));

  it('says so when the loss breaks, leaves no model, and keeps the last good state', () =>
    withPlace(async ({ model, request, at }) => {
      // Each step makes the weights larger, until their products are infinite.
      const settings = { epochs: 50, learningRate: 0.5, warmup: 0, clip: 0, weightDecay: 1e6 };
      const broken = request('m.safetensors', { settings, saveSeconds: 0 });
      await assert.rejects(fineTune(model, broken), (error: unknown) => {
        assert.ok(error instanceof ModelError, String(error));
        const { what, where, got, expected } = error.detail;
        assert.match(what, /is not finite/);
        assert.match(where, /^training, (?:after )?step \d+/);
        assert.ok(got !== undefined && expected !== undefined);
        return true;
      });
      assert.ok(!existsSync(at('m.safetensors')));
      const state = await openCheckpoint(at('m.safetensors.training'));
      try {
        for (const name of state.tensors.keys())
          if (name.startsWith('value/'))
            assert.ok((await state.readFloat32(name)).every(Number.isFinite), name);
      } finally {
        await state.close();
      }
    }));

  it('names memory that runs out, and takes up the step before', () =>
    withPlace(async ({ model, request, at }) => {
      const whole = await fineTune(model, request('whole.safetensors'));
      const gradient = Object.getOwnPropertyDescriptor(LoadedModel.prototype, 'gradient')!
        .value as LoadedModel['gradient'];
      let calls = 0;
      LoadedModel.prototype.gradient = function (...inputs) {
        if (++calls === 7) throw new RangeError('the heap of backend wasm is out of memory');
        return gradient.apply(this, inputs);
      };
      try {
        await assert.rejects(fineTune(model, request('m.safetensors')), (error: unknown) => {
          assert.ok(error instanceof MemoryError, String(error));
          assert.match(
            error.message,
            /^training, step \d: out of memory; got \d+ sequences of \d+ tokens/,
          );
          assert.match(error.message, /--batch-tokens/);
          return true;
        });
      } finally {
        LoadedModel.prototype.gradient = gradient;
      }
      const { resumed, marks } = await fineTune(model, request('m.safetensors'));
      assert.ok(resumed);
      assert.deepEqual(marks, whole.marks);
      const files = await Promise.all(['whole', 'm'].map((n) => readFile(at(`${n}.safetensors`))));
      assert.ok(files[0].equals(files[1]));
    }));

  it('refuses a class without sentences, other labels, and to choose by what it trains on', () =>
    withPlace(async ({ model, request, at }) => {
      await writeFile(at('ones.tsv'), table(GOOD.map((sentence) => [sentence, 1] as const)));
      const ones = request('m.safetensors', { data: at('ones.tsv') });
      await assert.rejects(fineTune(model, ones), /a class has no sentences; got labels 1 alone/);
      await writeFile(at('two.tsv'), table([['a film', 2]]));
      await assert.rejects(
        fineTune(model, request('m.safetensors', { data: at('two.tsv') })),
        DataError,
      );
      const same = request('m.safetensors', { search: at('train.tsv') });
      await assert.rejects(fineTune(model, same), /chosen on the data that is trained on/);
    }));
});
