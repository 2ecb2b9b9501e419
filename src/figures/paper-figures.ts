import { architectureChart, type DrawnModel } from '../plots/architecture/chart.js';
import { landscapeChart } from '../plots/figures/landscape.js';
import type { ChartSpec } from '../plots/parts/spec.js';
import type { LandscapeRecord } from '../plots/records.js';

/**
 * Fig. 1: spiking language models by memory and accuracy on SST-2.
 *
 *     await show(landscapeFigure(await loadLandscape()));
 *
 * @param models published ones, and one's own: with parameters, accuracy in [0, 1], bytes, and a source.
 * @throws {PlotError} when there are none.
 */
export function landscapeFigure(models: readonly LandscapeRecord[]): ChartSpec {
  return landscapeChart(models);
}

/**
 * Fig. 4: a model as a diagram, from tokens to output, with one attention block opened: its matrices, its
 * neurons, and the stream that their spikes are added to.
 *
 *     await show(architectureFigure(model));
 *
 * @param model an opened model, or what `describeModel` says of a checkpoint, with a name.
 * @throws {PlotError} for a model without attention blocks.
 */
export function architectureFigure(model: DrawnModel): ChartSpec {
  return architectureChart(model);
}
