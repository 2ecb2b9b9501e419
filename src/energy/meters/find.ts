import type { Meters } from './meter.js';
import { nvidiaMeters, type NvidiaSmiOptions } from './nvidia-smi.js';
import { raplMeters, type RaplOptions } from './rapl.js';

export interface MeterOptions {
  readonly nvidia?: NvidiaSmiOptions | undefined;
  readonly rapl?: RaplOptions | undefined;
}

/** All meters of this machine, and those that are absent with the reason. Close them at the end. */
export async function findMeters({ nvidia, rapl }: MeterOptions = {}): Promise<Meters> {
  const [gpus, processors] = await Promise.all([nvidiaMeters(nvidia), raplMeters(rapl)]);
  return {
    meters: [...gpus.meters, ...processors.meters],
    absent: [...gpus.absent, ...processors.absent],
    close: () => gpus.close(),
  };
}
