import assert from 'node:assert/strict';
import { startBackend } from '../../src/backend/start.js';
import { Observer } from '../../src/experiment/observe/observables.js';
import type { Study } from '../../src/experiment/open/study.js';
import { sensitivityOf } from '../../src/experiment/runs/sensitivity.js';
import type { SweepSettings } from '../../src/experiment/runs/sweep-result.js';
import { runUniform } from '../../src/experiment/runs/uniform.js';
import type { PoolOpener } from '../../src/experiment/scoring/scorer-pool.js';
import { progress } from '../../src/notebook/progress.js';
import { openQueue } from '../../src/queue/open-queue.js';
import type { SensitivityTable } from '../../src/search/sensitivity.js';
import type { ProgressEvent } from '../../src/util/progress.js';
import { temporaryFolder } from '../checkpoint/support/temporary.js';
import { closeStudy, toyStudy } from '../experiment/study-support.js';
import { inCell, textIn } from '../notebook/tslab.js';
import { withRedis } from './support/redis.js';
import { WorkerProcess } from './support/worker.js';

const SETTINGS: SweepSettings = {
  ...{ bits: [8, 3], levels: ['block', 'module'], quantizer: 'min-max', observables: true },
};

/** Seen once in some thirty runs: 7e-18 of a divergence of 0.03, all else equal. Where it comes from is not known. */
const LAST_BITS = 1e-15;

/** All bits equal but for the last ones of divergences, which are sums in double precision. */
function assertSame(found: SensitivityTable, expected: SensitivityTable): void {
  const rest = ({ rows, ...table }: SensitivityTable): object => ({
    ...table,
    rows: rows.map((row) => ({ ...row, extras: { ...row.extras, klDivergence: 0 } })),
  });
  assert.deepStrictEqual(rest(found), rest(expected));
  for (const [index, { unit, extras }] of found.rows.entries()) {
    const [own, other] = [extras!.klDivergence, expected.rows[index].extras!.klDivergence];
    assert.ok(Math.abs(own - other) <= LAST_BITS * other, `${unit}: ${own} and ${other}`);
  }
}

describe('a sweep over a queue', function () {
  this.timeout(120_000);
  const workers: WorkerProcess[] = [];
  after(() => Promise.all(workers.map((worker) => worker.end())));
  const redis = withRedis();
  const at = temporaryFolder();
  const open = Object.getOwnPropertyDescriptor(Observer, 'open')!;
  afterEach(() => {
    Object.defineProperty(Observer, 'open', open);
  });

  before(async () => {
    await startBackend('wasm');
    const { url, environment } = redis();
    const start = (): Promise<WorkerProcess> => WorkerProcess.start(url, at('.'), environment);
    workers.push(...(await Promise.all([start(), start()])));
  });

  async function withStudy<T>(
    kind: 'sst2' | 'wikitext2',
    openPool: PoolOpener | undefined,
    work: (study: Study) => Promise<T>,
  ): Promise<T> {
    const backend = { name: 'wasm', description: 'wasm' } as const;
    const over = openPool && { openPool };
    const study = await toyStudy(at('.'), { kind, backend, judged: false, ...over });
    try {
      return await work(study);
    } finally {
      await closeStudy(study);
    }
  }

  for (const kind of ['sst2', 'wikitext2'] as const)
    it(`has its observables from workers, those of this process: ${kind}`, async () => {
      const alone = await withStudy(kind, undefined, (study) => sensitivityOf(study, SETTINGS));
      assert.ok(alone.table.rows.length > 10);
      assert.ok(alone.table.rows.some(({ extras }) => extras!.klDivergence > 0));
      Observer.open = () => Promise.reject(new Error('looked into by this process'));
      let [underWay, most] = [0, 0];
      const openPool: PoolOpener = async (options) => {
        const pool = await openQueue(redis().url).openPool(options);
        return Object.create(pool, {
          score: {
            value: async (request: Parameters<typeof pool.score>[0]) => {
              most = Math.max(most, ++underWay);
              return pool.score(request).finally(() => underWay--);
            },
          },
        }) as typeof pool;
      };
      const order: string[] = [];
      const found = await withStudy(kind, openPool, (study) =>
        sensitivityOf(study, SETTINGS, {
          onRow: ({ unit, bits }) => order.push(`${unit} ${bits}`),
        }),
      );
      assertSame(found.table, alone.table);
      assert.deepEqual(
        order,
        alone.table.rows.map(({ unit, bits }) => `${unit} ${bits}`),
      );
      assert.ok(most > 1, 'no two evaluations at once');
    });

  it('of uniform plans measures several at once, with the numbers of one process', async () => {
    const alone = await withStudy('sst2', undefined, (study) => runUniform(study.measurable()));
    const events: ProgressEvent[] = [];
    const found = await withStudy('sst2', openQueue(redis().url).openPool, (study) => {
      const onProgress = (event: ProgressEvent): unknown => events.push(event);
      return runUniform(study.measurable(), study.tellingPlaces({ onProgress }));
    });
    const numbers = (points: typeof found): object[] =>
      points.map(({ bits, plan, measurement }) => [bits, plan, measurement?.value]);
    assert.deepStrictEqual(numbers(found), numbers(alone));
    assert.ok(events.every(({ done, total }) => done <= total));
  });

  it('tells of machines and seats in its progress, in a notebook too', async () => {
    const { openPool } = openQueue(redis().url);
    const sent = await inCell(async () => {
      await withStudy('sst2', openPool, (study) =>
        progress((run) => {
          // A bar is drawn now and then, and a toy's plans are sooner over.
          const { onProgress } = study.tellingPlaces({ onProgress: run.onProgress });
          return sensitivityOf(study, { ...SETTINGS, observables: false }, { ...run, onProgress });
        }),
      );
    });
    const texts = sent.map(({ data }) => textIn(data, 'text/plain'));
    assert.ok(
      texts.some((text) => /sensitivity.*; 2 workers, 2 of 2 seats/.test(text)),
      texts.join('\n'),
    );
  });
});
