import type { MetricName } from '../metrics/metrics.js';

/** A task of GLUE (Wang et al., 2018) as its files have it. */
export interface GlueBenchmark {
  /** For people: "MRPC". */
  readonly title: string;
  readonly metric: Extract<MetricName, 'accuracy' | 'f1' | 'matthews'>;
  /** Columns of the sentence, or of both sentences of a pair; by name, or by place in a file without header. */
  readonly sentences: readonly (readonly [columns: string | number, ...others: string[]])[];
  readonly label: readonly (string | number)[];
  /** Labels in the order of the classes, as words; files with numbers have the classes themselves. */
  readonly classes: readonly string[];
}

/** Names in the order of the files: those of GLUE's own TSV first, then those of its later releases. */
export const GLUE = {
  mrpc: {
    title: 'MRPC',
    metric: 'f1',
    sentences: [
      ['#1 String', 'sentence1'],
      ['#2 String', 'sentence2'],
    ],
    label: ['Quality', 'label'],
    classes: ['not_equivalent', 'equivalent'],
  },
  qnli: {
    title: 'QNLI',
    metric: 'accuracy',
    sentences: [['question'], ['sentence']],
    label: ['label'],
    classes: ['entailment', 'not_entailment'],
  },
  rte: {
    title: 'RTE',
    metric: 'accuracy',
    sentences: [['sentence1'], ['sentence2']],
    label: ['label'],
    classes: ['entailment', 'not_entailment'],
  },
  cola: {
    title: 'CoLA',
    metric: 'matthews',
    // Source, label, the author's mark, sentence: no header.
    sentences: [[3, 'sentence']],
    label: [1, 'label'],
    classes: ['unacceptable', 'acceptable'],
  },
  mnli: {
    title: 'MNLI',
    metric: 'accuracy',
    sentences: [
      ['sentence1', 'premise'],
      ['sentence2', 'hypothesis'],
    ],
    label: ['gold_label', 'label'],
    classes: ['entailment', 'neutral', 'contradiction'],
  },
} as const satisfies Readonly<Record<string, GlueBenchmark>>;

export type GlueName = keyof typeof GLUE;
export const GLUE_NAMES = Object.keys(GLUE) as GlueName[];

/** A benchmark by its name. */
export function glueBenchmark(name: GlueName): GlueBenchmark {
  return GLUE[name];
}
