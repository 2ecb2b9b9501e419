import { memory } from '@tensorflow/tfjs-core';

/** Memory in use, in bytes. */
export interface MemoryUse {
  /** Of all tensors on the running backend. */
  readonly tensors: number;
  /** Of the process, as the operating system counts its resident set: the largest so far. */
  readonly peak: number;
  /** The same, now. */
  readonly resident: number;
}

/** The memory that this process uses, and has used. */
export function memoryUse(): MemoryUse {
  return {
    tensors: memory().numBytes,
    // In kilobytes, on every system: libuv converts.
    peak: 1024 * process.resourceUsage().maxRSS,
    resident: process.memoryUsage.rss(),
  };
}
