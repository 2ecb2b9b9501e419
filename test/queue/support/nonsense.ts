import { PROTOCOL } from '../../../src/queue/protocol/keys.js';
import { seededRandom, type Random } from '../../../src/util/random.js';

/** A lease as it should be. */
export function leaseOf(session: string): object {
  return { protocol: PROTOCOL, session, seat: 0 };
}

/** A share as it should be. */
export function shareOf(session: string): object {
  return {
    ...{ protocol: PROTOCOL, session, seat: 0, evaluation: 1, task: 'a'.repeat(64) },
    plan: [['blocks.0.att.key.weight', { bits: 4 }]],
    codes: [{ scheme: 'b'.repeat(16), sha256: 'c'.repeat(64), bytes: 10, name: 'integers' }],
    batches: [0, 1],
    question: {
      need: 'verdict',
      limit: { metric: 'perplexity', baseline: 10, allowedLoss: 'Infinity' },
      items: 10,
      tokens: 100,
    },
  };
}

/** Jobs that are nearly such a one, or nothing of the kind; the same of a seed. */
export function nonsenseJobs(what: object, count: number, seed: number): NonsenseJob[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({ name: 'job', data: mutated(what, random) }));
}

interface NonsenseJob {
  readonly name: string;
  readonly data: unknown;
}

const NONSENSE: readonly unknown[] = [
  ...[null, true, -1, 0.5, 1e300, '', '../../etc/passwd', 'x'.repeat(10_000), [], {}],
  ...[[-1], [1e9], [0, 0], ['0'], [[]], { bits: 0 }, { bits: 4, method: 'code' }],
  ...[[['no.such.weight', { bits: 4 }]], [['__proto__', { bits: 4 }]], { __proto__: null }],
];

/** One member replaced, left out or added, sometimes deep inside. */
function mutated(value: object, random: Random): unknown {
  if (random.integer(0, 19) === 0) return NONSENSE[random.integer(0, NONSENSE.length - 1)];
  const members = Object.entries(value) as [string, unknown][];
  const chosen = random.integer(0, members.length);
  if (chosen === members.length) return { ...value, path: '/etc/passwd' };
  const [name, member] = members[chosen];
  const isDeep = typeof member === 'object' && member !== null && !Array.isArray(member);
  if (isDeep && random.integer(0, 1) === 0) return { ...value, [name]: mutated(member, random) };
  return { ...value, [name]: NONSENSE[random.integer(0, NONSENSE.length - 1)] };
}
