import { resolvePlan, type ResolvedPlan } from '../../../quant/plan.js';
import { quantizerPlan } from '../../../quant/quantizers.js';
import { throwIfAborted } from '../../../util/errors.js';
import type { RunOptions } from '../../../util/progress.js';
import type { Study } from '../../open/study.js';
import type { Speed } from './estimate.js';

/** Seconds that a sample takes at least: shorter ones are mostly noise. */
const SAMPLE_SECONDS = 1;

/** Batches that go first and are not timed: compilers and caches settle. */
const WARM_UP = 4;

/**
 * The speed of a study, from scoring some batches with the unquantized model and some with everything at eight
 * bits. Nothing of it is kept. Where the store knows the unquantized model's measurement, its time is taken and
 * no weights are read.
 *
 * @param now milliseconds.
 */
export async function sampleSpeed(
  study: Study,
  run: Pick<RunOptions, 'signal'> = {},
  now: () => number = () => performance.now(),
): Promise<Speed> {
  const { hierarchy } = study.options.file;
  const unquantized = resolvePlan(new Map(), hierarchy);
  const known = study.evaluator.remembered(unquantized);
  if (known !== undefined && known.seconds > 0)
    return { secondsPerToken: known.seconds / known.tokens, secondsToApply: 0 };
  const order = scattered(study.task.batches.length);
  const timed = async (plan: ResolvedPlan, from: number, count: number): Promise<Timed> => {
    const some = order.slice(from, from + count);
    const started = now();
    const tokens = await study.evaluator.scoreSome(plan, some, run);
    return { seconds: (now() - started) / 1000, tokens };
  };
  // The first ones load the weights, too: they are no sample, even where there are no others.
  await timed(unquantized, 0, WARM_UP);
  const begun = order.length > 2 * WARM_UP ? WARM_UP : 0;
  let sample: Timed | undefined;
  let [from, count] = [begun, WARM_UP];
  for (;;) {
    throwIfAborted(run.signal, 'time estimate');
    const next = await timed(unquantized, from, count);
    // The last ones may be few.
    if (sample === undefined || next.tokens >= sample.tokens) sample = next;
    if (sample.seconds >= SAMPLE_SECONDS || from + count >= order.length) break;
    [from, count] = [from + count, 2 * count];
  }
  const secondsPerToken = sample.seconds / sample.tokens;
  const plan = resolvePlan(quantizerPlan('min-max', 8, hierarchy), hierarchy);
  const quantized = await timed(plan, 0, WARM_UP);
  const secondsToApply = Math.max(0, quantized.seconds - quantized.tokens * secondsPerToken);
  return { secondsPerToken, secondsToApply };
}

interface Timed {
  readonly seconds: number;
  readonly tokens: number;
}

/** Indices so that any first few of them lie all over the whole: multiples of the golden ratio's fraction. */
function scattered(count: number): number[] {
  const place = (index: number): number => (index * 0.6180339887498949) % 1;
  const indices = Array.from({ length: count }, (_, index) => index);
  return indices.sort((a, b) => place(a) - place(b));
}
