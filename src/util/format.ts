/** "351,744" */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** "1 sentence", "1,000 sentences" */
export function formatCounted(value: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(value)} ${value === 1 ? singular : plural}`;
}

/** "17.6 %" */
export function formatPercent(share: number, digits = 1): string {
  return `${formatFixed(100 * share, digits)} %`;
}

/** Like toFixed, with a real minus sign, and none before a zero. */
export function formatFixed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** {@link formatFixed} with a sign always, zero apart: "+0.3". */
export function formatSigned(value: number, digits: number): string {
  const text = formatFixed(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** "0.8 s", "45 s", "1:23 min", "2:05:09 h" */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)} h`
    : `${minutes}:${two(whole % 60)} min`;
}

/** A time with no more digits than an estimate deserves: "20 s", "3 min", "3 h 20 min", "2 d 4 h". */
export function roughTime(seconds: number): string {
  if (seconds < 10) return 'a few seconds';
  if (seconds < 90) return `${10 * Math.round(seconds / 10)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const tens = 10 * Math.round(seconds / 600);
  const [hours, rest] = [Math.floor(tens / 60), tens % 60];
  if (hours < 24) return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
  const all = Math.round(seconds / 3600);
  return all % 24 === 0 ? `${all / 24} d` : `${Math.floor(all / 24)} d ${all % 24} h`;
}

/** Work per second, no more digits than it deserves: "7,200", "12", "0.45". */
export function formatRate(perSecond: number): string {
  if (perSecond >= 1000) return formatCount(Math.round(perSecond / 100) * 100);
  if (perSecond >= 10) return perSecond.toFixed(0);
  return perSecond.toPrecision(2);
}

/** MB is 10^6 bytes throughout, as in the paper. */
export const BYTES_PER_MB = 1e6;

/** "17.85 MB"; below 0.1 MB in bytes or kB, so that a small model does not read "0.00 MB". */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e5) return `${(bytes / BYTES_PER_MB).toFixed(2)} MB`;
  if (bytes >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes} bytes`;
}

/** A probability, no more digits than it deserves: "0.43", "0.012", "< 0.001". */
export function formatProbability(p: number): string {
  if (p < 0.001) return '< 0.001';
  return p < 0.1 ? p.toFixed(3) : p.toFixed(2);
}
