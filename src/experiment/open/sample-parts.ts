import type { LabelledSentence } from '../../tasks/data/tsv.js';

/**
 * The bundled samples have no published split, so one is made here, by rules that look at nothing but the
 * order and the label, and so were not tuned to any result:
 *
 * - sentences: of each class those in even places (first, third, …) are for searching, the others held out;
 * - articles: the first 60 %, in the order of their file names, are for searching, the others held out: no
 *   article is in both.
 *
 * The models were trained on neither part.
 */
export const SAMPLE_PARTS = ['search', 'held-out'] as const;
export type SamplePart = (typeof SAMPLE_PARTS)[number];

/** Share of the articles that are for searching. */
export const SEARCH_SHARE = 0.6;

/** Half of the sentences of each class, in their order. */
export function sentencesOfPart(
  examples: readonly LabelledSentence[],
  part: SamplePart,
): LabelledSentence[] {
  const seen = new Map<number, number>();
  return examples.filter(({ label }) => {
    const place = seen.get(label) ?? 0;
    seen.set(label, place + 1);
    return (place % 2 === 0) === (part === 'search');
  });
}

/** The first articles, or the rest; each part has at least one of two or more. */
export function articlesOfPart<T>(articles: readonly T[], part: SamplePart): T[] {
  const first = Math.min(Math.ceil(SEARCH_SHARE * articles.length), articles.length - 1);
  return part === 'search' ? articles.slice(0, first) : articles.slice(first);
}
