import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { startBackend } from '../../src/backend/start.js';
import { SampleCodes } from '../../src/experiment/calibrate/codes.js';
import { Study } from '../../src/experiment/open/study.js';
import { sensitivityOf } from '../../src/experiment/runs/sensitivity.js';
import type { PoolOpener } from '../../src/experiment/scoring/scorer-pool.js';
import { withCodes } from '../../src/quant/matrix-values.js';
import { resolvePlan } from '../../src/quant/plan.js';
import { quantizerPlan } from '../../src/quant/quantizers.js';
import { openQueue, type OpenQueueOptions } from '../../src/queue/open-queue.js';
import { QuantError, QueueError } from '../../src/util/errors.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { closeStudy, toyStudy, toyText } from '../experiment/study-support.js';
import { environment } from '../hub/support/home.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

describe('calibrated integers over a queue', function () {
  this.timeout(120_000);
  const redis = withRedis();
  const at = temporaryFolder();
  const set = environment();
  const workers: WorkerProcess[] = [];

  before(async () => {
    await startBackend('wasm');
    // What was calibrated is not below it.
    await mkdir(at('models'));
  });
  beforeEach(() => {
    set({ QSLM_HOME: at('home') });
  });
  afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.end())));

  async function start(home: string): Promise<void> {
    const { url, environment: password } = redis();
    const own = { ...password, QSLM_HOME: at(home) };
    workers.push(await WorkerProcess.start(url, at('models'), own));
  }

  /** Opened with a sample, or without one. */
  async function withStudy<T>(
    openPool: PoolOpener | undefined,
    work: (study: Study) => Promise<T>,
    isCalibrated = true,
  ): Promise<T> {
    const plain = await toyStudy(at('models'), { kind: 'wikitext2', judged: false });
    const { file } = plain.options;
    const codes = await SampleCodes.open(file, toyText(16 * 12, 9), 'wasm');
    const study = await Study.open({
      ...plain.options,
      backend: { name: 'wasm', description: 'wasm' },
      ...(isCalibrated && { file: { ...file, checkpoint: withCodes(file.checkpoint, codes) } }),
      ...(openPool && { openPool }),
    });
    try {
      return await work(study);
    } finally {
      await study.close();
      await closeStudy(plain);
    }
  }

  const measure = async (study: Study): Promise<unknown> => {
    const { hierarchy } = study.options.file;
    const plan = resolvePlan(quantizerPlan('gptq', 3, hierarchy), hierarchy);
    return { ...(await study.evaluator.measure(plan, 1)), seconds: 0 };
  };
  const over = (options?: OpenQueueOptions): PoolOpener => openQueue(redis().url, options).openPool;

  it('give the bits of this process, in sweeps that look inside too', async () => {
    await Promise.all([start('home'), start('home')]);
    const settings = {
      bits: [3],
      levels: ['block'],
      quantizer: 'gptq',
      observables: true,
    } as const;
    const sweep = async (study: Study): Promise<object> => {
      const { rows } = (await sensitivityOf(study, settings)).table;
      return {
        rows: rows.map(({ unit, metric, bytes, extras }) => [
          unit,
          metric,
          bytes,
          extras!.flipRate,
          extras!.sqnr,
        ]),
      };
    };
    const alone = await withStudy(undefined, sweep);
    assert.deepEqual(await withStudy(over(), sweep), alone);
    assert.deepEqual(await withStudy(over(), measure), await withStudy(undefined, measure));
  });

  it('come from the coordinator, and stay apart from what a machine calibrated itself', async () => {
    await start('elsewhere');
    const found = await withStudy(over({ handOut: { url: 'http://127.0.0.1:0' } }), measure);
    assert.deepEqual(found, await withStudy(undefined, measure));
    assert.deepEqual(await readdir(at('elsewhere')), ['blobs']);
    assert.match(workers[0].said, /integers [0-9a-f]{16}\.safetensors is in the cache/);
  });

  it('are named where they are nowhere', async () => {
    await start('nowhere');
    await assert.rejects(withStudy(over(), measure), (error) => {
      assert.ok(error instanceof QueueError, String(error));
      assert.match(
        error.message,
        /a file of the session is not here.* integers [0-9a-f]{16}\.safetensors/,
      );
      return true;
    });
  });

  it('are missed as in this process where a study has no sample', async () => {
    await start('home');
    const refusal = (error: unknown): boolean => {
      assert.ok(error instanceof QuantError, String(error));
      assert.match(error.message, /opened with a calibration sample/);
      return true;
    };
    await assert.rejects(withStudy(undefined, measure, false), refusal);
    await assert.rejects(withStudy(over(), measure, false), refusal);
  });
});
