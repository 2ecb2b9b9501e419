import assert from 'node:assert/strict';
import { copyFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { writeSafetensors } from '../../../src/checkpoint/safetensors/write.js';
import { Study } from '../../../src/experiment/open/study.js';
import { resolvePlan, type ResolvedPlan } from '../../../src/quant/plan.js';
import { quantizerPlan } from '../../../src/quant/quantizers.js';
import { memoryStore } from '../../../src/store/index.js';
import { CheckpointError } from '../../../src/util/errors.js';
import { deriveConfig } from '../../support/spikegpt.js';
import { toyCheckpoint } from '../../support/toy.js';
import { closeStudy, inFolder, toyStudy, toyText } from '../study-support.js';
import { saveToy } from '../support.js';

/** More than what is read at a time. */
const WIDE = { width: 64, hiddenWidth: 256 } as const;

/** Puts another model of the same shapes in the place of one, as people do. */
const SWAPS = {
  'copied over it': copyFile,
  'renamed to it': rename,
} as const;

describe('a model that is exchanged during a run', () => {
  before(() => startBackend('cpu'));

  for (const workers of [0, 2])
    for (const [how, swap] of Object.entries(SWAPS))
      it(`ends it, and nothing of the other is kept: ${how}, ${workers} threads`, () =>
        inFolder(async (folder) => {
          const store = memoryStore();
          const study = await toyStudy(folder, { config: WIDE, store, accelerations: { workers } });
          try {
            const { hierarchy, checkpoint } = study.options.file;
            const at = (bits: number): ResolvedPlan =>
              resolvePlan(quantizerPlan('min-max', bits, hierarchy), hierarchy);
            // Where the weights are read for the first time, by threads that start after the exchange.
            if (how === 'copied over it') await study.evaluator.measure(at(8), 1);
            const known = store.list().length;
            const other = join(folder, 'other.safetensors');
            await saveToy(other, WIDE, [], (_name, values) => values.reverse());
            await swap(other, checkpoint.path);
            await assert.rejects(
              study.evaluator.measure(at(4), 1),
              (error) =>
                error instanceof CheckpointError &&
                /changed while it was in use/.test(error.message),
            );
            assert.equal(store.list().length, known);
          } finally {
            await closeStudy(study);
          }
        }));
});

describe('a config.json that is exchanged during a run', () => {
  before(() => startBackend('cpu'));

  /** Perplexity at 8 bits where config.json says `first`, and `then` by the time that threads start. */
  const measured = (folder: string, first: object, then: object): Promise<number> =>
    withStudy(folder, first, async (study) => {
      const { hierarchy } = study.options.file;
      await writeFile(join(folder, 'config.json'), JSON.stringify(then));
      const plan = resolvePlan(quantizerPlan('min-max', 8, hierarchy), hierarchy);
      return (await study.evaluator.measure(plan, 1)).value;
    });

  it('is not read again: threads are told what it said at the beginning', () =>
    inFolder(async (folder) => {
      const spike = await measured(folder, { embedding: 'spike' }, { embedding: 'spike' });
      const dense = await measured(folder, { embedding: 'dense' }, { embedding: 'dense' });
      assert.notEqual(spike, dense);
      assert.equal(await measured(folder, { embedding: 'spike' }, { embedding: 'dense' }), spike);
      assert.equal(await measured(folder, { embedding: 'dense' }, { embedding: 'spike' }), dense);
    }));
});

/** A study on two threads, of a toy model whose file leaves to a config.json what it is. */
async function withStudy<T>(
  folder: string,
  config: object,
  work: (study: Study) => Promise<T>,
): Promise<T> {
  const toy = toyCheckpoint({ ...WIDE, classes: 0 });
  const path = join(folder, 'silent.safetensors');
  const tensors = [...toy.tensors.values()].map((info) => ({
    ...info,
    bytes: async () => new Uint8Array((await toy.readFloat32(info.name)).buffer),
  }));
  await writeSafetensors(path, tensors, {});
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const checkpoint = await openCheckpoint(path);
  const study = await Study.open({
    file: { ...(await deriveConfig(checkpoint)), name: 'silent', checkpoint },
    backend: { name: 'cpu', description: 'plain JavaScript' },
    search: { task: toyText(), split: 'search', context: 16 },
    accelerations: { workers: 2 },
  });
  try {
    return await work(study);
  } finally {
    await closeStudy(study);
  }
}
