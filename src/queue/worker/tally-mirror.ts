import type { Redis } from 'ioredis';
import { SharedTally } from '../../experiment/scoring/verdict.js';
import { STOP_FIELD } from '../protocol/keys.js';

/** Pause between two exchanges of tallies. */
const EXCHANGE_MS = 200;
/** A tally outlives its evaluation where nobody is left to remove it. */
const TALLY_SECONDS = 3600;

/** Items, score in micro-nats, tokens. */
type Cells = readonly [items: bigint, sum: bigint, tokens: bigint];
const NONE: Cells = [0n, 0n, 0n];

/** Places of {@link Cells} in a {@link SharedTally}. */
const [ITEMS, SUM, TOKENS] = [0, 1, 3];

/**
 * A share's tally, joined with those of the other shares of its evaluation through the server. Each share writes
 * what it has so far into a field of its own, rather than adding to a common one: a share that is begun again
 * by another worker, or twice at once, then counts once, and whatever is read is a true lower bound.
 */
export class TallyMirror {
  readonly tally = new SharedTally();
  private readonly cells = new BigInt64Array(this.tally.buffer);
  private others: Cells = NONE;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  /** @param key of the evaluation @param field of the share */
  constructor(
    private readonly client: Redis,
    private readonly key: string,
    private readonly field: string,
  ) {}

  /** Exchanges now and then, until {@link end}. */
  begin(): void {
    const exchange = async (): Promise<void> => {
      // A server that is away is no reason to stop scoring.
      await this.exchange().catch(() => undefined);
      if (!this.stopped) this.timer = setTimeout(() => void exchange(), EXCHANGE_MS);
    };
    this.timer = setTimeout(() => void exchange(), EXCHANGE_MS);
  }

  end(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Tokens of this share so far. */
  get tokens(): number {
    return Number(this.own()[2]);
  }

  private own(): Cells {
    // The score is added before its items: read after them it is never behind.
    const items = Atomics.load(this.cells, ITEMS) - this.others[0];
    const sum = Atomics.load(this.cells, SUM) - this.others[1];
    return [items, sum, Atomics.load(this.cells, TOKENS) - this.others[2]];
  }

  private async exchange(): Promise<void> {
    const replies = await this.client
      .multi()
      .hset(this.key, this.field, this.own().join(' '))
      .expire(this.key, TALLY_SECONDS)
      .hgetall(this.key)
      .exec();
    const fields = replies?.[2]?.[1] as Record<string, string> | undefined;
    if (fields === undefined) return;
    if (STOP_FIELD in fields) this.tally.stop();
    this.take(
      Object.entries(fields)
        .filter(([field]) => field !== this.field)
        .map(([, text]) => cellsOf(text)),
    );
  }

  /** The sums before the items, for the same reason. */
  private take(found: readonly Cells[]): void {
    const now = found.reduce<Cells>(
      (all, one) => [all[0] + one[0], all[1] + one[1], all[2] + one[2]],
      NONE,
    );
    Atomics.add(this.cells, SUM, now[1] - this.others[1]);
    Atomics.add(this.cells, ITEMS, now[0] - this.others[0]);
    Atomics.add(this.cells, TOKENS, now[2] - this.others[2]);
    this.others = now;
  }
}

/** Of a field; nothing of one that makes no sense. */
export function cellsOf(text: string): Cells {
  const numbers = /^(\d{1,15}) (\d{1,18}) (\d{1,15})$/.exec(text);
  return numbers === null ? NONE : [BigInt(numbers[1]), BigInt(numbers[2]), BigInt(numbers[3])];
}
