import assert from 'node:assert/strict';
import { startBackend } from '../../../src/backend/start.js';
import { ObservedEvaluate } from '../../../src/experiment/observe/observed-evaluate.js';
import type { Study } from '../../../src/experiment/open/study.js';
import { Evaluator } from '../../../src/experiment/scoring/evaluator.js';
import type { EvaluatorOptions } from '../../../src/experiment/scoring/options.js';
import type { PoolScores } from '../../../src/experiment/scoring/scorer-pool.js';
import { SharedPool } from '../../../src/experiment/scoring/shared-pool.js';
import type { EvaluationContext } from '../../../src/search/evaluation.js';
import { Assignment } from '../../../src/search/space.js';
import { memoryStore, type MeasurementStore } from '../../../src/store/index.js';
import { ModelError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy } from '../study-support.js';

/** A pool in which everything fails. */
class FailingPool extends SharedPool {
  asked = 0;

  constructor(private readonly error: Error) {
    super({} as ConstructorParameters<typeof SharedPool>[0]);
  }

  override score(): Promise<PoolScores> {
    this.asked++;
    return Promise.reject(this.error);
  }
}

const broken = new ModelError({ what: 'class logit is not a finite number', where: 'sentence 3' });
const LOW = Assignment.of({ 'input/embedding': 2, 'attention.0/SRFFN': 2 });

describe('experiment/evaluator, what it remembers', () => {
  before(() => startBackend('cpu'));

  function withStudy(
    work: (
      study: Study,
      evaluatorOf: (more: Partial<EvaluatorOptions>) => Evaluator,
    ) => Promise<void>,
  ): Promise<void> {
    return inFolder(async (folder) => {
      const study = await toyStudy(folder, { judged: false });
      const { file, search } = study.options;
      try {
        await work(study, (more) =>
          Evaluator.open({
            checkpoint: file.checkpoint.path,
            checkpointHash: study.sha256,
            model: file,
            backend: 'cpu',
            task: search.task,
            split: 'search',
            store: study.store,
            accelerations: { workers: 0 },
            ...more,
          }),
        );
      } finally {
        await closeStudy(study);
      }
    });
  }

  const asking = (change: Partial<EvaluationContext> = {}): EvaluationContext => ({
    need: 'verdict',
    limit: { metric: 'accuracy', baseline: 0.9, allowedLoss: 0.02 },
    ...change,
  });

  it('answers from the store what another evaluator was certain of', () =>
    withStudy(async (study, evaluatorOf) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const first = await study.evaluator.evaluateIn(space)(LOW, asking());
      assert.ok(first.kind === 'verdict' && !first.passes);
      // A pool that fails shows that nothing is measured.
      const pool = new FailingPool(new Error('measured again'));
      const other = evaluatorOf({ pool });
      assert.deepEqual(await other.evaluateIn(space)(LOW, asking()), first);
      assert.equal(other.report().remembered, 1);
      const refused = [
        asking({ need: 'exact' }),
        asking({ limit: { metric: 'accuracy', baseline: 0.9, allowedLoss: 0.03 } }),
      ];
      for (const context of refused)
        await assert.rejects(other.evaluateIn(space)(LOW, context), /measured again/);
      const forgetful = evaluatorOf({ pool, accelerations: { memo: false } });
      await assert.rejects(forgetful.evaluateIn(space)(LOW, asking()), /measured again/);
    }));

  it('does not take a pass for a metric', () =>
    withStudy(async (study) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const evaluate = study.evaluator.evaluateIn(space);
      const limit = { metric: 'accuracy', baseline: 0.9, allowedLoss: 0.6 } as const;
      const passed = await evaluate(LOW, asking({ limit }));
      assert.ok(passed.kind === 'verdict' && passed.passes);
      const exact = await evaluate(LOW, asking({ limit, need: 'exact-if-passes' }));
      assert.equal(exact.kind, 'exact');
    }));

  it('without a limit passes everything, and remembers it', () =>
    withStudy(async (study, evaluatorOf) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const limit = { metric: 'accuracy', baseline: 0.9, allowedLoss: Infinity } as const;
      const first = await study.evaluator.evaluateIn(space)(LOW, asking({ limit }));
      const other = evaluatorOf({ pool: new FailingPool(new Error('measured again')) });
      assert.deepEqual(await other.evaluateIn(space)(LOW, asking({ limit })), first);
    }));

  it('calls the metric of a plan that breaks the model NaN, and remembers it under any limit', () =>
    withStudy(async (study, evaluatorOf) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const pool = new FailingPool(broken);
      const evaluate = evaluatorOf({ pool }).evaluateIn(space);
      const nan = { kind: 'exact', metric: NaN };
      assert.deepEqual(await evaluate(LOW, asking()), nan);
      assert.deepEqual(await evaluate(LOW, asking({ need: 'exact' })), nan);
      const limit = { metric: 'accuracy', baseline: 0.5, allowedLoss: 1 } as const;
      assert.deepEqual(await evaluate(LOW, asking({ limit })), nan);
      assert.equal(pool.asked, 1);
      await assert.rejects(evaluate(Assignment.unquantized, { need: 'exact' }), ModelError);
    }));

  it('passes other errors on, and forgets them', () =>
    withStudy(async (study, evaluatorOf) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const store: MeasurementStore = memoryStore();
      const failing = evaluatorOf({ pool: new FailingPool(new Error('no GPU')), store });
      await assert.rejects(failing.evaluateIn(space)(LOW, asking()), /no GPU/);
      const working = evaluatorOf({ store });
      const found = await working.evaluateIn(space)(LOW, asking({ need: 'exact' }));
      await working.close();
      assert.ok(found.kind === 'exact' && found.metric > 0);
      assert.ok(found.extras!.low < found.metric && found.metric < found.extras!.high);
    }));

  it('keeps observables beside the measurement, each definition for itself', () =>
    withStudy(async (study) => {
      const space = study.space({ granularity: 'module', quantizer: 'min-max' });
      const look = async (
        limits?: ConstructorParameters<typeof ObservedEvaluate>[2],
      ): Promise<Readonly<Record<string, number>>> => {
        const watched = new ObservedEvaluate(study, space, limits);
        const found = await watched.evaluate(LOW, { need: 'exact' });
        await watched.close();
        assert.ok(found.kind === 'exact');
        return found.extras!;
      };
      const whole = await look();
      assert.ok(whole.klDivergence > 0 && whole.flipRate > 0 && whole.sqnr > 0);
      const few = await look({ sentences: 5, windows: 1, positions: 1, logitBytes: 1 });
      assert.notEqual(few.flipRate, whole.flipRate);
      assert.equal(few.sqnr, whole.sqnr);
      assert.deepEqual(await look(), whole);
      const [stored] = study.store.list();
      assert.equal(Object.keys(stored.extras!).length, 7, 'the drift is of its own items');
    }));
});
