/** MB is 10^6 bytes throughout, as in the paper. */
export const BYTES_PER_MB = 1e6;

/** "17.85 MB"; below 0.1 MB in bytes or kB, so that a small model does not read "0.00 MB". */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e5) return `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;
  if (bytes >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes} bytes`;
}
