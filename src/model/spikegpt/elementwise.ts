import {
  addOperations as sum,
  layerNormOperations as layerNorm,
  NO_OPERATIONS,
  timesOperations as times,
  type ScalarOperations,
  type TokenOperations,
} from '../../layout/operations.js';
import type { SpikeGPTConfig } from './config.js';

/** x · m + x' · (1 − m) for `mixes` mixes m of which 1 − m is known. */
function tokenShift(channels: number, mixes: number): ScalarOperations {
  const values = channels * mixes;
  return { ...NO_OPERATIONS, additions: values, multiplications: 2 * values };
}

/**
 * The recurrent form, with the running maximum p in the exponent. A channel, for the output: u + k, a
 * maximum, two differences and exponentials, numerator and denominator, a division; for the state: p + w, a
 * maximum, two differences and exponentials, numerator and denominator.
 */
function wkv(channels: number): ScalarOperations {
  return {
    additions: 10 * channels,
    multiplications: 6 * channels,
    divisions: channels,
    functions: 4 * channels,
    comparisons: 2 * channels,
  };
}

/** 1 / (1 + e^−r), and its product with a value. */
function sigmoidGate(channels: number): ScalarOperations {
  return {
    ...NO_OPERATIONS,
    additions: channels,
    multiplications: channels,
    divisions: channels,
    functions: channels,
  };
}

/** max(k, 0)². */
function squaredRelu(channels: number): ScalarOperations {
  return { ...NO_OPERATIONS, multiplications: channels, comparisons: channels };
}

/** h = v + (x − v) / 2, spike = h ≥ 1 and reset, and the spike added to the residual stream. */
function lifAndResidual(channels: number): ScalarOperations {
  return {
    ...NO_OPERATIONS,
    additions: 3 * channels,
    multiplications: channels,
    comparisons: channels,
  };
}

/**
 * Operations a token of a model that are no matrix product. Left out: the softmax over logits, which
 * belongs to what is done with them.
 *
 * @param sentenceTokens tokens that a classifier averages over.
 */
export function countElementwise(
  { width, hiddenWidth, layers, embedding, classes, ffnPre }: SpikeGPTConfig,
  sentenceTokens: number,
): TokenOperations['elementwise'] {
  const channelMixes = layers + (ffnPre ? 1 : 0);
  const timeMixes = layers - (ffnPre ? 1 : 0);
  return [
    // By sign; a dense row is taken as it is.
    ['embedding', { ...NO_OPERATIONS, comparisons: embedding === 'spike' ? width : 0 }],
    // Two a block, ln0 and ln_out.
    ['layer norm', times(layerNorm(width), 2 * layers + 2)],
    [
      'token shift',
      sum(times(tokenShift(width, 3), timeMixes), times(tokenShift(width, 2), channelMixes)),
    ],
    ['WKV', times(wkv(width), timeMixes)],
    [
      'gates and squares',
      sum(
        times(sigmoidGate(width), timeMixes + channelMixes),
        times(squaredRelu(hiddenWidth), channelMixes),
      ),
    ],
    ['LIF and residual', times(lifAndResidual(width), 2 * layers)],
    [
      'pooling',
      classes === 0
        ? NO_OPERATIONS
        : { ...NO_OPERATIONS, additions: width, multiplications: width / sentenceTokens },
    ],
  ];
}
