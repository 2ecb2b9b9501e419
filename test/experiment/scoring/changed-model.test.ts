import assert from 'node:assert/strict';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from '../../../src/backend/start.js';
import { resolvePlan, type ResolvedPlan } from '../../../src/quant/plan.js';
import { quantizerPlan } from '../../../src/quant/quantizers.js';
import { memoryStore } from '../../../src/store/index.js';
import { CheckpointError } from '../../../src/util/errors.js';
import { closeStudy, inFolder, toyStudy } from '../study-support.js';
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
