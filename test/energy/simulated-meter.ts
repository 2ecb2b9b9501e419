import type { PlanToMeasure, ProcedureOptions } from '../../src/energy/measured/procedure.js';
import type { Meter } from '../../src/energy/meters/meter.js';
import { seededRandom } from '../../src/util/random.js';

/** A machine with known watts by phase, in a time of its own. Nothing waits. */
export function simulatedMachine({
  idle = 50,
  watts,
  seed,
  noise = 0.005,
  jitter = 0.01,
  drift = 0,
  step = 0,
  missing = () => false,
}: {
  readonly idle?: number;
  /** As drawn while a plan runs. */
  readonly watts: Readonly<Record<string, number>>;
  readonly seed: number;
  /** Standard deviation of a window's energy, as a share. */
  readonly noise?: number;
  /** The same of an evaluation's time. */
  readonly jitter?: number;
  /** Growth of all power in an hour, as a share. */
  readonly drift?: number;
  /** Joules that the meter's counter goes up by at a time; 0 for one that is exact. */
  readonly step?: number;
  readonly missing?: (window: number) => boolean;
}): { meter: Meter; plans: PlanToMeasure[]; options: ProcedureOptions } {
  const random = seededRandom(seed);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
  let [now, joules, window] = [0, 0, 0];
  const counter = (): number => (step === 0 ? joules : step * Math.floor(joules / step));
  const pass = (seconds: number, drawn: number): void => {
    joules += drawn * (1 + (drift * now) / 3600) * seconds;
    now += seconds;
  };
  const meter: Meter = {
    name: 'simulated',
    source: 'simulated',
    covers: 'a machine that does not exist',
    resolution: 'exact but for its noise',
    start: () => {
      const [from, before, own] = [now, counter(), window++];
      return Promise.resolve({
        stop: () =>
          Promise.resolve(
            missing(own)
              ? { missing: 'simulated' }
              : { joules: (counter() - before) * (1 + noise * normal()), seconds: now - from },
          ),
      });
    },
  };
  const plans = Object.entries(watts).map(([name, drawn]) => ({
    name,
    prepare: () => Promise.resolve(),
    evaluate: () => {
      pass(2 * (1 + jitter * normal()), drawn);
      return Promise.resolve(1000);
    },
  }));
  const rest = (seconds: number): Promise<void> => {
    pass(seconds, idle);
    return Promise.resolve();
  };
  // The order is drawn from numbers of its own: it must not follow the noise.
  const order = seed + 1_000_000;
  return { meter, plans, options: { clock: () => now, rest, load: () => () => 0, seed: order } };
}
