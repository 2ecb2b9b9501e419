import assert from 'node:assert/strict';
import { wasmArithmetic } from '../../src/backend/kernels/wasm-module.js';
import { startBackend } from '../../src/backend/start.js';
import { openModel } from '../../src/experiment/open/model-file.js';
import { onWasm } from '../backend/support.js';
import { HAS_NATIVE } from '../support/native.js';
import { compareWindows, runWindows, type WindowRun } from '../support/windows.js';

const TOKENS = 4096;

/** Arithmetics that sum in other orders or round less often than plain SIMD. */
const OTHERS = [
  ...(wasmArithmetic() === 'fused'
    ? [{ title: 'wasm, fused multiply–add', start: onWasm('fused') }]
    : []),
  ...(HAS_NATIVE
    ? [{ title: 'tensorflow', start: () => startBackend('tensorflow') as Promise<unknown> }]
    : []),
];

/*
 * A potential that a hair's breadth decides spikes in one arithmetic and not in another, and from there on the
 * window is another one. So perplexities of two backends agree to what such windows make of them; what has to
 * agree to float32 are the windows in which no spike differs, and these have to be most.
 */
describe('spikegpt-mini in another arithmetic than plain SIMD', () => {
  let base: WindowRun;
  const run = async (): Promise<WindowRun> => {
    const open = await openModel('spikegpt-mini');
    try {
      return await runWindows(open, TOKENS);
    } finally {
      await open.close();
    }
  };
  before(async () => {
    await onWasm('separate')();
    base = await run();
  });
  after(onWasm(wasmArithmetic()));

  for (const { title, start } of OTHERS)
    it(`${title}: windows of equal spikes, which are most, have the same likelihood`, async () => {
      await start();
      const { equal, flipped, worstEqual } = compareWindows(await run(), base);
      assert.ok(equal >= 3 * flipped, `${flipped} of ${equal + flipped} windows differ in spikes`);
      assert.ok(worstEqual < 1e-6, `likelihoods differ by ${worstEqual}`);
    });
});
