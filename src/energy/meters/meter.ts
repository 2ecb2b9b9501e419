/** Energy over a window of time, as one meter has it. */
export interface MeterReading {
  /** Of all that the meter covers, idle power included. */
  readonly joules: number;
  /** Length of the window, in seconds. */
  readonly seconds: number;
  /** Share of the device's time at work, [0, 1], where the meter knows: others' work shows in idle windows. */
  readonly utilization?: number | undefined;
}

/** A window that the meter could not measure, and why. Never a zero. */
export interface MissingReading {
  readonly missing: string;
}

/** A window that has begun. */
export interface MeterWindow {
  /** Ends the window. Never throws, and waits for a meter that does not answer no longer than a moment. */
  stop(): Promise<MeterReading | MissingReading>;
}

/** Something that measures energy. */
export interface Meter {
  /** "RAPL package", "GPU 0 (NVIDIA A100)" */
  readonly name: string;
  /** The tool or the interface that it is read through. */
  readonly source: 'nvidia-smi' | 'rapl' | 'simulated';
  /** The parts of the machine whose joules these are. */
  readonly covers: string;
  /** In time and in joules, in words. */
  readonly resolution: string;
  /** Begins a window. Never throws: what fails shows at its end. */
  start(): Promise<MeterWindow>;
}

/** A meter that is not there: no row says zero for it. */
export interface AbsentMeter {
  readonly name: string;
  readonly reason: string;
  /** A step for those who run the machine; absent where nothing helps. */
  readonly needed?: string | undefined;
}

/** All meters of a machine. */
export interface Meters {
  readonly meters: readonly Meter[];
  readonly absent: readonly AbsentMeter[];
  /** Ends what was started for sampling. */
  readonly close: () => Promise<void>;
}

/** True of a window with a number. */
export function isReading(found: MeterReading | MissingReading): found is MeterReading {
  return !('missing' in found);
}
