import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import type { SequenceModel } from '../../../src/model/types.js';
import { taskOfParquet, taskOfTsv } from '../../../src/tasks/glue/recognise.js';
import { glueTask } from '../../../src/tasks/glue/task.js';
import { parseGlueTsv, readGlueParquet, readGlueTsv } from '../../../src/tasks/glue/tsv.js';
import { taskFromParts } from '../../../src/tasks/kinds.js';
import {
  confusionOf,
  confusionValue,
  f1Of,
  F1,
  MATTHEWS,
  matthewsOf,
  type ConfusionMeasurement,
} from '../../../src/tasks/metrics/confusion.js';
import { comparePaired } from '../../../src/tasks/metrics/metrics.js';
import { pairedLoss } from '../../../src/tasks/metrics/paired.js';
import { DataError, ModelError } from '../../../src/util/errors.js';
import { packagePath } from '../../../src/util/paths.js';
import { seededRandom } from '../../../src/util/random.js';
import { temporaryFolder } from '../../checkpoint/support/temporary.js';
import { runCli } from '../../cli/support/run.js';
import { FAMILY_TOYS, resized, saveFamilyToy } from '../../families/toys.js';

/** Words as their lengths; [CLS] 101, [SEP] 102. */
const FORM = {
  tokenizer: {
    encode: (text: string) => Int32Array.from(text.split(' '), (word) => word.length),
  },
  ...{ before: [101], after: [102], most: undefined, paddingId: 0, batchTokens: 40 },
  ...{ source: 'here', pooling: 'first-token' as const },
};

/** Gives class 1 the sum of the tokens of the second segment, class 0 half of all. */
const MODEL: SequenceModel = {
  ...{ vocabSize: 103, contextLength: 64, classes: 2 },
  tokenNll: () => Promise.reject(new Error('none')),
  classLogits: ({ ids, types, time, batch }) => {
    const logits = new Float32Array(2 * batch);
    ids.forEach((id, at) => {
      const row = Math.floor(at / time);
      if (id === 0 || id > 100) return;
      logits[2 * row] += id / 2;
      if (types![at] === 1) logits[2 * row + 1] += id;
    });
    return Promise.resolve(logits);
  },
};

const measured = (
  metric: 'f1' | 'matthews',
  predicted: readonly number[],
  labels: readonly number[],
): ConfusionMeasurement => ({
  ...{ metric, predicted, labels, taskId: 'one', items: labels.length, tokens: 1, seconds: 0 },
  ...confusionValue({ metric, predicted, labels }),
});

describe('tasks/glue: parquet', () => {
  const fixture = (name: string): string => packagePath('test', 'fixtures', 'parquet', name);
  const at = temporaryFolder();

  // Written by pyarrow with test/hub/support/write_parquet.py from the TSV files beside them.
  for (const name of ['mrpc', 'qnli', 'mnli'] as const)
    it(`gives the items of ${name} that the TSV gives`, async () => {
      const items = await readGlueParquet(name, fixture(`${name}.parquet`));
      assert.deepEqual(items, await readGlueTsv(name, fixture(`${name}.tsv`)));
      assert.ok(items.length > 1);
    });

  it('is not taken for another task by its columns', async () => {
    assert.equal(await taskOfParquet(fixture('qnli.parquet')), 'qnli');
    assert.equal(await taskOfParquet(fixture('mnli.parquet')), 'mnli');
    await assert.rejects(taskOfParquet(fixture('mrpc.parquet')), /`task` mrpc or rte/);
  });

  it('is told from tasks of the same columns by the names of its classes', async () => {
    assert.equal(await taskOfParquet(fixture('sentences.parquet')), 'sst2');
    // Its name says nothing; the classes that the data sets library wrote do.
    assert.equal(await taskOfParquet(fixture('acceptable.parquet')), 'cola');
    assert.equal(await taskOfParquet(fixture('equivalent.parquet')), 'mrpc');
    assert.equal(await taskOfParquet(fixture('entailment.parquet')), 'rte');
  });

  it('is refused where only its name says CoLA', async () => {
    const folder = at('CoLA');
    await mkdir(folder);
    await copyFile(fixture('nameless.parquet'), `${folder}/dev.parquet`);
    await assert.rejects(
      taskOfParquet(`${folder}/dev.parquet`),
      /dev\.parquet: the columns are those of more than one task; got columns sentence, label; expected `task` cola or sst2/,
    );
    // Classes go before names.
    await copyFile(fixture('sentences.parquet'), `${folder}/films.parquet`);
    assert.equal(await taskOfParquet(`${folder}/films.parquet`), 'sst2');
    await copyFile(fixture('nameless.parquet'), at('chocolate.parquet'));
    assert.equal(await taskOfParquet(at('chocolate.parquet')), 'sst2');
  });

  it('refuses columns of another task, and labels that are kept back', async () => {
    await assert.rejects(
      readGlueParquet('mnli', fixture('mrpc.parquet')),
      /columns are missing; got columns sentence1, sentence2, label; expected the columns premise and hypothesis and label/,
    );
    await assert.rejects(
      readGlueParquet('mrpc', fixture('hidden.parquet')),
      /row 1: wrong label; got −1, as where labels are kept back; expected 0 to 1/,
    );
  });
});

describe('tasks/glue: columns', () => {
  const at = temporaryFolder();

  for (const [task, title, text] of [
    ['sst2', "SST-2's", 'sentence\tlabel\nfine film \t1\n'],
    ['cola', "CoLA's own, without a header", 'gj04\t1\t\tThey sang.\nr-67\t0\t*\tThey is.\n'],
    ['qnli', "QNLI's", 'index\tquestion\tsentence\tlabel\n0\tWho ?\tHe .\tentailment\n'],
    ['mrpc', "MRPC's own", 'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\ta\tb\n'],
    ['rte', "RTE's, by its labels", 'index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n'],
    ['mnli', "MNLI's own", 'index\tsentence1\tsentence2\tgold_label\n0\tp\th\tneutral\n'],
    ['mnli', "MNLI's of later releases", 'premise\thypothesis\tlabel\np\th\t1\n'],
    ['sst2', 'no one knows whose', 'text\tscore\nfine\t1\n'],
  ] as const)
    it(`tell the task of a TSV: ${title}`, async () => {
      await writeFile(at('data.tsv'), text);
      assert.equal(await taskOfTsv(at('data.tsv')), task);
    });

  it('of two tasks at once are refused: the task has to be named', async () => {
    await writeFile(at('data.tsv'), 'sentence1\tsentence2\tlabel\na\tb\t0\n');
    await assert.rejects(taskOfTsv(at('data.tsv')), /data\.tsv: the columns.*`task` mrpc or rte/);
    await writeFile(at('cola-dev.tsv'), 'sentence\tlabel\nThey sang.\t1\n');
    await assert.rejects(
      taskOfTsv(at('cola-dev.tsv')),
      (error: Error) =>
        error instanceof DataError &&
        /cola-dev\.tsv: .* got columns sentence, label; expected `task` cola or sst2/.test(
          error.message,
        ),
    );
  });

  it("are those of GLUE's own files, and of later releases", () => {
    const mrpc =
      'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\ta "b\tc d\r\n0\t9\t9\te\tf\n\n';
    assert.deepEqual(parseGlueTsv('mrpc', mrpc, 'x'), [
      { sentences: ['a "b', 'c d'], label: 1 },
      { sentences: ['e', 'f'], label: 0 },
    ]);
    const qnli = 'index\tquestion\tsentence\tlabel\n0\tWho ?\tHe .\tnot_entailment\n';
    assert.deepEqual(parseGlueTsv('qnli', qnli, 'x'), [{ sentences: ['Who ?', 'He .'], label: 1 }]);
    const rte = 'sentence1\tsentence2\tlabel\na\tb\t0\n';
    assert.deepEqual(parseGlueTsv('rte', rte, 'x'), [{ sentences: ['a', 'b'], label: 0 }]);
    const cola = 'gj04\t1\t\tThey sang.\nr-67\t0\t*\tThey is.\n';
    assert.deepEqual(parseGlueTsv('cola', cola, 'x'), [
      { sentences: ['They sang.'], label: 1 },
      { sentences: ['They is.'], label: 0 },
    ]);
    const mnli =
      'index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tp\th\tneutral\tcontradiction\n';
    assert.deepEqual(parseGlueTsv('mnli', mnli, 'x'), [{ sentences: ['p', 'h'], label: 2 }]);
  });

  for (const [title, name, text, message] of [
    [
      'other columns',
      'rte',
      'text\tlabel\na\t1\n',
      /x line 1: not the columns of RTE; got .*; expected "sentence1"/,
    ],
    [
      'a label it does not have',
      'rte',
      'sentence1\tsentence2\tlabel\na\tb\t2\n',
      /x line 2: wrong label; got "2"; expected entailment/,
    ],
    [
      'an empty sentence',
      'mrpc',
      'sentence1\tsentence2\tlabel\na\t \t1\n',
      /x line 2: empty sentence; got " "/,
    ],
    [
      'a missing column',
      'mrpc',
      'label\tsentence1\tsentence2\n1\ta\n',
      /x line 2: missing column; got too few/,
    ],
    [
      'nothing after the header',
      'qnli',
      'question\tsentence\tlabel\n',
      /x: no sentences; got .*; expected/,
    ],
  ] as const)
    it(`are refused for ${title}`, () => {
      assert.throws(
        () => parseGlueTsv(name, text, 'x'),
        (error: Error) => error instanceof DataError && message.test(error.message),
      );
    });
});

describe('tasks/glue: pairs', () => {
  const examples = [
    { sentences: ['a bb', 'cccc'], label: 1 },
    { sentences: ['aaaa bbb', 'c'], label: 1 },
    { sentences: ['a', 'bb ccc d'], label: 0 },
  ];

  it('are one sequence of two segments, with special tokens', async () => {
    const task = glueTask({ ...FORM, name: 'mrpc', examples });
    const [{ inputs, lengths, indices }] = task.batches;
    const place = indices.indexOf(0);
    const row = Array.from(inputs.ids.slice(place * inputs.time, (place + 1) * inputs.time));
    assert.deepEqual(row.slice(0, lengths[place]), [101, 1, 2, 102, 4, 102]);
    const types = Array.from(inputs.types!.slice(place * inputs.time, (place + 1) * inputs.time));
    assert.deepEqual(types.slice(0, 6), [0, 0, 0, 0, 1, 1]);
    assert.ok(types.slice(lengths[place]).every((type) => type === 0));
    const measurement = (await task.evaluate(MODEL)) as ConfusionMeasurement;
    assert.deepEqual(measurement.predicted, [1, 0, 1]);
    // One right of two positive, one wrong: 2 / (2 + 1 + 1).
    assert.equal(measurement.value, 0.5);
    assert.deepEqual(await again(task), { ...measurement, seconds: 0 });
  });

  const again = async (task: ReturnType<typeof glueTask>) => ({
    ...(await taskFromParts(structuredClone(task.parts)).evaluate(MODEL)),
    seconds: 0,
  });

  it('are cut where they are too long, the longer sentence first', () => {
    const long = [{ sentences: ['a bb ccc', 'd ee'], label: 1 }];
    const task = glueTask({ ...FORM, name: 'mrpc', most: 6, examples: long });
    assert.deepEqual(Array.from(task.batches[0].inputs.ids), [101, 1, 2, 102, 1, 102]);
    assert.ok(task.describe().some(([name, text]) => name === 'cut short' && text.includes('1')));
    assert.throws(() => glueTask({ ...FORM, name: 'mrpc', most: 4, examples: long }), DataError);
    assert.notEqual(task.id, glueTask({ ...FORM, name: 'mrpc', examples: long }).id);
  });

  it('have the metric of the benchmark, and its classes', async () => {
    const metrics = (['mrpc', 'qnli', 'rte', 'cola', 'mnli'] as const).map(
      (name) => glueTask({ ...FORM, name, examples }).metric,
    );
    assert.deepEqual(metrics, ['f1', 'accuracy', 'accuracy', 'matthews', 'accuracy']);
    const accuracy = await glueTask({ ...FORM, name: 'rte', examples }).evaluate(MODEL);
    assert.ok(accuracy.metric === 'accuracy');
    assert.deepEqual(accuracy.correct, [1, 0, 0]);
    await assert.rejects(
      glueTask({ ...FORM, name: 'mnli', examples }).evaluate(MODEL),
      (error: Error) =>
        error instanceof ModelError &&
        /MNLI .*wrong number of classes; got 2 classes; expected/.test(error.message),
    );
  });
});

describe('tasks/metrics: F1 and Matthews correlation', () => {
  it('are the formulas', () => {
    // TP 3, FP 1, FN 2, TN 4.
    const predicted = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
    const labels = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
    const confusion = confusionOf({ predicted, labels });
    assert.deepEqual(Object.values(confusion), [3, 1, 2, 4]);
    assert.equal(f1Of(confusion), 6 / 9);
    assert.ok(Math.abs(matthewsOf(confusion) - 10 / Math.sqrt(4 * 5 * 5 * 6)) < 1e-15);
    assert.equal(matthewsOf(confusionOf({ predicted: [1, 1], labels: [1, 0] })), 0);
    assert.equal(f1Of(confusionOf({ predicted: [0, 0], labels: [0, 0] })), 0);
    assert.equal(matthewsOf(confusionOf({ predicted: [1, 0], labels: [0, 1] })), -1);
  });

  /** Answers of which a share is right. */
  const answers = (items: number, right: number, seed: number): [number[], number[]] => {
    const random = seededRandom(seed);
    const labels = Array.from({ length: items }, () => random.integer(0, 1));
    return [labels.map((label) => (random.float() < right ? label : 1 - label)), labels];
  };

  for (const [metric, kind] of [
    ['f1', F1],
    ['matthews', MATTHEWS],
  ] as const)
    it(`${metric} has an interval by resampling, about as wide as its items' influences say`, () => {
      const [predicted, labels] = answers(400, 0.8, 3);
      const measurement = measured(metric, predicted, labels);
      const { low, high } = measurement.interval;
      assert.ok(low < measurement.value && measurement.value < high);
      const influences = kind.influences(measurement);
      assert.ok(Math.abs(influences.reduce((sum, one) => sum + one, 0)) < 1e-9);
      const error = Math.sqrt(influences.reduce((sum, one) => sum + one * one, 0));
      const width = (high - low) / (2 * 1.96 * error);
      assert.ok(width > 0.9 && width < 1.1, String(width));
      const packed = kind.pack(measurement);
      assert.deepEqual(
        kind.unpack(JSON.parse(JSON.stringify(packed.record)) as object, packed.items),
        measurement,
      );
    });

  it('compare the same sentences: nothing between equals, a clear loss where there is one', () => {
    const [predicted, labels] = answers(400, 0.8, 3);
    const one = measured('f1', predicted, labels);
    const same = comparePaired(one, one);
    assert.ok(same.metric === 'f1');
    assert.deepEqual([same.difference, same.interval.low, same.interval.high], [0, 0, 0]);
    const worse = measured(
      'f1',
      predicted.map((given, at) => (at % 5 === 0 ? 1 - given : given)),
      labels,
    );
    const lost = comparePaired(one, worse);
    assert.ok(lost.metric === 'f1' && lost.interval.high < 0 && lost.difference < 0);
    const { loss, standardError } = pairedLoss(one, worse);
    assert.equal(loss, one.value - worse.value);
    const halfWidth = (lost.interval.high - lost.interval.low) / 2;
    assert.ok(Math.abs(halfWidth / (1.96 * standardError!) - 1) < 0.15);
  });

  it('are certain of nothing before the end', () => {
    const whole = { items: 9, tokens: 9 };
    assert.deepEqual(MATTHEWS.range({ items: 8, sum: 0 }, whole), { best: 1, worst: -1 });
    assert.deepEqual(F1.range({ items: 8, sum: 0 }, whole), { best: 1, worst: 0 });
  });
});

describe('tasks/glue on the command line', function () {
  this.timeout(60_000);
  const at = temporaryFolder();

  it('measures pairs with a spiking BERT, searches by F1, and says where data is missing', async () => {
    const toy = FAMILY_TOYS.find(({ family }) => family.id === 'spikelm')!;
    const pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...Array.from('abcdefghij')];
    await mkdir(at('model'));
    const model = at('model/model.safetensors');
    await saveFamilyToy(model, resized(toy, { vocabSize: pieces.length }));
    await writeFile(at('model/vocab.txt'), pieces.join('\n'));
    const letters = (seed: number): string =>
      Array.from({ length: 2 }, (_, i) => pieces[4 + ((seed * 7 + i * 3) % 10)]).join(' ');
    const rows = Array.from({ length: 40 }, (_, i) => `${letters(i)}\t${letters(i + 3)}\t${i % 2}`);
    await writeFile(at('mrpc.tsv'), `sentence1\tsentence2\tlabel\n${rows.join('\n')}\n`);
    const flags = ['--backend', 'wasm', '--quiet', '--json'];
    const data = ['--task', 'mrpc', '--data', at('mrpc.tsv')];
    const evaluated = await runCli(['eval', model, ...data, ...flags]);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    assert.match(evaluated.stdout, /"f1"/);
    // Its columns are those of RTE too: with the task named nobody asks.
    const fixture = packagePath('test', 'fixtures', 'parquet', 'mrpc.parquet');
    const parquet = ['--task', 'mrpc', '--data', fixture];
    const columnar = await runCli(['eval', model, ...parquet, ...flags]);
    assert.equal(columnar.code, 0, columnar.stderr);
    assert.match(columnar.stdout, /"f1"/);
    const searched = await runCli([
      ...['search', model, ...data, ...flags, '--bits', '8,4', '--workers', '0'],
      ...['--max-loss', '90', '--max-memory', '60%', '--store', at('store.sqlite')],
      ...['--runs', at('runs')],
    ]);
    assert.equal(searched.code, 0, searched.stderr);
    assert.match(searched.stdout, /"f1"/);
    // CoLA's own columns, without the task: not SST-2's accuracy.
    await writeFile(at('dev.tsv'), 'gj04\t1\t\ta b\nr-67\t0\t*\tc d\n');
    const own = await runCli(['eval', model, '--data', at('dev.tsv'), ...flags]);
    assert.equal(own.code, 0, own.stderr);
    assert.match(own.stdout, /"matthews"/);
    await writeFile(at('cola.tsv'), 'sentence\tlabel\na b\t1\n');
    const unnamed = await runCli(['eval', model, '--data', at('cola.tsv'), ...flags]);
    assert.notEqual(unnamed.code, 0);
    assert.match(unnamed.stderr, /cola\.tsv: .*more than one task.*expected --task cola or sst2/);
    const absent = await runCli(['eval', model, '--task', 'cola', ...flags]);
    assert.notEqual(absent.code, 0);
    assert.match(absent.stderr, /no bundled data of the task.*got cola.*expected/);
    const unpaired = await runCli(['eval', 'spikegpt-mini-sst2', ...data, ...flags]);
    assert.match(unpaired.stderr, /no token between two sentences.*mrpc/);
  });
});
