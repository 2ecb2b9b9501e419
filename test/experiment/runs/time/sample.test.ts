import assert from 'node:assert/strict';
import { startBackend } from '../../../../src/backend/start.js';
import { sampleSpeed } from '../../../../src/experiment/runs/time/sample.js';
import { closeStudy, inFolder, toyStudy } from '../../study-support.js';

describe('time: a sample', () => {
  before(() => startBackend('cpu'));

  it('leaves nothing behind that would make what is measured next cheap', () =>
    inFolder(async (folder) => {
      const study = await toyStudy(folder, { kind: 'wikitext2' });
      try {
        const speed = await sampleSpeed(study);
        assert.ok(speed.secondsPerToken > 0);
        assert.equal(study.evaluator.report().tokens, 0);
        await study.evaluator.measure(new Map(), 0);
        const { work, fullWork, tokens } = study.evaluator.report();
        assert.equal(tokens, study.task.tokens);
        assert.equal(work.savedByPrefix, 0);
        assert.equal(work.done, fullWork);
      } finally {
        await closeStudy(study);
      }
    }));
});
