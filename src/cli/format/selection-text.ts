import type { SearchResult } from '../../experiment/runs/search-result.js';
import { paceRemark, type SearchSettings } from '../../experiment/runs/search-settings.js';
import { ENERGY_WORDS } from '../../experiment/selection/energy-objective.js';
import { runContext } from '../../experiment/selection/select-run.js';
import type { ScoreContext } from '../../search/score.js';
import { areTied, type Numbered, type Ties } from '../../search/ties.js';
import { metricOf, type MetricName } from '../../tasks/metrics/metrics.js';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatFixed,
  formatPercent,
} from '../../util/format.js';
import type { Fact } from './table.js';

/** "1.40 points", "0.83 of perplexity" */
export function lossText(loss: number, metric: MetricName): string {
  const { unit, name } = metricOf(metric).loss;
  return `${formatFixed(loss / unit, 2)} ${name}`;
}

/** A score with its name and its formula. */
export function scoreText({ metric, fp32Bytes, balanced, energy }: ScoreContext): string {
  const third = (sign: string): string =>
    energy === undefined
      ? ''
      : ` ${sign} ${energy.weight} · modelled energy/${energyText(energy.unquantized)} µJ`;
  if (balanced === undefined) {
    const sign = metricOf(metric).better === 'higher' ? '−' : '+';
    const best = metricOf(metric).better === 'higher' ? 'largest' : 'smallest';
    return `paper: ${metric} ${sign} λ · memory/${formatBytes(fp32Bytes)}${third(sign)}, the ${best} wins`;
  }
  const loss = lossText(balanced.loss, metric);
  const memory = formatBytes(balanced.bytes);
  return `balanced: (1 − λ) · loss/${loss} + λ · memory/${memory}${third('+')}, the smallest wins`;
}

/** Title of a column of modelled energy. */
export const MODELLED_COLUMN = 'modelled µJ/token';

/** Microjoules a token, as tables show them. */
export function energyText(microjoules: number): string {
  return microjoules.toPrecision(4);
}

/** The words for the energy of a score; nothing where it has none. */
export function energyFacts({ energy }: Pick<ScoreContext, 'energy'>): Fact[] {
  return energy === undefined ? [] : [['energy', `${ENERGY_WORDS}; not measured`]];
}

/** Says that the smallest of equally good plans is taken. */
export const TIE_FACT: Fact = ['ties', 'the smallest plan within one standard error of the best'];

/** The score and the rule for ties that a search selects by, and what its pace leaves out. */
export function selectionFacts(run: Pick<SearchResult, 'settings' | 'outcome' | 'energy'>): Fact[] {
  return [
    ['score', scoreText(runContext(run))],
    ...energyFacts(runContext(run)),
    ...(run.settings.tie === 'one-se' ? [TIE_FACT] : []),
    ...paceFacts(run.settings),
  ];
}

/** Says of a search that did not measure every step that it did not. */
export function paceFacts(settings: Pick<SearchSettings, 'method' | 'pace'>): Fact[] {
  const remark = paceRemark(settings);
  return remark === undefined ? [] : [['remark', remark]];
}

/** The number of decisions that one sample was asked for, and how many of them were close. */
export function decisionFacts({
  decisions,
  ladder,
  ...gated
}: Pick<SearchResult, 'decisions' | 'ladder' | 'gate' | 'gateWork'>): Fact[] {
  if (decisions === undefined) return gateFacts(gated);
  const { total, measured, close, stopped, sampled, undecided = 0 } = decisions;
  const early =
    stopped === 0
      ? ''
      : `; ${formatCount(stopped)} stopped once certain on this data, how close is not known`;
  return [
    [
      'decisions',
      `${formatCount(total)} about the loss limit on the same data: of ${formatCount(measured)} measured to the end ` +
        `${formatCount(close)} within one standard error of it, which other data could turn round${early}`,
    ],
    ...(sampled === undefined
      ? []
      : [
          [
            'samples',
            `${formatCount(sampled)} decided on a part of the data; ${formatCount(undecided)} undecided on the ` +
              'largest sample and taken as it has them',
          ] as const,
        ]),
    ...ladderFacts(ladder),
    ...gateFacts(gated),
  ];
}

/** Refusals of a gate, and the price of looking. */
function gateFacts({ gate, gateWork }: Pick<SearchResult, 'gate' | 'gateWork'>): Fact[] {
  if (gate === undefined) return [];
  const { threshold, origin, drifts, refused, observed } = gate;
  const cost =
    gateWork === undefined
      ? ` on ${observed}`
      : `, ${formatCount(gateWork.computed)} computed on ${observed} in ${formatFixed(gateWork.seconds, 1)} s`;
  const limit = threshold === undefined ? 'none' : String(Number(threshold.toPrecision(4)));
  return [
    ['gate', `membrane drift above ${limit} is refused, not measured (${origin})`],
    [
      'gate refused',
      `${formatCounted(refused, 'plan')}, some perhaps wrongly: a search without the gate tells; ` +
        `${formatCounted(drifts, 'drift')} asked for${cost}`,
    ],
  ];
}

/** The samples of a search and the level at which they decide. */
function ladderFacts(ladder: SearchResult['ladder']): Fact[] {
  if (ladder === undefined) return [];
  const { level, decisions, rungs, all } = ladder;
  return [
    [
      'ladder',
      `${rungs.map(formatCount).join(', ')} of ${formatCount(all)} items; any decision called clear is wrong ` +
        `with probability ${level} at most, shared among ${formatCount(decisions)}`,
    ],
  ];
}

/**
 * A bound of the loss on data that no decision was made on, beside the limit that the search kept on its own
 * data; undefined where there is none.
 */
export function certificateText(
  { heldOut, outcome }: Pick<SearchResult, 'heldOut' | 'outcome'>,
  metric: MetricName,
): string | undefined {
  if (heldOut?.certificate === undefined) return undefined;
  const { loss, level } = heldOut.certificate;
  const { allowedLoss } = outcome.limits.quality;
  const bound = `loss at most ${lossText(loss, metric)} with ${formatPercent(level, 0)}`;
  if (!Number.isFinite(allowedLoss)) return bound;
  const limit = lossText(allowedLoss, metric);
  return loss <= allowedLoss
    ? `${bound}: within the limit of ${limit}`
    : `${bound}: that the limit of ${limit} holds beyond the search's data is not shown`;
}

/** Selections, and the ties among their candidates. */
interface Selected {
  readonly selections: readonly { readonly lambda: number; readonly candidate: Numbered }[];
  readonly ties?: Ties | undefined;
  readonly noise?: SearchResult['noise'];
}

/** Sentences about neighbouring selections whose difference the data cannot tell from none. */
export function noiseTexts({ selections, ties, noise }: Selected): string[] {
  const floor = noise?.search?.metric ?? -1;
  return selections.flatMap((one, index) => {
    const next = selections.at(index + 1);
    if (next === undefined || next.candidate.step === one.candidate.step) return [];
    const plans = `The plans of λ = ${one.lambda} and ${next.lambda} differ in their metric by noise only: `;
    if (Math.abs(one.candidate.metric - next.candidate.metric) <= floor)
      return [`${plans}no more than the last bits of the weights make.`];
    if (ties === undefined || !areTied(one.candidate, next.candidate, ties)) return [];
    return [`${plans}by at most one standard error of the paired difference.`];
  });
}

/** "0.0412", "∞": an end of an interval of λ. */
export function lambdaText(lambda: number): string {
  return Number.isFinite(lambda) ? String(Number(lambda.toPrecision(4))) : '∞';
}
