import { normalQuantile } from '../../tasks/metrics/simple-statistics.js';
import type { TaskView } from './task-view.js';
import { linesOf } from './text-width.js';
import { CHART_WIDTH } from './theme.js';

/** A metric with its interval beside the unquantized model's, where that is known. */
interface Compared {
  readonly metric: number;
  readonly pairedLow?: number | undefined;
  readonly pairedHigh?: number | undefined;
}

/** Of a title, in pixels. */
const TITLE = { size: 15, width: CHART_WIDTH - 20 };
const LEVEL = 0.05;

/**
 * Those of some results whose loss is beyond noise although many were looked at: the 95 % interval of the
 * difference, widened so that it holds for all of them together (Bonferroni), lies on the side of loss.
 *
 * @returns undefined where a result has no interval of the difference: nothing can be said then.
 */
export function evidentLosses<R extends Compared>(
  results: readonly R[],
  baseline: number,
  { higher }: Pick<TaskView, 'higher'>,
): readonly R[] | undefined {
  const { length } = results;
  if (length === 0 || results.some(({ pairedLow }) => pairedLow === undefined)) return undefined;
  const wider = normalQuantile(1 - LEVEL / 2 / length) / normalQuantile(1 - LEVEL / 2);
  return results.filter(({ pairedLow = baseline, pairedHigh = baseline }) => {
    const [middle, half] = [(pairedLow + pairedHigh) / 2, (pairedHigh - pairedLow) / 2];
    return higher ? middle + wider * half < baseline : middle - wider * half > baseline;
  });
}

/** Meaning of "noise" in a title made of {@link evidentLosses}. */
export function noiseText(comparisons: number): string {
  return `Beyond noise: 95 % over all ${comparisons} comparisons`;
}

/** The finding of a task; without text where nothing can be said. */
export interface Finding {
  /** Name of the data. */
  readonly title: string;
  readonly text: string | undefined;
}

/** A title that says what was found, with the data's name where there are several; else the plain one. */
export function findingTitle(plain: string, findings: readonly Finding[]): string | string[] {
  const said = findings.filter(({ text }) => text !== undefined);
  const texts = said.map(({ title, text = '' }) =>
    findings.length === 1 ? text : `${title}: ${text}`,
  );
  const lines = (texts.length === 0 ? [plain] : texts).flatMap((text) =>
    linesOf(text, TITLE.size, true, TITLE.width),
  );
  return lines.length === 1 ? lines[0] : lines;
}

/** True where a {@link findingTitle} says more than the plain one, which a subtitle has to say then. */
export function isFound(findings: readonly Finding[]): boolean {
  return findings.some(({ text }) => text !== undefined);
}

/** "input, attention 3 and output", the first few of many: "input, attention 0 and 4 more". */
export function listed(units: readonly string[], most = 3): string {
  const names = [...new Set(units)].map((unit) => unit.replace(/^attention\./, 'attention '));
  const shown = names.length > most ? names.slice(0, most - 1) : names;
  const rest = names.length - shown.length;
  const words = rest > 0 ? [...shown, `${rest} more`] : shown;
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
}
