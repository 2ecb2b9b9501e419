import { UsageError } from '../../util/errors.js';
import { formatCount } from '../../util/format.js';
import type { ConfigChoice } from '../config.js';

type Named = Omit<ConfigChoice, 'parse' | 'show'>;

/* Settings that models of several families leave open: each family gives its own default. */

/** A choice among whole numbers of at least 1. @param label for people: "heads" */
function wholeNumber(choice: Named, label: string, unit = ''): ConfigChoice {
  return {
    ...choice,
    parse: (value, where) => {
      const number = Number(value);
      if (Number.isInteger(number) && number > 0) return number;
      throw new UsageError({
        what: `${label} is no positive integer`,
        where,
        got: JSON.stringify(value),
        expected: `a whole number, for example ${choice.fallback}`,
      });
    },
    show: (value) => [label, `${formatCount(Number(value))}${unit}`],
  };
}

/** A choice among numbers that `accepts`. */
function number(
  choice: Named,
  label: string,
  accepts: (value: number) => boolean,
  expected: string,
): ConfigChoice {
  return {
    ...choice,
    parse: (value, where) => {
      const found = value === '' ? NaN : Number(value);
      if (Number.isFinite(found) && accepts(found)) return found;
      const got = JSON.stringify(value);
      throw new UsageError({ what: `${label} makes no sense`, where, got, expected });
    },
    show: (value) => [label, String(value)],
  };
}

/** Tokens of a sequence, where the weights do not tell. */
export function contextLengthChoice(fallback: number): ConfigChoice {
  const help = 'length of sequences in training';
  const named = { name: 'contextLength', key: 'context_length', help, fallback };
  return wholeNumber({ ...named, flag: '--context-length <tokens>' }, 'context', ' tokens');
}

/** Attention heads. */
export function headsChoice(fallback: number): ConfigChoice {
  const named = { name: 'heads', key: 'num_attention_heads', help: 'attention heads', fallback };
  return wholeNumber({ ...named, flag: '--heads <count>' }, 'heads');
}

/** Time steps that a sequence runs for. */
export function timeStepsChoice(fallback: number): ConfigChoice {
  const named = { name: 'timeSteps', key: 'time_steps', help: 'time steps a sequence', fallback };
  return wholeNumber({ ...named, flag: '--steps <count>' }, 'time steps');
}

/** Membrane time constant of leaky neurons, in steps. */
export function tauChoice(fallback: number): ConfigChoice {
  const help = 'membrane time constant in steps';
  const named = { name: 'tau', key: 'tau', flag: '--tau <steps>', help, fallback };
  return number(named, 'tau', (value) => value >= 1, 'a number of steps, 1 or more');
}

/** Potential at which neurons fire. */
export function thresholdChoice(fallback: number): ConfigChoice {
  const help = 'membrane potential at which neurons fire';
  const named = { name: 'threshold', key: 'threshold', flag: '--threshold <potential>', help };
  return number({ ...named, fallback }, 'threshold', (value) => value > 0, 'a number above 0');
}
