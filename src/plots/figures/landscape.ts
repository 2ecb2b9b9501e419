import { BYTES_PER_MB } from '../../util/format.js';
import { LABEL_LOOKS, LABEL_SIZE, labelSides, type LabelSide } from '../parts/label-places.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { CHART_WIDTH, COLORS } from '../parts/theme.js';
import type { LandscapeRecord } from '../records.js';

const WIDTH = CHART_WIDTH - 90;
const HEIGHT = 300;
const COLOR_OF = { published: COLORS.purple, 'this project': COLORS.blue } as const;

/**
 * Fig. 1: spiking language models by memory and accuracy on SST-2. Only numbers with a source are drawn,
 * and each shows its own; where a source gives the energy a token, the tooltip does too. A model judged on other
 * sentences than the published ones has a star.
 *
 * @throws {PlotError} when there are no records.
 */
export function landscapeChart(records: readonly LandscapeRecord[]): ChartSpec {
  const all = records.map(({ bytes, energy, energyOrigin, ...rest }) => ({
    ...rest,
    label: rest.data === undefined ? rest.name : `${rest.name} *`,
    dataText: rest.data ?? 'SST-2, as its source has it',
    mb: bytes / BYTES_PER_MB,
    energyText:
      energy === undefined
        ? 'no source'
        : `${energy.toPrecision(3)} µJ a token (${energyOrigin ?? 'as published'})`,
  }));
  const kinds = (['published', 'this project'] as const).filter((kind) =>
    records.some((record) => record.kind === kind),
  );
  const mb = all.map((row) => row.mb);
  const accuracy = all.map((row) => row.accuracy);
  // Room on the right for the last name.
  const across: Ends = [Math.min(...mb) / 1.6, Math.max(...mb) * 4];
  const up: Ends = [Math.min(...accuracy) - 0.02, Math.max(...accuracy) + 0.02];
  const sides = sidesOf(all, across, up);
  const rows = all.map((row, index) => ({ ...row, side: sides[index] }));
  const x: Part = {
    field: 'mb',
    type: 'quantitative',
    title: 'Memory of the weights (MB, logarithmic)',
    scale: { type: 'log', domain: across, nice: false },
    axis: { format: '~r', grid: true },
  };
  const y: Part = {
    field: 'accuracy',
    type: 'quantitative',
    title: 'Accuracy on SST-2 (%)',
    scale: { domain: up, zero: false },
    axis: { format: '.0%' },
  };
  const color: Part = {
    field: 'kind',
    type: 'nominal',
    scale: { domain: kinds, range: kinds.map((kind) => COLOR_OF[kind]) },
    legend: { title: null, orient: 'top' },
  };
  return chart(
    'Spiking language models: accuracy on SST-2 against the memory of their weights, each number with its source.',
    {
      title: {
        text: spanText(records),
        subtitle: [
          'Accuracy against memory. Only numbers with a source; point at a model to read it',
          ...starText(records),
        ],
      },
      width: WIDTH,
      height: HEIGHT,
      data: { values: values(rows, 'landscape chart') },
      layer: [
        {
          mark: { type: 'point', filled: true, size: 130, opacity: 1 },
          encoding: {
            x,
            y,
            color,
            tooltip: [
              { field: 'name', title: 'Model' },
              { field: 'accuracy', title: 'Accuracy', format: '.1%' },
              { field: 'dataText', title: 'On' },
              { field: 'parameters', title: 'Parameters', format: ',' },
              { field: 'mb', title: 'Memory (MB)', format: '.4~r' },
              { field: 'energyText', title: 'Energy' },
              { field: 'source', title: 'Source' },
            ],
          },
        },
        ...[...new Set(sides)].map((side) => ({
          transform: [{ filter: `datum.side === '${side}'` }],
          mark: { type: 'text', fontSize: LABEL_SIZE, aria: false, ...LABEL_LOOKS[side] },
          encoding: { x, y, text: { field: 'label' } },
        })),
      ],
    },
  );
}

type Ends = [low: number, high: number];

/** A side for each name, so that models close to each other keep theirs apart. */
function sidesOf(
  rows: readonly { readonly mb: number; readonly accuracy: number; readonly label: string }[],
  [least, most]: Ends,
  [worst, best]: Ends,
): LabelSide[] {
  const marks = rows.map(({ mb, accuracy, label }) => ({
    x: (WIDTH * Math.log(mb / least)) / Math.log(most / least),
    y: HEIGHT * (1 - (accuracy - worst) / (best - worst)),
    text: label,
  }));
  return labelSides(marks, [], { left: 0, right: WIDTH, top: 0, bottom: HEIGHT });
}

/** Other sentences are another measure: the two are not held against each other. */
function starText(records: readonly LandscapeRecord[]): string[] {
  const others = [...new Set(records.flatMap(({ data }) => data ?? []))];
  return others.length === 0
    ? []
    : [`* judged on ${others.join(', ')}: other sentences, no comparison with the rest`];
}

/** From where to where the models reach. No model is said to be better: samples of SST-2 are small. */
function spanText(records: readonly LandscapeRecord[]): string {
  const spanOf = (numbers: readonly number[], digits: number): string => {
    const ends = [Math.min(...numbers), Math.max(...numbers)].map((end) => end.toFixed(digits));
    return ends[0] === ends[1] ? ends[0] : ends.join(' to ');
  };
  const same = records.filter(({ data }) => data === undefined);
  const accuracy = spanOf(
    (same.length > 0 ? same : records).map((record) => 100 * record.accuracy),
    1,
  );
  const memory = spanOf(
    records.map(({ bytes }) => bytes / BYTES_PER_MB),
    0,
  );
  return `Spiking language models on SST-2: accuracy ${accuracy} %, memory ${memory} MB`;
}
