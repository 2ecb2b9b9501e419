import { buildTask } from '../../src/experiment/open/build-task.js';
import type { OpenModel } from '../../src/experiment/open/model-file.js';
import { observe } from '../../src/model/observe.js';
import type { WindowBatch } from '../../src/tasks/score-windows.js';

/** A text scored window by window, with the spikes of all layers. */
export interface WindowRun {
  readonly perplexity: number;
  /** Mean negative log-likelihood of each window, in nats. */
  readonly nll: readonly number[];
  /** Of each window, layer by layer: [T * C] each. */
  readonly spikes: readonly (readonly Int8Array[])[];
}

/** Scores the first tokens of the bundled articles on the running backend. */
export async function runWindows(open: OpenModel, limit: number): Promise<WindowRun> {
  const { model } = open;
  const task = await buildTask({ limit, task: 'wikitext2' }, open.tokenizer, open);
  const nll: number[] = [];
  const spikes: Int8Array[][] = [];
  for (const { inputs, targets } of task.batches as readonly WindowBatch[]) {
    const { batch, time } = inputs;
    const each = await model.tokenNll(inputs, targets);
    const layers = (await observe(model, inputs, { spikes: true })).spikes!;
    for (let window = 0; window < batch; window++) {
      const ofWindow = each.subarray(window * time, (window + 1) * time);
      nll.push(ofWindow.reduce((sum, value) => sum + value, 0) / time);
      spikes.push(
        layers.map(({ spikes: all }) => {
          const size = all.length / batch;
          return all.slice(window * size, (window + 1) * size);
        }),
      );
    }
  }
  const mean = nll.reduce((sum, value) => sum + value, 0) / nll.length;
  return { perplexity: Math.exp(mean), nll, spikes };
}

/** Windows in which all spikes are those of another run, those in which one is not, and how far apart they are. */
export interface WindowComparison {
  readonly equal: number;
  readonly flipped: number;
  /** Largest relative difference of a window's likelihood. */
  readonly worstEqual: number;
  readonly worstFlipped: number;
}

export function compareWindows(run: WindowRun, base: WindowRun): WindowComparison {
  const found = { equal: 0, flipped: 0, worstEqual: 0, worstFlipped: 0 };
  for (const [window, nll] of run.nll.entries()) {
    const difference = Math.abs(nll / base.nll[window] - 1);
    const same = run.spikes[window].every((layer, index) =>
      layer.every((spike, at) => spike === base.spikes[window][index][at]),
    );
    found[same ? 'equal' : 'flipped']++;
    const worst = same ? 'worstEqual' : 'worstFlipped';
    found[worst] = Math.max(found[worst], difference);
  }
  return found;
}
