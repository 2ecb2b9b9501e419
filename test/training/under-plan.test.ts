import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../src/backend/start.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import {
  fineTune as fineTuneFile,
  type FineTuned,
  type FineTuneRequest,
} from '../../src/experiment/training/train-run.js';
import type { Loss, Teacher } from '../../src/model/family.js';
import type { LoadedModel } from '../../src/model/loaded-model.js';
import { resolvePlan, uniformPlan, withUnit } from '../../src/quant/plan.js';
import { fakeQuantize } from '../../src/quant/quantizer/quantize.js';
import { QUANTIZERS } from '../../src/quant/quantizers.js';
import { affineMinMax, SIGN } from '../../src/quant/scheme/scheme.js';
import { AdamW, DEFAULT_ADAMW, rateAt, updateParameter } from '../../src/training/adamw.js';
import { fineTune, startOfTraining } from '../../src/training/fine-tune.js';
import { StraightThrough } from '../../src/training/straight-through.js';
import { AbortedError, DataError, QuantError, UsageError } from '../../src/util/errors.js';
import { runCli } from '../cli/support/run.js';
import { json, TOKENIZER } from '../cli/support/study.js';
import { inFolder, toySentences, toyText } from '../experiment/study-support.js';
import { saveToy } from '../experiment/support.js';
import { SpikeGPT, type ModelConfig } from '../support/spikegpt.js';
import { toyCheckpoint } from '../support/toy.js';

const SETTINGS = {
  ...DEFAULT_ADAMW,
  ...{
    learningRate: 0.01,
    warmup: 2,
    epochs: 1,
    dropout: 0,
    seed: 1,
    pull: 0,
    measureEvery: 100,
    shares: 1,
  },
};

const lengthsOf = (gradients: ReadonlyMap<string, Float32Array>): number[] =>
  [...gradients.values()].map((gradient) => Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)));

async function withModels(
  config: Partial<ModelConfig>,
  count: number,
  work: (models: LoadedModel[], checkpoint: ReturnType<typeof toyCheckpoint>) => Promise<void>,
): Promise<void> {
  const checkpoint = toyCheckpoint({ layers: 2, ...config });
  const models: LoadedModel[] = [];
  try {
    for (let i = 0; i < count; i++) models.push(await SpikeGPT.load(checkpoint));
    await work(models, checkpoint);
  } finally {
    for (const model of models) model.dispose();
  }
}

describe('straight-through estimator', () => {
  before(() => startBackend('cpu'));
  after(() => startBackend('wasm'));

  const parameters = [{ name: 'w', shape: [2, 3] }] as never;
  const masters = Float32Array.of(-0.7, -0.1, 0.02, 0.3, 0.9, 1.6);

  it('sees what the quantizer makes of the masters, and the masters where the plan is silent', () => {
    const scheme = affineMinMax(2);
    const through = new StraightThrough(new Map([['w', scheme]]), { parameters });
    assert.deepEqual(through.seen('w', masters), fakeQuantize(masters, [2, 3], scheme));
    assert.deepEqual(through.atThreshold('w', masters), through.seen('w', masters));
    assert.notDeepEqual(through.seen('w', masters), masters);
    assert.equal(through.seen('other', masters), masters);
  });

  it("takes a spike embedding's surrogate at the masters where a plan keeps signs alone", () => {
    const through = new StraightThrough(new Map([['w', SIGN]]), { parameters });
    assert.deepEqual([...through.seen('w', masters)], [-1, -1, 1, 1, 1, 1]);
    assert.equal(through.atThreshold('w', masters), masters);
  });

  for (const embedding of ['min-max', 'sign'] as const)
    it(`steps the masters along the gradient at the rounded weights, embedding by ${embedding}`, () =>
      withModels({}, 2, async ([trained, rounded], checkpoint) => {
        const { hierarchy, layout } = trained.description;
        const uniform = uniformPlan(3);
        const plan = resolvePlan(
          embedding === 'sign' ? withUnit(uniform, 'input', SIGN) : uniform,
          hierarchy,
        );
        const train = toySentences(8);
        const values = new Map<string, Float32Array>();
        for (const { name } of layout.parameters.filter(({ unused }) => unused !== true))
          values.set(name, await checkpoint.readFloat32(name));
        // By hand: weights rounded, a gradient there, a step of the values that were rounded.
        const expected = new Map([...values].map(([name, array]) => [name, array.slice()]));
        for (const [name, scheme] of plan) {
          const shape = checkpoint.tensors.get(name)!.shape;
          rounded.setParameter(name, fakeQuantize(values.get(name)!, shape, scheme));
        }
        const order = await fineTune(
          ...([trained, train, toySentences(8, 9), SETTINGS] as const),
          startOfTraining(values, SETTINGS),
          { through: new StraightThrough(plan, layout), afterStep: () => false },
        );
        const candidates: number[] = [];
        for (const index of train.batches.keys()) {
          const loss = train.lossOf!(index);
          const count = loss.weights.reduce((sum, weight) => sum + weight, 0);
          const { gradients } = await rounded.gradient(
            train.batches[index].inputs,
            { ...loss, weights: loss.weights.map((weight) => weight / count) },
            {
              valuesOf: (name) => {
                const shape = checkpoint.tensors.get(name)!.shape;
                const scheme = plan.get(name)!;
                return scheme.method === 'sign'
                  ? values.get(name)!
                  : fakeQuantize(values.get(name)!, shape, scheme);
              },
            },
          );
          const moved = new Map([...expected].map(([name, array]) => [name, array.slice()]));
          const vectors = new Set(
            layout.parameters.filter(({ role }) => role === 'vector').map(({ name }) => name),
          );
          const rate = rateAt(1, train.batches.length, SETTINGS);
          const adam = new AdamW(SETTINGS);
          const numbers = adam.numbersOf(1, rate, Math.hypot(...lengthsOf(gradients)));
          for (const [name, gradient] of gradients)
            updateParameter(
              ...([moved.get(name)!, gradient] as const),
              ...([adam.momentsOf(name, gradient.length), numbers, !vectors.has(name)] as const),
            );
          let distance = 0;
          for (const [name, array] of moved)
            array.forEach((value, at) => {
              distance = Math.max(distance, Math.abs(value - order.values.get(name)![at]));
            });
          candidates.push(distance);
        }
        // One of the batches was the first.
        assert.ok(Math.min(...candidates) < 1e-6, candidates.join(', '));
        assert.equal(order.step, 1);
      }));
});

describe('distillation', () => {
  before(() => startBackend('cpu'));
  after(() => startBackend('wasm'));

  /** The whole loss of a model beside a teacher. */
  async function lossOf(
    model: LoadedModel,
    tokens: Parameters<LoadedModel['gradient']>[0],
    loss: Loss,
    teacher: Teacher,
  ): Promise<number> {
    const { nll, divergence } = await model.gradient(tokens, loss, { teacher });
    const { weight } = teacher;
    return nll.reduce(
      (sum, value, at) =>
        sum + loss.weights[at] * ((1 - weight) * value + weight * divergence![at]),
      0,
    );
  }

  for (const [kind, name] of [
    ['sentences', 'classifier.weight'],
    ['text', 'head.weight'],
  ] as const)
    it(`of ${kind} has the gradient that differences have`, () =>
      withModels(kind === 'text' ? { classes: 0 } : {}, 2, async ([model, other], checkpoint) => {
        const task = kind === 'text' ? toyText(32) : toySentences(4);
        const [{ inputs }, loss] = [task.batches[0], task.lossOf!(0)];
        const teacher = { network: other.network, weight: 0.7, temperature: 3 };
        // A student that differs: its last spikes and what follows them.
        const values = (await checkpoint.readFloat32(name)).map((value) => value * 0.5);
        model.setParameter(name, values);
        const { gradients } = await model.gradient(inputs, loss, { teacher });
        const gradient = gradients.get(name)!;
        // Through no spike: a central difference along the gradient itself tells its length.
        const length = Math.hypot(...gradient);
        const step = 0.02;
        const losses: number[] = [];
        for (const sign of [1, -1]) {
          model.setParameter(
            name,
            values.map((value, at) => value + (sign * step * gradient[at]) / length),
          );
          losses.push(await lossOf(model, inputs, loss, teacher));
        }
        const found = (losses[0] - losses[1]) / (2 * step);
        assert.ok(length > 0.1, String(length));
        assert.ok(Math.abs(found - length) < 2e-3 * length, `${found} against ${length}`);
        // Of its own copy nothing is to be learnt: what is left is the likelihood's share.
        const own = { ...teacher, network: model.network };
        const alone = (await model.gradient(inputs, loss)).gradients.get(name)!;
        const same = (await model.gradient(inputs, loss, { teacher: own })).gradients.get(name)!;
        same.forEach((value, at) => {
          assert.ok(Math.abs(value - 0.3 * alone[at]) < 1e-5 * length);
        });
      }));

  it('brings a quantized model closer to a teacher that stays as it is', () =>
    withModels({}, 2, async ([model, other], checkpoint) => {
      const { hierarchy, layout } = model.description;
      const plan = resolvePlan(uniformPlan(3), hierarchy);
      const values = new Map<string, Float32Array>();
      for (const { name, unused } of layout.parameters)
        if (unused !== true) values.set(name, await checkpoint.readFloat32(name));
      const [train, search] = [toySentences(60), toySentences(10, 9)];
      const { inputs, lengths } = train.batches[0];
      const before = await other.classLogits(inputs, lengths, 'real-tokens');
      const through = new StraightThrough(plan, layout);
      const teacher = { network: other.network, weight: 1, temperature: 1 };
      const total = async (state: ReadonlyMap<string, Float32Array>): Promise<number> => {
        for (const [name, array] of state) model.setParameter(name, through.seen(name, array));
        let sum = 0;
        for (const index of train.batches.keys())
          sum += await lossOf(model, train.batches[index].inputs, train.lossOf!(index), teacher);
        return sum;
      };
      const [first, settings] = [await total(values), { ...SETTINGS, epochs: 3 }];
      const { values: last } = await fineTune(
        ...([model, train, search, settings, startOfTraining(values, settings)] as const),
        { through, teacher },
      );
      const distance = await total(last);
      assert.ok(distance < 0.8 * first, `${first} before, ${distance} after`);
      assert.deepEqual(await other.classLogits(inputs, lengths, 'real-tokens'), before);
    }));
});

describe('fine-tuning under a plan', () => {
  interface Place {
    readonly model: string;
    readonly at: (name: string) => string;
    readonly request: (name: string, change?: Partial<FineTuneRequest>) => FineTuneRequest;
  }

  function withPlace(
    kind: 'sst2' | 'wikitext2',
    work: (place: Place) => Promise<void>,
  ): Promise<void> {
    return inFolder(async (folder) => {
      const at = (name: string): string => join(folder, name);
      const model = await saveToy(at('toy.safetensors'), {
        ...{ vocabSize: 4096, layers: 1, contextLength: 16 },
        ...(kind === 'sst2' ? { head: false } : { classes: 0, head: true }),
      });
      const [train, search] =
        kind === 'sst2' ? ['train.tsv', 'search.tsv'] : ['train.txt', 'search.txt'];
      const sentences = (from: number): string[] =>
        Array.from({ length: 10 }, (_, i) =>
          i % 2 === 0 ? `a great film number ${i + from}` : `a dull mess number ${i + from}`,
        );
      const write = (name: string, from: number): Promise<void> =>
        writeFile(
          at(name),
          kind === 'sst2'
            ? [
                'sentence\tlabel',
                ...sentences(from).map((text, i) => `${text}\t${1 - (i % 2)}`),
              ].join('\n')
            : sentences(from).join(' . '),
        );
      await write(train, 0);
      await write(search, 50);
      await writeFile(
        at('plan.json'),
        '{"format":"qslm-plan/1","units":{"*":4,"input":{"bits":1,"method":"sign"}}}',
      );
      const request = (name: string, change: Partial<FineTuneRequest> = {}): FineTuneRequest => ({
        ...{
          task: kind,
          backend: 'cpu',
          model: { tokenizer: TOKENIZER },
          batchTokens: 32,
          workers: 0,
        },
        ...{ data: at(train), search: at(search), out: at(name), plan: at('plan.json') },
        distill: kind === 'sst2' ? { weight: 0.5 } : undefined,
        settings: { epochs: 2, learningRate: 0.01, warmup: 2, measureEvery: 3, dropout: 0.1 },
        ...change,
      });
      await work({ model, at, request });
    });
  }

  for (const [kind, file] of [
    ['sst2', 'search.tsv'],
    ['wikitext2', 'search.txt'],
  ] as const)
    it(`${kind}: quantized, the product has the metric that was told, bit for bit`, () =>
      withPlace(kind, async ({ model, at, request }) => {
        const { best, marks } = await fineTuneFile(model, request('out.safetensors'));
        assert.equal(marks[0].step, 0);
        assert.ok(Number.isNaN(marks[0].loss));
        assert.ok(marks.length > 2);
        const evaluated = async (path: string): Promise<unknown> => {
          const flags = ['--tokenizer', TOKENIZER, '--backend', 'cpu', '--quiet', '--json'];
          const argv = ['eval', path, '--task', kind, '--data', at(file), ...flags];
          const found = json(await runCli([...argv, '--plan', at('plan.json')]));
          return (found['quantized'] as { value: unknown }).value;
        };
        assert.equal(await evaluated(at('out.safetensors')), best.metric);
        // The first mark is post-training quantization.
        assert.equal(await evaluated(model), marks[0].metric);
        // Masters, not what they are rounded to: of a 4-bit matrix more than 16 values.
        const product = await openCheckpoint(at('out.safetensors'));
        const values = await product.readFloat32('blocks.0.att.key.weight');
        await product.close();
        assert.ok(new Set(values).size > 16);
      }));

  it('goes on bit for bit where it was interrupted, and not under another plan', () =>
    withPlace('sst2', async ({ model, at, request }) => {
      // In two threads, the rest in this one: that changes nothing.
      const whole = await fineTuneFile(model, request('whole.safetensors', { workers: 2 }));
      const interrupted = async (after: number): Promise<void> => {
        const abort = new AbortController();
        let steps = 0;
        const onProgress = ({ phase }: { readonly phase: string }): void => {
          if (phase === 'training' && ++steps === after) abort.abort();
        };
        const asked = request('part.safetensors', { signal: abort.signal, onProgress });
        await assert.rejects(fineTuneFile(model, asked), AbortedError);
      };
      await interrupted(2);
      await interrupted(1);
      const other = request('part.safetensors', { plan: uniformPlan(4) });
      await assert.rejects(fineTuneFile(model, other), (error: unknown) => {
        assert.ok(error instanceof DataError);
        assert.match(error.detail.what, /another plan/);
        assert.match(error.detail.got!, /^plan [0-9a-f]{16}$/);
        assert.match(error.detail.expected!, /^plan [0-9a-f]{16}, or another output$/);
        return true;
      });
      await assert.rejects(
        fineTuneFile(model, request('part.safetensors', { plan: undefined })),
        /expected no plan, or another output/,
      );
      const part: FineTuned = await fineTuneFile(model, request('part.safetensors'));
      assert.ok(part.resumed);
      assert.deepEqual(part.marks, whole.marks);
      const [one, two] = await Promise.all(
        ['whole', 'part'].map((name) => readFile(at(`${name}.safetensors`))),
      );
      assert.ok(one.equals(two));
    }));

  it('refuses plans that do not fit or quantize nothing, and a teacher that knows nothing', () =>
    withPlace('wikitext2', async ({ model, at, request }) => {
      const refused = (change: Partial<FineTuneRequest>): Promise<FineTuned> =>
        fineTuneFile(model, request('out.safetensors', change));
      await assert.rejects(refused({ plan: uniformPlan(32) }), (error: unknown) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, /^plan: the plan quantizes nothing .*; got .*; expected /);
        return true;
      });
      const surplus = withUnit(uniformPlan(4), 'attention.7', affineMinMax(3));
      await assert.rejects(refused({ plan: surplus }), (error: unknown) => {
        assert.ok(error instanceof QuantError);
        assert.match(error.message, /unknown unit; got attention\.7; expected /);
        return true;
      });
      await assert.rejects(
        refused({ plan: uniformPlan(4, QUANTIZERS.gptq) }),
        /^UsageError: plan, tensor \S+: a calibration sample decides on integers.*; got gptq; expected /,
      );
      await writeFile(at('sst2.tsv'), 'sentence\tlabel\na film\t1\na mess\t0');
      await writeFile(at('other.tsv'), 'sentence\tlabel\none film\t1\none mess\t0');
      const classes = { task: 'sst2', data: at('sst2.tsv'), search: at('other.tsv') } as const;
      await assert.rejects(
        refused({ ...classes, distill: {} }),
        /distill: there is nothing to learn from the unquantized model; got a model without a classifier/,
      );
      await assert.rejects(
        refused({ distill: { weight: 0 } }),
        /distill: not a usable number; got 0/,
      );
      await assert.rejects(refused({ distill: { temperature: 0 } }), /temperature: .*; got 0;/);
    }));
});
