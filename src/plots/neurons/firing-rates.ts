import { PlotError } from '../../util/errors.js';
import { chart, values, type ChartSpec } from '../parts/spec.js';
import type { FiringRateRecord } from '../records.js';

const CELL = { width: 18, height: 16 };
const WIDTHS = { least: 60, most: 420 };

/**
 * Firing rates of the spiking layers of a model at each of their time steps, a panel a plan: layers down in
 * network order, steps across. A layer that fires once a token has one step.
 *
 * @throws {PlotError} when there are no records.
 */
export function firingRatesChart(records: readonly FiringRateRecord[]): ChartSpec {
  if (records.length === 0)
    throw new PlotError({
      what: 'no firing rate to draw',
      where: 'firing rates chart',
      got: '0 records',
    });
  const plans = [...new Set(records.map(({ plan }) => plan))];
  const layers = [...new Set(records.map(({ layer }) => layer))];
  const steps = Math.max(...records.map(({ step }) => step));
  const largest = Math.max(...records.map(({ rate }) => rate));
  const width = Math.min(WIDTHS.most, Math.max(WIDTHS.least, steps * CELL.width));
  const panels = plans.map((plan, index) => ({
    width,
    height: layers.length * CELL.height,
    title: { text: plan, fontSize: 12 },
    transform: [{ filter: `datum.plan === ${JSON.stringify(plan)}` }],
    mark: { type: 'rect' },
    encoding: {
      x: {
        field: 'step',
        type: 'ordinal',
        title: 'Time step',
        axis: { labelAngle: 0, labelOverlap: true, grid: false },
      },
      y: {
        field: 'layer',
        type: 'ordinal',
        title: null,
        scale: { domain: layers },
        axis: { labels: index === 0, ticks: index === 0, labelLimit: 260, grid: false },
      },
      color: {
        field: 'rate',
        type: 'quantitative',
        scale: { scheme: 'viridis', domain: [0, largest > 0 ? largest : 1] },
        legend: { title: 'Firing rate', format: '.0%' },
      },
      tooltip: [
        { field: 'plan', title: 'Plan' },
        { field: 'layer', title: 'Layer' },
        { field: 'step', title: 'Time step' },
        { field: 'rate', title: 'Firing rate', format: '.2%' },
      ],
    },
  }));
  const [{ model }] = records;
  return chart(
    `Firing rates of ${model} by spiking layer and time step under ${plans.join(', ')}.`,
    {
      title: {
        text: `Firing rates of ${model}, layer by layer${steps > 1 ? ` over ${steps} time steps` : ''}`,
        subtitle: 'Share of values that are not 0, padding left out; measured',
      },
      data: { values: values(records, 'firing rates chart') },
      hconcat: panels,
      spacing: 12,
    },
  );
}
