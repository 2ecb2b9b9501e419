import assert from 'node:assert/strict';
import { describeError } from '../../src/notebook/errors.js';
import { AbortedError, CheckpointError } from '../../src/util/errors.js';

describe('errors in a cell', () => {
  it('of the package are told without a stack', () => {
    const error = new CheckpointError({
      what: 'tensor is missing',
      where: 'a.pth',
      got: 'no emb.weight',
      expected: 'a SpikeGPT checkpoint',
    });
    assert.equal(
      describeError(error),
      'CheckpointError: tensor is missing\n' +
        '  where:    a.pth\n' +
        '  got:      no emb.weight\n' +
        '  expected: a SpikeGPT checkpoint',
    );
  });

  it('of another copy of the package are told the same way', () => {
    const foreign = Object.assign(new Error('x'), {
      name: 'PlotError',
      detail: { what: 'nothing to draw', where: 'figure' },
    });
    assert.equal(describeError(foreign), 'PlotError: nothing to draw\n  where:    figure');
  });

  it('of an interrupt say how to go on, whoever noticed it', () => {
    for (const error of [new Error('Interrupted asynchronously'), new AbortedError('search')])
      assert.match(describeError(error), /^Interrupted\. .*run the cell again/);
  });

  it('of the cell itself keep the frames above the kernel', () => {
    const error = new TypeError('x is not a function');
    error.stack = [
      'TypeError: x is not a function',
      '    at f (evalmachine.<anonymous>:3:22)',
      '    at evalmachine.<anonymous>:5:1',
      '    at Script.runInThisContext (node:vm:123:12)',
      '    at Object.runInThisContext (node:vm:299:38)',
      '    at handler.handleExecuteImpl (/p/dist/notebook/kernel.js:77:24)',
      '    at Object.execute (/p/node_modules/tslab/dist/executor.js:160:38)',
    ].join('\n');
    assert.equal(
      describeError(error),
      'TypeError: x is not a function\n    at f (this cell)\n    at this cell',
    );
  });

  it('names the cause, and takes what is no error', () => {
    const error = new Error('cannot draw', {
      cause: new CheckpointError({ what: 'a', where: 'b' }),
    });
    error.stack = 'Error: cannot draw';
    assert.equal(
      describeError(error),
      'Error: cannot draw\ncaused by CheckpointError: a\n  where:    b',
    );
    assert.equal(describeError('text'), 'text');
  });
});
