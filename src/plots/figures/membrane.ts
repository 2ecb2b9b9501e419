import { PlotError } from '../../util/errors.js';
import type { Part } from '../parts/part.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import { COLORS } from '../parts/theme.js';
import type { MembraneRecord } from '../records.js';

const SIZE = { width: 600, height: 240 };
const LOOKS = [
  { color: COLORS.blue, dash: [1, 0] },
  { color: COLORS.vermilion, dash: [5, 3] },
  { color: COLORS.green, dash: [2, 2] },
] as const;

/**
 * The membrane potential of one neuron over a sequence, under one plan or several laid over each other. A
 * line rises or falls to the potential at a token; where that reaches the threshold, the neuron spikes and
 * the line drops to 0 at the same token: the reset. The bars are the current under the first plan.
 *
 * @param subject the neuron, for the title: "block 3, channel 7".
 * @throws {PlotError} when there are no records, or plans differ in their tokens.
 */
export function membraneChart(
  records: readonly MembraneRecord[],
  subject: string,
  threshold = 1,
): ChartSpec {
  const plans = [...new Set(records.map(({ plan }) => plan))];
  const courses = plans.map((plan) => records.filter((record) => record.plan === plan));
  checkTokens(courses);
  const [first = []] = courses;
  const words = first.map(({ word }) => word);
  const rows = records.flatMap(rowsOf);
  const looks = plans.map((_, index) => LOOKS[index % LOOKS.length]);
  const x: Part = {
    field: 'token',
    type: 'ordinal',
    title: 'Token',
    axis: { labelExpr: `${JSON.stringify(words)}[datum.value]`, labelAngle: -60, grid: false },
  };
  const y: Part = { field: 'value', type: 'quantitative', title: 'Current, potential' };
  const color: Part = {
    field: 'plan',
    type: 'nominal',
    scale: { domain: plans, range: looks.map((look) => look.color) },
    legend: { title: null, orient: 'top' },
  };
  const strokeDash: Part = {
    field: 'plan',
    type: 'nominal',
    scale: { domain: plans, range: looks.map(({ dash }) => [...dash]) },
    legend: { title: null, orient: 'top' },
  };
  const shape: Part = {
    field: 'mark',
    type: 'nominal',
    scale: { domain: ['spike', 'reset to 0'], range: ['diamond', 'circle'] },
    legend: { title: null, orient: 'top', symbolFillColor: '#777777', symbolStrokeWidth: 0 },
  };
  const tooltip = [
    { field: 'plan', title: 'Plan' },
    { field: 'word', title: 'Token' },
    { field: 'current', title: 'Current', format: '.3f' },
    { field: 'potential', title: 'Potential', format: '.3f' },
    { field: 'spike', title: 'Spike' },
  ];
  return chart(`Membrane potential of ${subject} over a sequence, ${plans.join(' and ')}.`, {
    title: {
      text: `${subject}${flipsText(courses)}`,
      subtitle: `Bars: current${plans.length > 1 ? `, ${plans[0]}` : ''}; lines: membrane potential; dashed across: threshold`,
    },
    ...SIZE,
    data: { values: values(rows, 'membrane chart') },
    layer: [
      {
        transform: [{ filter: `datum.order === 0 && datum.plan === ${JSON.stringify(plans[0])}` }],
        mark: { type: 'bar', color: COLORS.pale, aria: false },
        encoding: { x, y: { ...y, field: 'current' } },
      },
      {
        mark: { type: 'rule', color: COLORS.black, strokeDash: [5, 4], aria: false },
        encoding: { y: { datum: threshold } },
      },
      {
        mark: { type: 'line', strokeWidth: 1.8, aria: false },
        encoding: { x, y, color, strokeDash, order: { field: 'place' } },
      },
      {
        transform: [{ filter: "datum.mark !== ''" }],
        mark: { type: 'point', filled: true, opacity: 1, size: 80 },
        encoding: {
          ...{ x, y, color, shape, tooltip },
          size: { condition: { test: "datum.mark === 'spike'", value: 110 }, value: 26 },
        },
      },
      {
        transform: [{ filter: "datum.mark === ''" }],
        mark: { type: 'point', filled: true, opacity: 1, size: 20, shape: 'square' },
        encoding: { x, y, color, tooltip },
      },
    ],
  });
}

/** The potential at a token and, after a spike, the potential that it is reset to. */
function rowsOf({ token, spike, potential, ...record }: MembraneRecord): object[] {
  const common = { ...record, token, spike, potential };
  const at = { ...common, order: 0, place: 2 * token, value: potential };
  if (!spike) return [{ ...at, mark: '' }];
  return [
    { ...at, mark: 'spike' },
    { ...common, order: 1, place: 2 * token + 1, value: 0, mark: 'reset to 0' },
  ];
}

/** ": 4 bits flips 3 of 28 spikes": how many tokens have another outcome than under the first plan. */
function flipsText([first, ...others]: readonly (readonly MembraneRecord[])[]): string {
  const texts = others.map((course) => {
    const flipped = course.filter(({ spike }, index) => spike !== first[index].spike).length;
    return `${course[0].plan}: another outcome at ${flipped} of ${first.length} tokens`;
  });
  return texts.length === 0 ? '' : `. ${texts.join('; ')}`;
}

function checkTokens(courses: readonly (readonly MembraneRecord[])[]): void {
  const tokensOf = (course: readonly MembraneRecord[]): string =>
    course.map(({ token, word }) => `${token} ${word}`).join('|');
  const stranger = courses.find((course) => tokensOf(course) !== tokensOf(courses[0]));
  if (stranger === undefined) return;
  throw new PlotError({
    what: 'plans of different sequences',
    where: `membrane chart, ${stranger[0].plan}`,
    got: `${stranger.length} tokens that are not those of ${courses[0][0].plan}`,
    expected: 'the same tokens under every plan',
  });
}
