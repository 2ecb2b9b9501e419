import type { SearchResult } from '../experiment/runs/search-result.js';
import { ENERGY_WORDS, modelledPlans } from '../experiment/selection/energy-objective.js';
import type { ModelStructure } from '../model/structure.js';
import type { LandscapeRecord } from '../plots/records.js';
import { footprintOf } from '../quant/footprint.js';
import { planId, type ResolvedPlan } from '../quant/plan.js';
import { Assignment } from '../search/space.js';
import { groupBy } from '../util/group.js';

type NamedModel = ModelStructure & { readonly name: string };

/** A plan of a classifier, and where its accuracy is from. */
export interface JudgedPlan {
  /** 'a1' */
  readonly name: string;
  readonly plan: ResolvedPlan;
  /** [0, 1] */
  readonly accuracy: number;
  /** Title of the sentences that it is of. */
  readonly data: string;
}

/**
 * A judged plan of one's own as a point of Fig. 1, with its modelled energy where the family counts operations: no
 * meter was read.
 *
 *     await show(landscapeFigure([...(await loadLandscape()), modelledLandscapePoint(file, judged)]));
 */
export function modelledLandscapePoint(
  model: NamedModel,
  { name, plan, accuracy, data }: JudgedPlan,
): LandscapeRecord {
  const { hierarchy } = model;
  const energy = modelledPlans(model)?.ofPlan(plan);
  const counted = energy === undefined ? '' : `; energy ${ENERGY_WORDS}`;
  return {
    ...{ name: `${model.name}, ${name}`, kind: 'this project', parameters: hierarchy.parameters },
    ...{ accuracy, data, bytes: footprintOf(hierarchy, plan).total },
    ...(energy !== undefined && { energy, energyOrigin: 'modelled' }),
    source: `accuracy measured here${counted}`,
  };
}

/** The unquantized model and the plans that searches selected, as they were judged; identical plans once. */
export function judgedLandscapePoints(
  model: NamedModel,
  searches: readonly SearchResult[],
  data: string,
): LandscapeRecord[] {
  const judged = searches.flatMap(({ space, selected, heldOut, settings }) => {
    if (selected === undefined || heldOut === undefined) return [];
    const name = settings.case ?? 'selected plan';
    const plan = space.resolve(selected.candidate.assignment);
    return [{ name, plan, heldOut, unquantized: space.resolve(Assignment.unquantized) }];
  });
  if (judged.length === 0) return [];
  const [{ unquantized, heldOut }] = judged;
  const fp32 = { name: 'fp32', plan: unquantized, accuracy: heldOut.baseline.value, data };
  const plans = [...groupBy(judged, ({ plan }) => planId(plan)).values()].map((twins) => ({
    name: twins.map(({ name }) => name).join(', '),
    ...{ plan: twins[0].plan, accuracy: twins[0].heldOut.quantized.value, data },
  }));
  return [fp32, ...plans].map((each) => modelledLandscapePoint(model, each));
}
