import type {
  BaselineRecord,
  EnergyRecord,
  LandscapeRecord,
  LimitsRecord,
  MatrixRecord,
  MembraneRecord,
  PaperRecord,
  SavingRecord,
  SensitivityRecord,
  StepRecord,
  UniformRecord,
} from '../../src/plots/records.js';

const BITS = [32, 16, 14, 12, 10, 8, 6, 5, 4];
/** spikegpt-mini, uniform, per tensor, PyTorch fp32. The intervals are rough. */
const ACCURACY = [0.777, 0.781, 0.781, 0.777, 0.775, 0.767, 0.697, 0.674, 0.645];
const PERPLEXITY = [36.32, 36.23, 36.4, 36.48, 37.12, 37.57, 39.45, 42.11, 50.87];

function bytesAt(baseline: number, bits: number): number {
  return bits === 32 ? baseline : Math.round(baseline * (bits / 32 + 0.001));
}

/** Uniform bit widths of the bundled models. */
export const UNIFORM: readonly UniformRecord[] = BITS.flatMap((bits, index) => {
  const [accuracy, perplexity] = [ACCURACY[index], PERPLEXITY[index]];
  const saving = 1 - bytesAt(1e9, bits) / 1e9;
  return [
    {
      task: 'sst2' as const,
      model: 'spikegpt-mini-sst2',
      bits,
      metric: accuracy,
      low: accuracy - 0.026,
      high: accuracy + 0.025,
      bytes: bytesAt(14.7e6, bits),
      saving,
    },
    {
      task: 'wikitext2' as const,
      model: 'spikegpt-mini',
      bits,
      metric: perplexity,
      low: perplexity * 0.965,
      high: perplexity * 1.035,
      bytes: bytesAt(17.85e6, bits),
      saving,
    },
  ];
});

/** On the search splits. */
export const SST2_BASELINE: BaselineRecord = {
  task: 'sst2',
  model: 'spikegpt-mini-sst2',
  metric: 0.777,
  low: 0.75,
  high: 0.802,
  bytes: 14.7e6,
};
export const WIKITEXT2_BASELINE: BaselineRecord = {
  task: 'wikitext2',
  model: 'spikegpt-mini',
  metric: 36.32,
  low: 35.1,
  high: 37.6,
  bytes: 17.85e6,
};

/** Stated in the paper (arXiv 2601.00679). */
export const PAPER: readonly PaperRecord[] = [
  { task: 'sst2', name: 'a1', metric: 0.844, baseline: 0.857, saving: 0.857 },
  { task: 'sst2', name: 'a2', metric: 0.813, baseline: 0.857, saving: 0.865 },
  { task: 'wikitext2', name: 'b1', metric: 24.6, baseline: 26.5, saving: 0.687 },
  { task: 'wikitext2', name: 'b2', metric: 23.2, baseline: 26.5, saving: 0.624 },
];

/** Input and output 18 % of the parameters each; the six attention blocks share the rest. */
function blockShare(block: string): number {
  return block.startsWith('attention') ? 0.64 / 6 : 0.18;
}

const UNITS: readonly { readonly block: string; readonly part: string }[] = [
  { block: 'input', part: 'embedding' },
  ...[0, 1, 2, 3, 4, 5].flatMap((index) =>
    ['SRWKV', 'SRFFN'].map((part) => ({ block: `attention.${index}`, part })),
  ),
  { block: 'output', part: 'head' },
];

/**
 * A tiered search on a made-up model with losses like those of the bundled ones: enough for the figures to
 * have all that occurs (candidates, plans too large yet, refused ones, verdicts without a metric).
 */
export function toySearch(baseline: BaselineRecord, limits: LimitsRecord): StepRecord[] {
  const accuracy = baseline.task === 'sst2';
  const sign = accuracy ? -1 : 1;
  const lossOf = (bits: readonly number[]): number =>
    bits.reduce((sum, width, index) => {
      const sensitive =
        UNITS[index].block === 'input' ? 40 : UNITS[index].block === 'output' ? 3 : 1;
      const noise = ((index * 7 + width * 13) % 5) - 2;
      return sum + (sensitive * 2 ** (1 - width) + 0.004 * noise) * (accuracy ? 0.03 : 2);
    }, 0);
  const bytesOf = (bits: readonly number[]): number =>
    Math.round(
      bits.reduce((sum, width, index) => {
        const { block } = UNITS[index];
        const siblings = UNITS.filter((unit) => unit.block === block).length;
        return sum + (baseline.bytes * blockShare(block) * width) / 32 / siblings;
      }, 0),
    );
  const groups = [
    { stage: 'global' as const, unit: 'model', members: UNITS.map((_, index) => index) },
    ...[...new Set(UNITS.map(({ block }) => block))].map((block) => ({
      stage: 'block' as const,
      unit: block,
      members: UNITS.flatMap((unit, index) => (unit.block === block ? [index] : [])),
    })),
    ...UNITS.flatMap(({ block, part }, index) =>
      part === 'SRWKV' || part === 'SRFFN'
        ? [{ stage: 'module' as const, unit: `${block}/${part}`, members: [index] }]
        : [],
    ),
  ];
  const steps: StepRecord[] = [];
  let plan = UNITS.map(() => 32);
  for (const { stage, unit, members } of groups) {
    for (const bits of [16, 14, 12, 10, 8, 6, 4]) {
      if (members.every((index) => plan[index] <= bits)) continue;
      const trial = plan.map((width, index) => (members.includes(index) ? bits : width));
      const loss = lossOf(trial);
      const accepted = loss <= limits.loss;
      const fits = bytesOf(trial) <= limits.bytes;
      const exact = accepted ? fits : steps.length % 2 === 0;
      const metric = Number((baseline.metric + sign * loss).toFixed(accuracy ? 3 : 2));
      steps.push({
        task: baseline.task,
        model: baseline.model,
        step: steps.length,
        stage,
        unit,
        bits,
        metric,
        exact,
        ...(exact && {
          low: metric - (accuracy ? 0.026 : 1.2),
          high: metric + (accuracy ? 0.025 : 1.2),
        }),
        bytes: bytesOf(trial),
        accepted,
        reason: accepted ? (fits ? 'meets both limits' : 'too large yet') : 'loses too much',
        units: UNITS.map(({ block, part }, index) => ({ block, part, bits: trial[index] })),
      });
      if (!accepted) break;
      plan = trial;
    }
  }
  return steps;
}

export const CASE_A1: LimitsRecord = { loss: 0.02, bytes: 0.464 * 14.7e6 };
export const CASE_B1: LimitsRecord = { loss: 1, bytes: 0.464 * 17.85e6 };

/** One block alone, in the shape that the bundled models have: the input is sensitive, the output for generation. */
export const SENSITIVITY: readonly SensitivityRecord[] = [
  SST2_BASELINE,
  WIKITEXT2_BASELINE,
].flatMap(({ task, model, metric }) => {
  const blocks = [...new Set(UNITS.map(({ block }) => block))];
  return blocks.flatMap((block) =>
    [16, 12, 8, 6, 4, 3].map((bits) => {
      const damage = 2 ** (3 - bits);
      const weight = block === 'input' ? 27 : block === 'output' && task === 'wikitext2' ? 30 : 1;
      const loss = task === 'sst2' ? Math.min(0.19, 0.007 * weight * damage) : weight * damage;
      return {
        task,
        model,
        unit: block,
        bits,
        metric: task === 'sst2' ? metric - loss : metric + loss,
        klDivergence: 0.1 * damage,
        flipRate: Math.min(0.4, 0.02 * damage * Math.sqrt(weight)),
      };
    }),
  );
});

/** spikegpt-mini: vocabulary 4096, width 192, hidden 768, 6 blocks; 4,461,696 parameters. */
export const MATRICES: readonly MatrixRecord[] = [
  { block: 'input', module: 'embedding', matrix: 'emb', parameters: 4096 * 192 },
  ...[0, 1, 2, 3, 4, 5].flatMap((index) => {
    const block = `attention.${index}`;
    const square = 192 * 192;
    return [
      ...['key', 'value', 'receptance', 'output'].map((matrix) => ({
        block,
        module: 'SRWKV',
        matrix,
        parameters: square,
      })),
      { block, module: 'SRFFN', matrix: 'key', parameters: 4 * square },
      { block, module: 'SRFFN', matrix: 'receptance', parameters: square },
      { block, module: 'SRFFN', matrix: 'value', parameters: 4 * square },
      { block, module: 'vectors', matrix: 'vectors', parameters: (index === 0 ? 13 : 11) * 192 },
    ];
  }),
  { block: 'output', module: 'head', matrix: 'norm', parameters: 2 * 192 },
  { block: 'output', module: 'head', matrix: 'head', parameters: 4096 * 192 },
];

export const LANDSCAPE: readonly LandscapeRecord[] = [
  {
    name: 'SpikeGPT-216M',
    kind: 'published',
    parameters: 215_399_424,
    accuracy: 0.857,
    bytes: 861.6e6,
    source: 'QSLM, arXiv 2601.00679',
  },
  {
    name: 'SpikeGPT-216M, QSLM a1',
    kind: 'published',
    parameters: 215_399_424,
    accuracy: 0.844,
    bytes: 0.143 * 861.6e6,
    source: 'QSLM, arXiv 2601.00679',
  },
  {
    name: 'spikegpt-mini-sst2',
    kind: 'this project',
    parameters: 3_675_648,
    accuracy: 672 / 872,
    bytes: 14.7e6,
    energy: 12.3,
    source: 'measured: 672 of 872 on SST-2 dev',
  },
];

export const ENERGY: readonly EnergyRecord[] = (['sst2', 'wikitext2'] as const).flatMap((task) =>
  ['fp32', 'a1', 'a2', 'a3'].flatMap((plan, index) =>
    ['as built', 'idealized'].map((accounting) => ({
      task,
      model: task === 'sst2' ? 'spikegpt-mini-sst2' : 'spikegpt-mini',
      plan,
      accounting,
      origin: 'modelled' as const,
      setting: 'DRAM, all weights for every token',
      microjoules: (accounting === 'as built' ? 16.2 : 5.4) * (1 - 0.07 * index),
      weightMicrojoules: 3 * (1 - 0.07 * index),
    })),
  ),
);

export const SAVINGS: readonly SavingRecord[] = [
  'a1 on spikegpt-mini-sst2',
  'b1 on spikegpt-mini',
].flatMap((run, index) =>
  (
    [
      ['computed', 3100 + 900 * index],
      ['prefix reuse', 2900],
      ['spike-exact exit', 640],
      ['certain verdicts', 380],
      ['memoised', 120],
      ['bisection', 1400],
    ] as const
  ).map(([part, evaluations]) => ({ run, part, evaluations })),
);

/** A neuron that fires at tokens 1 and 3, at 4 bits at 1 alone. */
export const MEMBRANE: readonly MembraneRecord[] = (
  [
    ['fp32', [0.4, 2.6, 1, 1.7, -0.5]],
    ['4 bits', [0.3, 2.4, 0.8, 1.4, -0.2]],
  ] as const
).flatMap(([plan, currents]) => {
  let v = 0;
  return currents.map((current, token) => {
    const potential = v + (current - v) / 2;
    const spike = potential >= 1;
    v = spike ? 0 : potential;
    return {
      plan,
      token,
      word: ['The', 'castle', 'was', 'built', '.'][token],
      current,
      potential,
      spike,
    };
  });
});
