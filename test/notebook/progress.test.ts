import assert from 'node:assert/strict';
import { progress } from '../../src/notebook/progress.js';
import { AbortedError, throwIfAborted } from '../../src/util/errors.js';
import { yieldToEvents, type RunOptions } from '../../src/util/progress.js';
import { inCell, textIn } from './tslab.js';

/** Works until it is told to stop. */
async function endless({ signal }: RunOptions): Promise<never> {
  for (;;) {
    await yieldToEvents();
    throwIfAborted(signal, 'endless work');
  }
}

describe('progress', () => {
  it('draws one display in place and gives back the result', async () => {
    let result = 0;
    const sent = await inCell(async () => {
      result = await progress(({ onProgress }) => {
        onProgress({ phase: 'fp32', done: 1200, total: 4800, unit: 'tokens', note: 'ppl 36.3' });
        return Promise.resolve(7);
      }, 'Sweep');
    });
    assert.equal(result, 7);
    assert.deepEqual(
      sent.map(({ update }) => update),
      [false, true, true],
    );
    assert.equal(new Set(sent.map(({ id }) => id)).size, 1);
    const texts = sent.map(({ data }) => textIn(data, 'text/plain'));
    assert.match(texts[1], /^25 % Sweep: fp32, 1,200 of 4,800 tokens, ppl 36\.3, /);
    assert.match(textIn(sent[1].data, 'text/html'), /<progress max="100" value="25">/);
    assert.match(texts[2], /^Sweep: done after \d+\.\d s$/);
  });

  it('tells bytes in megabytes', async () => {
    const sent = await inCell(async () => {
      await progress(({ onProgress }) => {
        onProgress({ phase: 'load', done: 4_200_000, total: 17_850_000, unit: 'bytes' });
        return Promise.resolve();
      });
    });
    assert.match(textIn(sent[1].data, 'text/plain'), /load, 4\.20 MB of 17\.85 MB, /);
  });

  it('stops the work on an interrupt, and leaves no listener', async () => {
    const before = process.listenerCount('SIGINT');
    const sent = await inCell(async () => {
      const work = progress(endless);
      setImmediate(() => process.emit('SIGINT'));
      await assert.rejects(work, AbortedError);
    });
    assert.match(textIn(sent.at(-1)?.data, 'text/plain'), /stopped after/);
    assert.equal(process.listenerCount('SIGINT'), before);
  });

  it('can be used inside itself', async () => {
    await inCell(async () => {
      assert.equal(await progress(() => progress(() => Promise.resolve(3))), 3);
    });
  });

  it('waits for interrupted work to end before it starts the next', async () => {
    const order: string[] = [];
    await inCell(async () => {
      const first = progress(async (run) => {
        await endless(run).finally(() => order.push('first ended'));
      });
      // The cell that was interrupted has ended already; the next one is run at once.
      setImmediate(() => process.emit('SIGINT'));
      const second = progress(() => Promise.resolve(order.push('second')));
      await assert.rejects(first, AbortedError);
      await second;
    });
    assert.deepEqual(order, ['first ended', 'second']);
  });
});
